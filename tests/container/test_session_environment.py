"""The environment of a session: who gets what, carried exactly, and undone at the end."""

import contextlib
import json
import shlex
from collections.abc import Iterator

import pytest
from container.session import (
    FOLDER,
    IDLE,
    RUNTIME,
    XVFB,
    Journal,
    Session,
    files_of_alice,
    main_pid,
    manager_has,
    manager_variables,
    said,
    start,
)
from machine import Container

# What is not text in a shell, and what a bus, a unit file or a shell could take for its own.
AWKWARD = {
    "MY_LINES": "one\ntwo\n\nthree ",
    "MY_QUOTES": 'it\'s "so" `so` \\ \\n',
    "MY_DOLLARS": "$HOME ${HOME} $$ $(id) %h %% %n",
    "MY_TEXT": "üñï ☃ \x1b[1m\x07 =;#&|",
    "MY_EMPTY": "",
    "MY_LENGTH": "x" * 65536,
}
IMPORT = {"xsession/config.toml": '[environment]\nimport = ["MY_*"]\n'}

# Without what Debian's ssh-agent.service sets, which outlives the session.
SHOW = "systemctl --user show-environment | grep -v ^SSH_A"


def exported(variables: dict[str, str]) -> str:
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def variables_in(container: Container, path: str) -> dict[str, str]:
    """What `env -0 >PATH` has written."""
    words = container.output(f"cat {path}").split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)


# Notes its environment in HOME/activated, then takes its name: dbus-daemon waits for that.
PROBE = r"""
import os, socket, struct
bus, home, name = "org.freedesktop.DBus", {home!r}, "test.Probe"
with open(home + "/new", "wb") as file:
    file.write(b"".join(n + b"=" + v + b"\0" for n, v in os.environb.items()))
def string(text):
    return struct.pack("<I", len(text)) + text.encode() + b"\0"
def padded(data, size):
    return data + bytes(-len(data) % size)
def call(serial, member, signature="", body=b""):
    fields = b""
    path = "/" + bus.replace(".", "/")
    for code, kind, value in (1, b"o", path), (2, b"s", bus), (3, b"s", member), (6, b"s", bus):
        fields = padded(fields, 8) + bytes([code, 1]) + kind + b"\0" + string(value)
    if signature:
        fields = padded(fields, 8) + b"\x08\x01g\0" + bytes([len(signature)])
        fields += signature.encode() + b"\0"
    head = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), serial, len(fields))
    return padded(head + fields, 8) + body
line = socket.socket(socket.AF_UNIX)
line.connect("/run/user/1000/bus")
line.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
line.recv(1000)
line.sendall(b"BEGIN\r\n" + call(1, "Hello"))
line.sendall(call(2, "RequestName", "su", padded(string(name), 4) + struct.pack("<I", 0)))
said = b""
while name.encode() not in said:
    said += line.recv(1000)
os.rename(home + "/new", home + "/activated")
"""


@contextlib.contextmanager
def activatable(container: Container, home: str) -> Iterator[None]:
    """A service that D-Bus starts itself; it notes its environment in HOME/activated."""
    folder = "/home/alice/.local/share/dbus-1/services"
    reload = (
        "busctl --user call org.freedesktop.DBus /org/freedesktop/DBus"
        " org.freedesktop.DBus ReloadConfig"
    )
    service = f"[D-BUS Service]\nName=test.Probe\nExec=/usr/bin/python3 {home}/probe\n"
    container.run(f"cat >{home}/probe", "alice", stdin=PROBE.replace("{home!r}", repr(home)))
    container.run(f"mkdir -p {folder} && cat >{folder}/test.Probe.service", "alice", stdin=service)
    container.run(reload, "alice")
    try:
        yield
    finally:
        container.run(f"rm -r {folder} && {reload}", "alice")


def activated(container: Container, home: str) -> dict[str, str]:
    """The environment of a service that D-Bus starts now."""
    container.run(
        f"rm -f {home}/activated; busctl --user call org.freedesktop.DBus /org/freedesktop/DBus"
        " org.freedesktop.DBus StartServiceByName su test.Probe 0",
        "alice",
    )
    container.wait(f"[ -e {home}/activated ]", 10)
    return variables_in(container, f"{home}/activated")


@pytest.fixture(params=["dbus-daemon", "dbus-broker"])
def bus_program(container: Container, request: pytest.FixtureRequest) -> Iterator[str]:
    """The program that is alice's user bus. Debian has the first, Fedora and Arch the second."""
    restart = "systemctl restart user@1000"
    other = request.param == "dbus-broker"
    if other:
        container.run(f"systemctl --global enable dbus-broker && {restart}")
    container.run("busctl --user list", "alice")
    pid = main_pid(container, "dbus.service")
    assert request.param in container.output(f"tr '\\0' ' ' </proc/{pid}/cmdline")
    yield request.param
    if other:
        container.run(f"systemctl --global disable dbus-broker && {restart}")


@pytest.mark.usefixtures("bus_program")
def test_variables_of_the_login_shell(container: Container, home: str) -> None:
    """To the client, the manager and D-Bus exactly; afterwards all is as it was."""
    with files_of_alice(container, IMPORT), activatable(container, home):
        before = container.output(SHOW, "alice")
        with Session(
            container,
            f"sh -c 'env -0 >{home}/new; mv {home}/new {home}/client; exec {IDLE}'",
            before=exported(AWKWARD | {"NOT_LISTED": "1", "XDG_SESSION_ID": "99", "XDG_VTNR": "7"}),
        ) as session:
            session.wait_until_up()
            container.wait(f"[ -e {home}/client ]", 10)
            client = variables_in(container, f"{home}/client")
            manager = manager_variables(container)
            bus = activated(container, home)
            for name, value in AWKWARD.items():
                assert client[name] == value, name
                assert manager[name] == value, name
                assert bus[name] == value, name
            for has in (client, manager, bus):
                assert has["DISPLAY"] == ":0"
                assert has["XAUTHORITY"] == f"{FOLDER}/authority"
                assert has["XDG_SESSION_TYPE"] == "x11"
                assert "XDG_SESSION_ID" not in has and "XDG_VTNR" not in has
            (told,) = json.loads(container.output("xsession status --json", "alice"))
            assert told["buses"] == []
            # The client has all that startx would give it, others what is listed.
            assert client["NOT_LISTED"] == "1"
            assert "NOT_LISTED" not in manager
            # For units that ask for what is true of one login session only. Here is none.
            assert (
                container.output(f"stat -c '%a %U' {RUNTIME}/xsession/session.env") == "600 alice"
            )

            result = session.stop()
            assert (result.status, result.stderr) == (0, "")
        assert container.output(SHOW, "alice") == before
        container.run(f"[ ! -e {RUNTIME}/xsession/session.env ]")
        # A bus cannot unset what it was told.
        bus = activated(container, home)
        assert not any(bus.get(name) for name in (*AWKWARD, "DISPLAY", "XAUTHORITY"))


def test_what_cannot_be_carried(container: Container, home: str) -> None:
    """It is named, and the session goes on without it."""
    bad = "export MY_BYTES=$'\\xff\\xfe' MY_WEIGHT=$(printf %0131072d 0 | head -c 131060) MY_GOOD=1"
    with files_of_alice(container, IMPORT):
        result = start(container, f"sh -c 'env >{home}/words'", before=f"{bad};")
    assert result.status == 0
    lines = result.stderr.splitlines()
    assert len(lines) == 2, result.stderr
    assert any("MY_BYTES" in line and "UTF-8" in line for line in lines)
    assert any("MY_WEIGHT" in line and "too long" in line for line in lines)
    words = container.output(f"cat {home}/words")
    assert "MY_GOOD=1" in words.splitlines()
    assert "MY_WEIGHT" not in words and "MY_BYTES" not in words


@pytest.mark.parametrize(
    ("fake", "reason"),
    [
        ("#!/bin/sh\necho no bus >&2; exit 1\n", "XAUTHORITY XDG_SESSION_TYPE: no bus"),
        ("", "could not run dbus-update-activation-environment: not found"),
    ],
)
def test_where_d_bus_is_not_told_the_journal_is(
    container: Container, home: str, fake: str, reason: str
) -> None:
    """The session is there all the same, but what D-Bus starts knows no display."""
    programs = "/usr/bin/{systemctl,systemd-run,busctl,loginctl,Xvfb}"
    container.run(f"ln -s {programs} {home}", "alice")
    if fake:
        path = f"{home}/dbus-update-activation-environment"
        container.run(f"cat >{path}; chmod +x {path}", "alice", stdin=fake)
    journal = Journal(container)
    with Session(
        container, "/usr/bin/sleep 600", command=f"env PATH={home} /usr/bin/{XVFB}"
    ) as session:
        session.wait_until_up()
        journal.wait_for(reason)
        assert session.stop().status == 0


def test_environment_files(container: Container, home: str) -> None:
    """`env`, then `env.d/*`; one with an error is left out whole, and the session goes on."""
    files = {
        "xsession/env": 'FROM_ENV=1\nORDER=env\n# a comment\nPATHS="$HOME/bin:${NONE:-/opt}"\n',
        "xsession/env.d/10-first": 'ORDER="$ORDER first"\n',
        "xsession/env.d/20-broken": "FROM_BROKEN=1\n\nthis is no assignment\n",
        "xsession/env.d/30-last": "export ORDER='$ORDER last'\nTEXT=\"two\nlines\"\n",
        "xsession/env.d/40-ignored~": "FROM_BACKUP=1\n",
    }
    with files_of_alice(container, files):
        before = container.output(SHOW, "alice")
        with Session(
            container, f"sh -c 'env -0 >{home}/new; mv {home}/new {home}/client; exec {IDLE}'"
        ) as session:
            session.wait_until_up()
            container.wait(f"[ -e {home}/client ]", 10)
            manager = manager_variables(container)
            for has in (variables_in(container, f"{home}/client"), manager):
                assert has["ORDER"] == "env first last"
                assert has["FROM_ENV"] == "1"
                assert has["PATHS"] == "/home/alice/bin:/opt"
                assert has["TEXT"] == "two\nlines"
                assert "FROM_BROKEN" not in has and "FROM_BACKUP" not in has
            shown = container.output("xsession env", "alice")
            source = "/home/alice/.config/xsession/env.d/30-last:1"
            assert f"ORDER='env first last'  # {source}" in shown
            result = session.stop()
        assert result.status == 0
        (complaint,) = result.stderr.splitlines()
        assert "/.config/xsession/env.d/20-broken:3: " in complaint
        assert container.output(SHOW, "alice") == before


def test_what_a_session_s_entry_says(container: Container, home: str) -> None:
    """Its DesktopNames are for all that looks for them, as portals do, and gone at the end."""
    entry = f"[Desktop Entry]\nType=Application\nName=Ours\nExec={IDLE}\nDesktopNames=Ours;X-B;\n"
    with activatable(container, home):
        container.run("mkdir -p /usr/local/share/xsessions")
        container.run("cat >/usr/local/share/xsessions/ours.desktop", stdin=entry)
        try:
            with Session(container, "ours") as session:
                session.wait_until_up()
                for has in (manager_variables(container), activated(container, home)):
                    assert has["XDG_CURRENT_DESKTOP"] == "Ours:X-B"
                    assert has["DESKTOP_SESSION"] == "ours"
                assert session.stop().status == 0
        finally:
            container.run("rm -r /usr/local/share/xsessions")
        for has in (manager_variables(container), activated(container, home)):
            assert not has.get("XDG_CURRENT_DESKTOP")


def test_an_import_for_which_there_is_no_room(container: Container) -> None:
    """Nothing is set that could not be undone."""
    container.run(
        f"install -d -o alice -g alice -m 700 {RUNTIME}/xsession;"
        f" mount -t tmpfs -o size=64k,uid=1000,mode=700 none {RUNTIME}/xsession"
    )
    try:
        with Session(container) as session:
            session.wait_until_up()
            container.run(f"cat /dev/zero >{RUNTIME}/xsession/big || true", "alice")
            result = container.run("NEW=1 xsession env import NEW", "alice", check=False)
            assert result.status == 125
            assert said(result).endswith("/0/environment.new: No space left on device")
            assert manager_has(container, "NEW") == ""
            assert manager_has(container, "DISPLAY") == ":0"
            assert session.stop().status == 0
    finally:
        container.run(f"umount {RUNTIME}/xsession")


def test_env_shows_imports_and_undoes(container: Container) -> None:
    before = container.output(SHOW, "alice")
    refused = container.run("xsession env", "alice", check=False)
    assert refused.status == 125 and "no graphical session" in refused.stderr
    with Session(container) as session:
        session.wait_until_up()
        container.run(
            f"{exported({n: v for n, v in AWKWARD.items() if n != 'MY_LENGTH'})}\n"
            "xsession env import MY_LINES MY_QUOTES MY_DOLLARS MY_TEXT MY_EMPTY",
            "alice",
        )
        # A second time: what is restored is what was there before the first.
        container.run("MY_LINES=other xsession env import MY_LINES", "alice")
        expected = {**AWKWARD, "MY_LINES": "other", "DISPLAY": ":0"}
        del expected["MY_LENGTH"]
        assert expected.items() <= manager_variables(container).items()

        # An old shell is brought up to date.
        names = " ".join(expected)
        words = container.output(
            'unset DISPLAY; eval "$(xsession env --sh)"; python3 -c'
            f" 'import json, os; print(json.dumps(dict(os.environ)))'; : {names}",
            "alice",
        )
        assert expected.items() <= json.loads(words).items()
        container.run('eval "$(xsession env --sh)"; xdpyinfo', "alice")

        for command, reason in (
            ("xsession env import NOT_SET", "NOT_SET': it is not set"),
            ("DISPLAY=:7 xsession env import DISPLAY", "DISPLAY': xsession sets it"),
            ("LD_PRELOAD= xsession env import LD_PRELOAD", "LD_PRELOAD': it changes how"),
            ("MY_BYTES=$'\\xff' xsession env import MY_BYTES", "its value is not UTF-8"),
            ("env 'my-name=1' xsession env import my-name", "its name has more than"),
            ("xsession env export MY_TEXT", "'export' is nothing that env can do"),
        ):
            result = container.run(f"MY_GOOD=1; {command}", "alice", check=False)
            assert result.status == 125 and reason in result.stderr, (command, result.stderr)
        assert container.run("GOOD=1 xsession env import GOOD BAD", "alice", check=False).status
        assert manager_has(container, "GOOD") == ""
        assert manager_has(container, "DISPLAY") == ":0"

        assert session.stop().status == 0
    assert container.output(SHOW, "alice") == before


def test_what_others_changed_stays(container: Container) -> None:
    journal = Journal(container)
    try:
        with Session(container) as session:
            session.wait_until_up()
            container.run("systemctl --user set-environment XDG_SESSION_TYPE=tty", "alice")
            assert "XDG_SESSION_TYPE=tty  # somebody else" in container.output(
                "xsession env", "alice"
            )
            container.run("systemctl --user unset-environment XAUTHORITY", "alice")
            assert "unset XAUTHORITY" in container.output("xsession env --sh", "alice")
            assert session.stop().status == 0
        assert manager_has(container, "XDG_SESSION_TYPE") == "tty"
        assert manager_has(container, "DISPLAY") == manager_has(container, "XAUTHORITY") == ""
        lines = [it for it in journal.of().splitlines() if "changed by somebody else" in it]
        assert lines == ["XDG_SESSION_TYPE was changed by somebody else; it is left as it is"]
    finally:
        container.run("systemctl --user unset-environment XDG_SESSION_TYPE", "alice")
