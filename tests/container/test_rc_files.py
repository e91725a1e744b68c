"""Rc files run as they do under startx: those that people publish, and those that are broken."""

import contextlib
import shlex
from collections.abc import Iterator

import pytest
from container.session import (
    IDLE,
    ON_DISPLAY,
    Session,
    manager_has,
    manager_variables,
    said,
    shown,
    start,
)
from machine import Container
from rc_files import SHAPES, Shape

pytestmark = pytest.mark.divided
CLIENTS_OWN = pytest.mark.journal(
    r"xsession-client@0\.service: (Main process exited|Failed with result)",
    # of dbus-launch, and of systemctl import-environment without names
    r"A connection to the bus can't be made|without a list of variable names is deprecated",
)
CLIENT = "xsession-client@0.service"
HOME = "/home/alice"


@contextlib.contextmanager
def at_home(
    machine: Container, text: str, path: str = ".xinitrc", mode: int = 0o644
) -> Iterator[str]:
    """A file in alice's home; after it her home is as it was."""
    target = shlex.quote(f"{HOME}/{path}")
    machine.run(f"cp -a {HOME} /tmp/home")
    try:
        line = f"mkdir -p $(dirname {target}); cat >{target}; chmod {mode:o} {target}"
        machine.run(line, "alice", stdin=text)
        yield f"{HOME}/{path}"
    finally:
        machine.run(f"find {HOME} -mindepth 1 -delete; cp -aT /tmp/home {HOME}; rm -r /tmp/home")


@CLIENTS_OWN
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_as_people_publish_them(container: Container, shape: Shape) -> None:
    before = manager_variables(container)
    with (
        at_home(container, shape.text, shape.path, shape.mode),
        Session(container, shape.words) as session,
    ):
        session.wait_until_up()
        for program in shape.programs:
            container.wait(f"pgrep -u alice -x {program}", 20, program)
        session.wait_until_managed()
        container.wait(f"{ON_DISPLAY} bash -c {shlex.quote(shape.seen)}", 20, user="alice")
        if shape.end:
            end = f"{ON_DISPLAY} bash -c {shlex.quote(shape.end)}"
            container.run(f"{end} >/dev/null 2>&1", "alice", check=False)
            assert session.result(30).status == shape.status
        else:
            assert session.stop().status == 0
        for program in ("openbox", "xclock", "sxhkd"):
            container.wait(f"! pgrep -u alice -x {program}", 10, f"the end of {program}")
    after = manager_variables(container)
    for name in ("DBUS_SESSION_BUS_ADDRESS", "PATH", "HOME", "DISPLAY", "TERM", "PWD"):
        assert after.get(name) == before.get(name)
    left = {name for name in after if name not in before and not name.startswith("SSH_A")}
    if left:
        container.run(f"systemctl --user unset-environment {' '.join(left)}", "alice")
    assert left <= OF_ITS_OWN


# What they set by themselves, and export to the manager for good, as under startx.
OF_ITS_OWN = {
    *("_JAVA_AWT_WM_NONREPARENTING", "QT_ACCESSIBILITY", "XSESSIONRC"),
    *("XDG_DATA_DIRS", "GTK_MODULES", "GTK_OVERLAY_SCROLLING", "CLUTTER_BACKEND"),
}


@CLIENTS_OWN
def test_what_it_is_given(container: Container) -> None:
    text = """\
pwd >seen
readlink /proc/self/fd/0 >>seen
echo "$FROM_PROFILE" >>seen
echo "$0 $#" >>seen
exit 6
"""
    with at_home(container, text):
        result = start(container, "", before="cd /tmp; FROM_PROFILE=yes")
        assert result.status == 6
        seen = container.output(f"cat {HOME}/seen").splitlines()
    assert seen == [HOME, "/dev/null", "yes", f"{HOME}/.xinitrc 0"]


@CLIENTS_OWN
def test_debian_s_xsession_without_any_file_of_her_own(container: Container) -> None:
    """Its parts have run, and it has started x-session-manager."""
    manager = "#!/bin/sh\nenv >~/seen\nexec openbox\n"
    with at_home(container, manager, "bin/x-session-manager", 0o755):
        container.run("echo 'export XSESSIONRC=read' >~/.xsessionrc", "alice")
        with Session(container, "", before="export PATH=~/bin:$PATH") as session:
            session.wait_until_managed()
            seen = container.output(f"cat {HOME}/seen").splitlines()
            assert {"XSESSIONRC=read", "QT_ACCESSIBILITY=1", "DISPLAY=:0"} <= set(seen)
            container.run(f"grep -q 'session started' {HOME}/.xsession-errors")
            assert session.stop().status == 0
    container.run(f"systemctl --user unset-environment {' '.join(OF_ITS_OWN)}", "alice")


BROKEN = {
    "a folder": ("mkdir rc", "is a folder, not a file"),
    "a FIFO": ("mkfifo rc", "is not a regular file"),
    "a link to nothing": ("ln -s nowhere rc", "is a link to nothing"),
    "of DOS": (r"printf '#!/bin/sh\r\nexec xterm\r\n' >rc", "has the line ends of DOS"),
    "for everybody": ("touch rc; chmod 666 rc", "can be written by everybody"),
    "without its interpreter": (
        r"printf '#!/no/such\n' >rc; chmod +x rc",
        "its interpreter /no/such cannot be executed",
    ),
}


def test_those_that_cannot_be_run(container: Container, home: str) -> None:
    container.run(f"mkdir {home}/xsession", "alice")
    rc = f"{home}/xsession/rc"
    for command, reason in BROKEN.values():
        container.run(f"cd {home}/xsession; {command}", "alice")
        result = start(container, "", before=f"XDG_CONFIG_HOME={home}")
        assert (result.status, reason in said(result)) == (126, True), result
        assert rc in said(result)
        container.run(f"rm -r {rc}", "alice")
    container.run(f"install -o bob /dev/null {rc}")
    result = start(container, "", before=f"XDG_CONFIG_HOME={home}")
    assert (result.status, said(result)) == (
        126,
        f"{rc} belongs to uid 1001, neither to you nor to root",
    )
    container.run(f"rm {rc}")


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o755, 0o775])
def test_without_a_shebang(container: Container, mode: int) -> None:
    with at_home(container, "exit 5\n", mode=mode):
        assert start(container, "").status == 5


@CLIENTS_OWN
def test_deleted_while_it_runs(container: Container) -> None:
    with at_home(container, "sleep 2\nexit 7\n") as path, Session(container, "") as session:
        session.wait_until_up()
        container.run(f"rm {path}")
        assert session.result().status == 7


def test_safe_uses_none(container: Container) -> None:
    with at_home(container, "exit 9\n"):
        container.run("xsession default i3", "alice")
        planned = container.output("xsession start --safe --server xvfb --dry-run", "alice")
        assert "-- /usr/bin/xterm" in planned


def test_the_arguments_in_xserverrc(container: Container) -> None:
    text = '#!/bin/sh\nexec /usr/bin/Xvfb -screen 0 640x480x24 -nolisten tcp "$@" vt$XDG_VTNR\n'
    with (
        at_home(container, text, ".xserverrc", 0o755),
        Session(container, IDLE) as session,
    ):
        session.wait_until_up()
        container.run(f"{ON_DISPLAY} xdpyinfo | grep '640x480 pixels'", "alice")
        assert session.stop().status == 0


def test_the_default_is_what_starts(container: Container) -> None:
    with at_home(container, "exit 9\n"):
        container.run("xsession default openbox", "alice")
        with Session(container, "") as session:
            session.wait_until_up()
            assert "openbox" in shown(container, CLIENT, "ExecStart")
            assert manager_has(container, "DESKTOP_SESSION") == "openbox"
            assert session.stop().status == 0
        container.run("echo gone >~/.config/xsession/default", "alice")
        result = start(container, "")
        assert result.status == 9
        assert said(result) == "the default, 'gone', is left out: client 'gone': not found"
