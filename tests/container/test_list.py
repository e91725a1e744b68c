"""`xsession list`, with what Debian's packages install."""

import json
import shlex

from container.session import said
from machine import Container


def test_installed_sessions(container: Container) -> None:
    lines = container.output("xsession list", "alice").splitlines()
    told = {line[2:].split()[0]: line for line in lines}
    for name in ("awesome", "bspwm", "i3", "openbox"):
        assert told[name].split()[1] == f"/usr/share/xsessions/{name}.desktop"
    assert [line.split()[1] for line in lines if line[0] == "*"] == ["xinitrc"]
    assert list(told)[-3:] == ["x-session-manager", "x-window-manager", "xterm"]
    listed = json.loads(container.output("xsession list --json", "alice"))
    commands = {session["name"]: session["command"] for session in listed}
    assert commands["openbox"] == ["/usr/bin/openbox-session"]


def test_an_rc_file_is_the_default(container: Container) -> None:
    container.run("touch ~/.xinitrc", "alice")
    try:
        first = container.output("xsession list", "alice").splitlines()[0]
        assert first.split() == ["*", ".xinitrc", "~/.xinitrc"]
    finally:
        container.run("rm ~/.xinitrc", "alice")


def test_of_her_own(container: Container, home: str) -> None:
    container.run(f"mkdir {home}/xsessions", "alice")

    def entry(name: str, text: str) -> None:
        path = shlex.quote(f"{home}/xsessions/{name}.desktop")
        container.run(f"cat >{path}", "alice", stdin=f"[Desktop Entry]\n{text}\n")

    entry("i3", "Hidden=true")
    entry("mine", "Name=Größe ☃\\n\x1b[2J\nExec=xterm")
    entry("bad", "Exec=xterm %x")
    for locale in ("C", "C.UTF-8", "POSIX", "no_SUCH"):
        told = container.output(f"LC_ALL={locale} XDG_DATA_HOME={home} xsession list", "alice")
        assert "i3.desktop" not in told
        assert "  mine " in told
        assert "\x1b" not in told
        assert told.splitlines()[-1] == (
            "! ~/test/xsessions/bad.desktop: Exec has '%x', which is no field code; %% is a %"
        )


def test_where_the_list_goes(container: Container) -> None:
    for columns in (20, 40):
        shown = container.output(
            f"script -qc 'stty cols {columns}; TERM=dumb xsession list' /dev/null </dev/null",
            "alice",
        )
        assert max(len(line.rstrip("\r")) for line in shown.splitlines()) == columns
    result = container.run("xsession list >/dev/full", "alice", check=False)
    assert (result.status, said(result)) == (125, "could not write: No space left on device")
    for end in (">&-", "| true", "--json | true"):
        container.run(f"xsession list {end}", "alice")
