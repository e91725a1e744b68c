"""Units of the person's own as the client: as they stand in the ArchWiki's page systemd/User."""

import pytest
from container.session import (
    FOLDER,
    ON_DISPLAY,
    XVFB,
    Journal,
    Session,
    files_of_alice,
    main_pid,
    manager_has,
    shown,
)
from machine import Container

AWESOME = """\
[Unit]
Description=Awesome window manager
After=xorg.target
Requires=xorg.target

[Service]
ExecStart=/usr/bin/awesome
Restart=always
RestartSec=10
 
[Install]
WantedBy=wm.target
"""  # noqa: W293  as it stands there

MULTIPLEXER = """\
[Unit]
Description=Terminal multiplexer
Documentation=info:screen man:screen(1) man:tmux(1)
After=cruft.target
Wants=cruft.target

[Install]
Alias=default.target
"""

TMUX = """\
[Unit]
Description=tmux: A terminal multiplexer 
Documentation=man:tmux(1)
After=gpg-agent.service
Wants=gpg-agent.service

[Service]
Type=forking
ExecStart=/usr/bin/tmux start
ExecStop=/usr/bin/tmux kill-server
Environment=DISPLAY=:0
EnvironmentFile=/tmp/gpg-agent-info

[Install]
WantedBy=multiplexer.target
"""  # noqa: W291

FILES = {"systemd/user/awesome.service": AWESOME}
# Without what Debian's ssh-agent.service sets, which outlives the session.
SHOW = "systemctl --user show-environment | grep -v ^SSH_A"
LISTEN = "xsession listen --server xvfb"


def test_what_wm_target_wants_is_the_client(container: Container) -> None:
    journal = Journal(container)
    with files_of_alice(container, FILES, enable="awesome.service"):
        with Session(container, "") as session:
            session.wait_until_managed()
            assert "awesome manages :0" in journal.of()
            first = main_pid(container, "awesome.service")
            environ = container.output(f"tr '\\0' '\\n' </proc/{first}/environ").splitlines()
            assert "DISPLAY=:0" in environ and f"XAUTHORITY={FOLDER}/authority" in environ
            told = container.output("xsession status", "alice")
            assert "client: awesome.service" in told

            # Restart=always: its end is not the session's.
            container.run(f"kill -KILL {first}")
            container.wait(
                f"pid=$(systemctl --user show awesome -p MainPID --value);"
                f" [ $pid != 0 -a $pid != {first} ]",
                30,
                user="alice",
            )
            assert session.runs
            container.run("xsession restart client", "alice")
            session.wait_until_managed()
            assert session.stop().status == 0
        assert shown(container, "awesome.service", "ActiveState") == "inactive"
        assert shown(container, "wm.target", "ActiveState") == "inactive"

        # With another client it stays out of its way.
        with Session(container, "openbox") as session:
            session.wait_until_managed()
            assert shown(container, "wm.target", "ActiveState") == "inactive"
            assert container.output("pgrep -x awesome || true") == ""
            assert session.stop().status == 0


@pytest.mark.journal(r"xorg-answers\.service: (Main process exited|Failed with result)")
@pytest.mark.journal(r"Failed to start xorg-answers\.service", r"Dependency failed for")
def test_a_unit_that_was_named(container: Container) -> None:
    with files_of_alice(container, FILES):
        # Without a display it fails, and reaches nothing in the dark.
        result = container.run("systemctl --user start awesome.service", "alice", check=False)
        assert result.status != 0
        for unit in ("awesome.service", "xorg.target", "graphical-session.target"):
            assert shown(container, unit, "ActiveState") == "inactive"

        with Session(container, "awesome.service") as session:
            session.wait_until_managed()
            assert shown(container, "awesome.service", "ActiveState") == "active"
            assert session.stop().status == 0
        assert shown(container, "awesome.service", "ActiveState") == "inactive"
        missing = container.run(f"{XVFB} no-such.service", "alice", check=False)
        assert missing.status == 127 and "no unit that can be started" in missing.stderr


def test_a_unit_starts_the_server_that_listens(container: Container) -> None:
    with files_of_alice(container, FILES), Session(container, command=LISTEN, words="") as session:
        container.wait("systemctl --user -q is-active xorg@0.socket", 20, user="alice")
        container.wait("systemctl --user show-environment | grep -x DISPLAY=:0", 20, user="alice")
        container.run("! pgrep -x Xvfb")
        container.run("systemctl --user start awesome.service", "alice")
        container.run("pgrep -x Xvfb")
        assert shown(container, "xorg.target", "ActiveState") == "active"
        container.wait(
            f"{ON_DISPLAY} xprop -root _NET_SUPPORTING_WM_CHECK | grep -F '#'", 20, user="alice"
        )
        container.run("systemctl --user stop awesome.service", "alice")
        assert session.stop().status == 0
    assert shown(container, "xorg.target", "ActiveState") == "inactive"


def test_a_multiplexer_of_last_week(container: Container, home: str) -> None:
    """What is started in it reaches the display that came later; it knows DISPLAY alone."""
    files = {
        "systemd/user/multiplexer.target": MULTIPLEXER,
        "systemd/user/tmux.service": TMUX,
        "tmux/tmux.conf": "set -g exit-empty off\n",
    }
    container.run("touch /tmp/gpg-agent-info", "alice")
    try:
        with files_of_alice(container, files, enable="tmux.service"):
            container.run("systemctl --user start multiplexer.target", "alice")
            container.wait("systemctl --user -q is-active tmux.service", 20, user="alice")
            with Session(container, "openbox") as session:
                session.wait_until_managed()
                line = f"(env; xdpyinfo) >{home}/words 2>&1; touch {home}/done"
                container.run(f"tmux run-shell -b '{line}'", "alice")
                container.wait(f"[ -e {home}/done ]", 20)
                words = container.output(f"cat {home}/words")
                assert "DISPLAY=:0" in words and "XAUTHORITY=" not in words
                assert "name of display:    :0" in words
                assert session.stop().status == 0
            # It was there before the session, and is after it.
            assert shown(container, "tmux.service", "ActiveState") == "active"
            container.run("systemctl --user stop tmux.service multiplexer.target", "alice")
    finally:
        container.run("rm -f /tmp/gpg-agent-info", "alice")


def test_an_rc_that_imports_itself(container: Container, home: str) -> None:
    """What xinit's 50-systemd-user.sh and people's profiles do: for us it is done already."""
    script = """#!/bin/sh
systemctl --user import-environment DISPLAY XAUTHORITY
if command -v dbus-update-activation-environment >/dev/null 2>&1; then
    dbus-update-activation-environment DISPLAY XAUTHORITY
fi
systemctl --user import-environment PATH
exec openbox
"""
    before = container.output(SHOW, "alice")
    with (
        files_of_alice(container, {"xsession/rc": script}),
        Session(container, "", before=f"PATH={home}:$PATH") as session,
    ):
        session.wait_until_managed()
        assert manager_has(container, "DISPLAY") == ":0"
        assert manager_has(container, "PATH").startswith(f"{home}:")
        assert session.stop().status == 0
    assert container.output(SHOW, "alice") == before
