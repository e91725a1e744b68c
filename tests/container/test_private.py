"""A second display of the same user, apart from the first."""

import json

from container.session import (
    IDLE,
    RUNTIME,
    Session,
    manager_variables,
    said,
    shown,
    start,
)
from machine import Container

PRIVATE = "xsession start --server xvfb --private"


def test_a_display_beside_the_first(container: Container, home: str) -> None:
    with Session(container, "openbox") as session:
        session.wait_until_managed()
        shared = manager_variables(container)
        refused = start(container, "true")
        assert refused.status == 125 and "running already, on :0" in said(refused)

        script = f"sh -c 'xdpyinfo; env >{home}/words; exec {IDLE}'"
        with Session(container, script, command=PRIVATE) as private:
            private.wait_until_up(1)
            container.wait(f"[ -s {home}/words ]", 10)
            words = container.output(f"cat {home}/words").splitlines()
            assert "DISPLAY=:1" in words and f"XAUTHORITY={RUNTIME}/xsession/1/authority" in words
            container.run(f"! cmp {RUNTIME}/xsession/0/authority {RUNTIME}/xsession/1/authority")
            assert manager_variables(container) == shared
            states = json.loads(container.output("xsession status --json", "alice"))
            assert [(it["display"], it["private"]) for it in states] == [
                (":0", False),
                (":1", True),
            ]
            assert shown(container, "xsession@1.target", "ActiveState") == "inactive"
            assert shown(container, "xsession-managed@1.service", "ActiveState") == "inactive"

            # What is asked of "the session" is asked of the first; the other is named.
            container.run("xsession restart client :1", "alice")
            container.run("xsession restart server :1", "alice")
            private.wait_until_up(1)
            container.run("xsession env | grep -F DISPLAY=:0", "alice")
            container.run("xsession stop :1", "alice")
            assert private.result().status == 0
        assert manager_variables(container) == shared
        assert shown(container, "graphical-session.target", "ActiveState") == "active"
        container.run('eval "$(xsession env --sh)"; xdpyinfo', "alice")
        assert session.stop().status == 0


def test_a_private_display_is_no_session_of_the_manager(container: Container) -> None:
    """It is in nobody's way: the first that is not private comes later."""
    before = manager_variables(container)
    with Session(container, command=PRIVATE) as private:
        private.wait_until_up()
        assert manager_variables(container) == before
        assert container.run("xsession env", "alice", check=False).status == 125
        with Session(container, "openbox") as session:
            session.wait_until_managed(1)
            assert manager_variables(container)["DISPLAY"] == ":1"
            container.run("xsession stop", "alice")  # all of hers
            assert session.result().status == 0
        assert private.result().status == 0


def test_fifty_at_once(container: Container, home: str) -> None:
    """All different, or refused with a sentence; no display is ever shared."""
    stays = f"until [ -e {home}/go ]; do sleep 1; done"
    client = f"xdpyinfo >/dev/null && touch {home}/$DISPLAY-$$; {stays}"
    one = f"{PRIVATE} --timeout 100 sh -c '{client}' </dev/null 2>{home}/said-$n"
    container.run(
        f"for n in $(seq 50); do ({one}; [ $? = 0 ] || touch {home}/refused-$n) & done", "alice"
    )
    try:
        container.wait(f"cd {home}; [ $(ls -d :* refused-* 2>/dev/null | wc -l) = 50 ]", 200)
        displays = container.output(f"cd {home}; ls -d :*").split()
        numbers = {it.partition("-")[0] for it in displays}
        assert len(numbers) == len(displays)
        for name in container.output(f"cd {home}; ls refused-* 2>/dev/null || true").split():
            sentence = container.output(f"cat {home}/said-{name.removeprefix('refused-')}")
            assert sentence.startswith("xsession: ") and "Traceback" not in sentence
        assert len(displays) >= 40, "most find a number"
    finally:
        container.run(f"touch {home}/go", "alice")
        container.wait("! pgrep -u alice -f 'xsession start'", 100)
