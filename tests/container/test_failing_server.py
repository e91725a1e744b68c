"""Servers that fail before they are ready: each is a small program that misbehaves in one way."""

import dataclasses
import time

import pytest
from container.session import FOLDER, IDLE, XVFB, Journal, Session, main_pid, said, start
from machine import Container

pytestmark = [pytest.mark.fault("the server"), pytest.mark.divided]


@dataclasses.dataclass(frozen=True)
class Fake:
    """A program that stands for Xvfb, the reason that is given for its failure, and how soon."""

    script: str
    reason: str
    within: float = 15.0
    mode: str = "755"


# What a server would do first: find the descriptor where it is to write its display's number.
DISPLAY_FD = """#!/bin/bash
while [ "$1" != -displayfd ]; do shift; done
fd=$2
"""

FAKES = {
    "fatal error": Fake(
        "#!/bin/sh\nprintf '(EE) \\nFatal server error:\\n(EE) no screens found\\n' >&2; exit 1",
        "the server ended with status 1: no screens found",
    ),
    "exits with 0": Fake("#!/bin/sh\nexit 0", "the server ended with status 0"),
    "is killed": Fake("#!/bin/sh\nkill -SEGV $$", "the server ended with signal 11 (SIGSEGV)"),
    "says it is ready and dies": Fake(
        f"{DISPLAY_FD} echo 0 >&$fd; exit 7", "the server ended with status 7"
    ),
    "says it is ready and never answers": Fake(
        f"{DISPLAY_FD} echo 0 >&$fd; exec sleep infinity",
        "the server did not answer on :0 within 1 s",
    ),
    "never says it is ready": Fake(
        "#!/bin/sh\nexec sleep infinity", "the server did not answer on :0 within 1 s"
    ),
    "says half of it": Fake(
        f"{DISPLAY_FD} printf 0 >&$fd; exec sleep infinity",
        "the server did not answer on :0 within 1 s",
    ),
    "says nonsense without an end": Fake(
        f"{DISPLAY_FD} yes | tr -d '\\n' >&$fd", "the server did not answer on :0 within 1 s"
    ),
    "closes the descriptor": Fake(
        f'{DISPLAY_FD} eval "exec $fd>&-"; exec sleep infinity',
        "the server did not answer on :0 within 1 s",
    ),
    "ignores SIGTERM": Fake(
        "#!/bin/bash\ntrap '' TERM; while :; do sleep 1; done",
        "the server did not answer on :0 within 1 s",
        within=20,
    ),
    "writes ten megabytes": Fake(
        "#!/bin/sh\nhead -c 10000000 /dev/zero | tr '\\0' x >&2\n"
        "printf '\\n(EE) that was it\\n' >&2; exit 1",
        "the server ended with status 1: that was it",
        within=20,
    ),
    "writes what is not text": Fake(
        # Not at random: journald takes `<3>` before a line for its priority.
        "#!/bin/sh\nyes \"$(printf '\\200\\377\\001x\\033')\" | head -c 5000 >&2\n"
        "printf '\\n(EE) \\377\\033[31mred\\n' >&2; exit 1",
        "the server ended with status 1",
    ),
    "closes its standard error": Fake(
        "#!/bin/sh\nexec 2>&- >&-; exec sleep infinity",
        "the server did not answer on :0 within 1 s",
    ),
    "has an interpreter that is missing": Fake(
        "#!/no/such/program\n", "could not execute", mode="755"
    ),
    "is not a program": Fake("this is no program\n", "could not execute"),
}


@pytest.mark.journal(r"xsession-client@0\.service")
@pytest.mark.parametrize("fake", FAKES, ids=lambda name: name.replace(" ", "-"))
def test_a_server_that(container: Container, home: str, fake: str) -> None:
    program = FAKES[fake]
    container.run(
        f"cat >{home}/Xvfb && chmod {program.mode} {home}/Xvfb", "alice", stdin=program.script
    )
    # The client writes down what it is told, as soon as it is told.
    client = f"sh -c 'xdpyinfo 2>{home}/told; exec sleep infinity'"
    begun = time.monotonic()
    result = container.run(
        f"PATH={home}:$PATH {XVFB} --timeout 1 {client}", "alice", check=False, timeout=30
    )
    took = time.monotonic() - begun
    assert result.status == 125
    assert said(result).startswith("no X server on :0: ")
    assert program.reason in said(result)
    assert took < program.within
    assert result.stderr.replace("\n", "").isprintable()
    told = container.output(f"cat {home}/told 2>/dev/null || true")
    # Else the client was ended before it could ask, or asked when nobody was there any more.
    if "within 1 s" in program.reason or "xsession:" in told:
        assert f"xsession: {program.reason}" in told


def test_a_server_that_is_not_executable_is_not_installed(container: Container, home: str) -> None:
    container.run(f"touch {home}/Xvfb", "alice")
    for tool in ("systemctl", "systemd-run", "busctl"):
        container.run(f"ln -s /usr/bin/{tool} {home}/", "alice")
    result = container.run(
        f"PATH={home} /usr/bin/xsession start --server xvfb /bin/true", "alice", check=False
    )
    assert result.status == 125
    assert said(result) == "Xvfb is not installed"
    assert "apt install xvfb" in result.stderr


@pytest.mark.journal(r"xsession-client@0\.service")
def test_what_asks_the_server_is_killed(container: Container, home: str) -> None:
    """The server has refused nobody."""
    waits = f"{DISPLAY_FD} until [ -e {home}/go ]; do sleep 0.1; done; echo 0 >&$fd; sleep 600"
    container.run(f"cat >{home}/Xvfb && chmod +x {home}/Xvfb", "alice", stdin=waits)
    with Session(container, command=f"env PATH={home}:$PATH {XVFB}") as session:
        # Until the server is one the bridge has another child that looks the same.
        container.wait(f"pgrep -f '^/bin/bash {home}/Xvfb'", 10, "the server")
        asker = f"pgrep -P {main_pid(container, 'xorg@0.service')} -f 'xsession bridge'"
        container.wait(asker, 10, "what asks")
        container.run(f"kill -KILL $({asker}); touch {home}/go")
        result = session.result()
    assert result.status == 125
    assert said(result) == (
        "no X server on :0: the program that asks whether the server answers was killed"
    )


def test_a_wrong_server_argument(container: Container) -> None:
    journal = Journal(container)
    result = start(container, f"{IDLE} -- -no-such-option")
    assert result.status == 125
    assert said(result).startswith("no X server on :0: the server ended with status 1")
    assert "no-such-option" in said(result)
    assert "no-such-option" in journal.of("xorg@0")


def test_a_server_whose_reason_is_told_to_a_second_program(container: Container, home: str) -> None:
    """A listener lives on, and its next server may be a better one."""
    container.run(f"printf '{FAKES['exits with 0'].script}' >{home}/Xvfb", "alice")
    container.run(f"chmod +x {home}/Xvfb", "alice")
    with Session(
        container, "", command=f"env PATH={home}:$PATH xsession listen --server xvfb"
    ) as session:
        container.wait("systemctl --user show-environment | grep DISPLAY=:0", 10, user="alice")
        ask = f"DISPLAY=:0 XAUTHORITY={FOLDER}/authority xdpyinfo"
        for _ in range(2):
            asked = container.run(ask, "alice", check=False, timeout=5)
            assert "xsession: the server ended with status 0" in asked.stderr
        container.wait(
            "[ $(systemctl --user is-active xorg@0.service) = inactive ]", 10, user="alice"
        )
        container.run(f"ln -sf /usr/bin/Xvfb {home}/Xvfb", "alice")
        container.run(ask, "alice")
        result = session.stop()
    assert result.status == 0
    assert "no X server on :0: the server ended with status 0" in result.stderr
