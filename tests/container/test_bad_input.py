"""What cannot be done is refused: one clear line, a way out, the documented exit status."""

import shlex
from pathlib import Path

import image
import pytest
from container.session import FOLDER, IDLE, RUNTIME, XVFB, Session, files_of_alice, said, start
from machine import Container, Result

pytestmark = [pytest.mark.fault("bad input, bad machine"), pytest.mark.divided]


def refused(result: Result, reason: str, hint: str = "", status: int = 125) -> None:
    """The reason is the first line, the way out the second; there is no third."""
    assert result.status == status, result
    assert reason in said(result)
    lines = result.stderr.splitlines()
    assert len(lines) <= 2, result.stderr
    assert hint in (lines[1] if len(lines) == 2 else "")


def typed(machine: Container, line: str, user: str = "alice") -> Result:
    return machine.run(line, user, check=False, timeout=20)


SENSELESS = {
    "": "VERB",
    "begin": "'begin'",
    "start --fast true": "--fast",
    "start --serv xvfb true": "--serv",
    "start --server wayland true": "'wayland'",
    "start --display one true": "'one' is no display",
    "start --display :-1 true": "':-1' is no display",
    "start --display :99999 true": "':99999' is no display",
    "start --display :٣ true": "is no display",
    "start --vt 64 true": "'64' is no VT",
    "start --vt 0 true": "'0' is no VT",
    "start --timeout never true": "'never' is no number of seconds",
    "start --timeout nan true": "'nan' is no number of seconds",
    "start --timeout -1 true": "-1",
    "start --timeout": "--timeout",
    "start --server xvfb true -- :123456": "':123456' is no display",
    "start --server xvfb true -- vt99": "'99' is no VT",
    "start --server xvfb true -- :1 :2": "':2' is one too many",
    "start --server xvfb true -- -auth /dev/null": "server option -auth",
    "start --server xvfb true -- -screen 0 1x1x1 :1": "':1' must stand only once",
    "start --server xvfb --vt 1 true": "Xvfb has no VT",
    "listen --server xvfb true": "true",
    "stop now": "'now' is no display",
    "bridge": "'bridge' is no verb of xsession",
    "bridge x": "'bridge' is no verb of xsession",
}


def test_words_that_make_no_sense(container: Container) -> None:
    for words, reason in SENSELESS.items():
        refused(typed(container, f"xsession {words}"), reason)


def test_help_and_version(container: Container) -> None:
    for words in ("--help", "start --help", "listen --help", "--version"):
        result = typed(container, f"xsession {words}")
        assert (result.status, result.stderr) == (0, "")
        assert "xsession" in result.stdout
    # A reader that goes away is no reason for a traceback.
    assert typed(container, "xsession --help | true").stderr == ""


def test_a_client_that_cannot_be_run(container: Container, home: str) -> None:
    container.run(f"cd {home}; touch file; mkdir -m 755 folder; ln -s nowhere link", "alice")
    for client, status, reason in (
        ("no-such-program", 127, "not found"),
        (f"{home}/nothing", 127, "not found"),
        (f"{home}/link", 127, "not found"),
        ("''", 127, "not found"),
        (f"{home}/file", 126, "not executable"),
        (f"{home}/folder", 126, "not executable"),
        ("/root/secret", 127, "not found"),
    ):
        refused(start(container, client), reason, status=status)


def test_a_client_that_the_kernel_refuses(container: Container, home: str) -> None:
    container.run(f"cd {home}; echo '#!/no/such' >script; chmod +x script", "alice")
    refused(
        start(container, f"{home}/script"),
        "its interpreter /no/such cannot be executed",
        "head -1",
        126,
    )


def test_on_no_vt(container: Container) -> None:
    result = typed(container, "xsession start openbox")
    refused(result, "Xorg cannot be started here: this is not a login session", "log in on a VT")


def test_over_ssh(container: Container) -> None:
    key = image.build(container.suite) / "ssh-key"
    container.push(Path(key), "/dev/shm/key")
    ssh = "ssh -q -o StrictHostKeyChecking=no -o BatchMode=yes -i /dev/shm/key alice@localhost"
    try:
        container.run("chmod 600 /dev/shm/key")
        result = container.run(f"{ssh} xsession start openbox", check=False)
        refused(result, "has no seat (an ssh login?)", "xsession start --server xvfb CLIENT")
        # And the way out is one.
        result = container.run(f"{ssh} {XVFB} xdpyinfo", check=False)
        assert (result.status, result.stderr) == (0, "")
    finally:
        container.run("rm -rf /dev/shm/key /root/.ssh/known_hosts")


def test_a_server_that_is_not_installed(container: Container) -> None:
    container.run("mv /usr/bin/Xnest /usr/bin/Xnest.away")
    try:
        result = typed(container, "DISPLAY=:9 xsession start --server xnest true")
        refused(result, "Xnest is not installed", "apt install xnest")
    finally:
        container.run("mv /usr/bin/Xnest.away /usr/bin/Xnest")


def test_no_runtime_folder(container: Container, home: str) -> None:
    without = "env -u XDG_RUNTIME_DIR xsession"
    # A folder here that looks like the one of a dead session is not ours.
    container.run(f"mkdir -p {home}/xsession/5; touch {home}/xsession/5/precious", "alice")
    for words in ("start --server xvfb true", "listen --server xvfb", "stop", "status"):
        result = typed(container, f"cd {home}; {without} {words}")
        refused(result, "XDG_RUNTIME_DIR is not set", "log in on a VT or by ssh")
    typed(container, f"cd {home}; {without} clear 5")
    container.run(f"[ -e {home}/xsession/5/precious ]")


def test_no_user_manager(container: Container) -> None:
    for folder in ("/nowhere", "/run/user/1001", "/tmp"):
        result = typed(
            container,
            f"env -u DBUS_SESSION_BUS_ADDRESS XDG_RUNTIME_DIR={folder} {XVFB} true",
        )
        refused(result, "the user manager does not answer", "systemctl status user@1000.service")
    container.run("[ ! -e /tmp/xsession ] || rmdir /tmp/xsession")
    result = typed(container, f"{XVFB} true", "bob")  # who is not logged in
    assert result.status == 125
    assert "Traceback" not in result.stderr


def test_a_runtime_folder_that_cannot_be_written(container: Container) -> None:
    container.run(f"mkdir -p {RUNTIME}/xsession; chmod 500 {RUNTIME}/xsession", "alice")
    try:
        refused(start(container, "true"), f"could not make {FOLDER}: Permission denied", "ls -ld")
    finally:
        container.run(f"chmod 700 {RUNTIME}/xsession")


def test_a_file_in_the_runtime_folders_place(container: Container) -> None:
    container.run(f"rm -rf {RUNTIME}/xsession; touch {RUNTIME}/xsession", "alice")
    try:
        refused(start(container, "true"), f"{RUNTIME}/xsession is in the way")
    finally:
        container.run(f"rm {RUNTIME}/xsession")


def test_a_full_runtime_folder(container: Container) -> None:
    """Whichever write is the first that finds no room, nothing half-done stays."""
    for free in ("0", "4k", "8k", "12k", "16k"):
        container.run(
            f"install -d -o alice -g alice -m 700 {RUNTIME}/xsession;"
            f" mount -t tmpfs -o size=64k,uid=1000,mode=700 none"
            f" {RUNTIME}/xsession; head -c 64k /dev/zero >{RUNTIME}/xsession/big || true;"
            f" truncate -s -{free} {RUNTIME}/xsession/big"
        )
        try:
            result = start(container, "xdpyinfo")
            assert result.status in (0, 125)
            if result.status:
                assert "No space left on device" in said(result)
            else:
                assert free != "0"
            container.run(f"[ ! -e {FOLDER} ]")
        finally:
            container.run(f"umount {RUNTIME}/xsession")


@pytest.mark.parametrize(
    ("spoil", "repair"),
    [
        ("mv /home/alice /home/away", "mv /home/away /home/alice"),
        (
            "mount -t tmpfs -o size=4k,uid=1000 none /home/alice; "
            "head -c 4k /dev/zero >/home/alice/big",
            "umount --lazy /home/alice",
        ),
        ("mount -t tmpfs -o ro,uid=1000 none /home/alice", "umount --lazy /home/alice"),
        ("chmod 000 /home/alice", "chmod 700 /home/alice"),
    ],
    ids=["missing", "full", "read-only", "closed"],
)
def test_a_home_is_not_needed(container: Container, spoil: str, repair: str) -> None:
    container.run(spoil)
    try:
        result = container.run(
            "setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=/home/alice USER=alice"
            f" XDG_RUNTIME_DIR={RUNTIME} DBUS_SESSION_BUS_ADDRESS=unix:path={RUNTIME}/bus"
            f" {XVFB} xdpyinfo",
            check=False,
        )
        assert (result.status, result.stderr) == (0, "")
    finally:
        container.run(repair)


def test_a_complaint_for_which_there_is_no_room(container: Container) -> None:
    with files_of_alice(container, {"xsession/env": "this is no assignment\n"}):
        result = typed(container, f"{XVFB} true 2>/dev/full")
    assert result.status == 125


def test_without_a_name_the_first_client_there_is_runs(container: Container) -> None:
    container.run(
        "mkdir -p ~/.config/xsession && echo 'exit 21' >~/.config/xsession/rc;"
        " printf '#!/bin/sh\\nexit 22\\n' >~/.xinitrc; chmod +x ~/.xinitrc",
        "alice",
    )
    try:
        assert start(container, "").status == 21
        container.run("rm -r ~/.config/xsession", "alice")
        assert start(container, "").status == 22
        with Session(container, "--safe") as session:
            session.wait_until_up()
            container.wait("pgrep -x xterm", 10)
            assert session.stop().status == 0
    finally:
        container.run("rm -rf ~/.config/xsession ~/.xinitrc", "alice")


def test_words_that_are_no_utf8(container: Container) -> None:
    """A name of the old days works, or is refused in words."""
    for words in ("true $'\\xff'", f"{IDLE} -- $'-\\xff'", "$'\\xff'"):
        result = start(container, words)
        assert "Traceback" not in result.stderr
        assert result.status in (0, 125, 127), shlex.quote(words)
        if result.status:
            said(result)
