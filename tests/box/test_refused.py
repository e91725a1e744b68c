"""What cannot be done is refused in one line, with what to type, and a documented status."""

import pytest
from machine import Box
from person import start, stop, type_command, wait_for_end


def refusal(stderr: str) -> tuple[str, str]:
    """The sentence and its hint, if that is all that was said."""
    first, second = stderr.rstrip("\n").split("\n")
    assert first.startswith("xsession: ")
    assert second.startswith("  ")
    return first.removeprefix("xsession: "), second.strip()


def test_over_ssh(box: Box) -> None:
    done = box.run("xsession start xterm", "alice", login=True, check=False)
    assert done.status == 125
    sentence, hint = refusal(done.stderr)
    assert sentence.startswith("Xorg cannot be started here: login session")
    assert sentence.endswith("has no seat (an ssh login?)")
    assert hint == "log in on a VT, or try: xsession start --server xvfb CLIENT"


@pytest.mark.parametrize(
    ("client", "status", "sentence"),
    [
        ("nosuchprogram", 127, "client 'nosuchprogram': not found"),
        ("/etc/hostname", 126, "client '/etc/hostname': not executable"),
        ("/etc", 126, "client '/etc': is a folder"),
    ],
)
def test_no_such_client(box: Box, client: str, status: int, sentence: str) -> None:
    type_command(box, f"xsession start {client}")
    ended, screen = wait_for_end(box)
    assert ended == status
    assert f"xsession: {sentence}" in screen


def test_the_display_is_taken(box: Box) -> None:
    """Another user's server, of whom nothing is touched; without a number the next one is taken."""
    box.run("systemd-run -q --uid=bob --unit=theirs Xvfb :0 -nolock -nolisten tcp")
    box.wait("[ -S /tmp/.X11-unix/X0 ]")
    type_command(box, "xsession start xterm -- :0")
    ended, screen = wait_for_end(box)
    assert ended == 125
    assert "xsession: display :0 is taken: its abstract address is in use" in screen
    assert "leave the number out, and a free one is chosen" in screen
    start(box, "xsession start xterm", display=1)
    stop(box)
    assert wait_for_end(box)[0] == 0
    box.run("systemctl is-active theirs && systemctl stop theirs && rm -f /tmp/.X11-unix/X0")


def test_a_second_session(box: Box) -> None:
    start(box)
    done = box.run("xsession start --server xvfb true", "alice", check=False)
    assert done.status == 125
    sentence, hint = refusal(done.stderr)
    assert sentence == "a graphical session of this user is running already, on :0"
    assert hint.startswith("end it: xsession stop; ")
    stop(box)
    assert wait_for_end(box)[0] == 0


@pytest.mark.journal("user@1000.service")
def test_no_user_manager(box: Box) -> None:
    """It has failed, or was stopped; the runtime folder may still be there."""
    box.run("systemctl stop user@1000.service")
    type_command(box, "xsession start xterm")
    ended, screen = wait_for_end(box)
    assert ended == 125
    assert "xsession: the user manager does not answer (uid 1000, /run/user/1000)" in screen
    assert "systemctl status user@1000.service" in screen
    box.run("systemctl start user@1000.service")


def test_no_login_session_at_all(box: Box) -> None:
    """As cron's jobs, or after su."""
    done = box.run("xsession start xterm", "alice", check=False)
    assert done.status == 125
    assert refusal(done.stderr)[0] == "Xorg cannot be started here: this is not a login session"
