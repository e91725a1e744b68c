"""`xsession start`: a client and a server as units, and what becomes of the client's end."""

import shlex

import pytest
from container.session import (
    FOLDER,
    IDLE,
    ON_DISPLAY,
    Journal,
    Session,
    main_pid,
    manager_has,
    said,
    shown,
    start,
)
from machine import Container

# systemd says so itself when a client ends with a status that is not 0.
CLIENT_FAILED = pytest.mark.journal(
    r"xsession-client@0\.service: (Failed with result|Main process exited)",
    r"Failed to start xsession-client@0\.service",
)


@CLIENT_FAILED
def test_the_exit_status_is_the_clients(container: Container) -> None:
    for client, status in (
        ("true", 0),
        ("sh -c 'exit 3'", 3),
        ("sh -c 'exit 255'", 255),
        ("sh -c 'xdpyinfo >/dev/null && exit 7'", 7),
        ("sh -c 'xdpyinfo >/dev/null; kill -KILL $$'", 137),
        ("sh -c 'kill -SEGV $$'", 139),
    ):
        result = start(container, client)
        assert (result.status, result.stderr) == (status, ""), client


@pytest.mark.parametrize("signal", ["TERM", "HUP"])
def test_the_exit_status_of_a_client_that_was_told_to_end(
    container: Container, signal: str
) -> None:
    with Session(container) as session:
        session.wait_until_up()
        container.run(f"kill -{signal} {main_pid(container, 'xsession-client@0.service')}")
        assert session.result().status == {"TERM": 143, "HUP": 129}[signal]


def test_what_runs_where(container: Container) -> None:
    with Session(container, "sh -c 'xdpyinfo; exec sleep infinity'") as session:
        session.wait_until_up()

        # Both addresses, the socket and the service of display :0.
        states = container.output(
            "systemctl --user is-active xorg@0.socket xorg@0.service xsession-client@0", "alice"
        )
        assert states.split() == ["active"] * 3
        assert shown(container, "xorg@0.service", "Type") == "notify"
        status = shown(container, "xorg@0.service", "StatusText")
        assert status.startswith("X.Org 21.1.")
        assert status.endswith(" on :0, 1280x1024")
        listening = container.output("ss -Hlx")
        assert "@/tmp/.X11-unix/X0 " in listening
        assert " /tmp/.X11-unix/X0 " in listening
        assert container.output("stat -c '%U %a' /tmp/.X11-unix/X0") == "alice 600"
        assert container.output("find /tmp -name '.X*-lock'") == ""

        # One server, hers, in the unit; with the options that keep it safe.
        server = container.output("pgrep -x Xvfb")
        assert container.output(f"ps -o user= -p {server}").strip() == "alice"
        assert container.output(f"cat /proc/{server}/cgroup").endswith("/xorg@0.service")
        words = container.output(f"tr '\\0' ' ' </proc/{server}/cmdline")
        for option in (" :0 ", f" -auth {FOLDER}/authority ", " -nolisten tcp ", " -noreset "):
            assert option in words
        assert container.output("ss -Hlt | grep -c :6000 || true") == "0"

        # The client, a transient unit in session.slice.
        client = main_pid(container, "xsession-client@0.service")
        assert container.output(f"cat /proc/{client}/comm") == "sleep"
        assert "/session.slice/" in container.output(f"cat /proc/{client}/cgroup")
        assert shown(container, "xsession-client@0.service", "Transient") == "yes"

        # Anybody of hers finds the display through the manager.
        assert manager_has(container, "DISPLAY") == ":0"
        assert manager_has(container, "XDG_SESSION_TYPE") == "x11"
        assert "dimensions:    1280x1024" in container.output(f"{ON_DISPLAY} xdpyinfo", "alice")

        told = [
            line.split()[:2] for line in container.output("xsession status", "alice").splitlines()
        ]
        for unit in ("xorg@0.socket", "xorg@0.service", "xsession-client@0.service"):
            assert [unit, "active"] in told
        assert session.stop().status == 0


def test_the_clients_words_are_in_the_journal(container: Container) -> None:
    journal = Journal(container)
    # Said again and again: what a unit says in its first moments journald may file under the unit
    # of the process that forked it, the manager: it asks for a process's unit once a second.
    client = "sh -c 'while sleep 1; do echo good day; echo oh dear >&2; done'"
    with Session(container, client) as session:
        journal.wait_for("good day", "xsession-client@0")
        journal.wait_for("oh dear", "xsession-client@0")
        assert "good day" not in journal.of("xorg@0")
        result = session.stop()
    assert (result.status, result.stdout, result.stderr) == (0, "", "")


def test_the_servers_words_are_in_the_journal(container: Container, home: str) -> None:
    # Xvfb itself says nothing when all is well.
    container.run(
        f"printf '#!/bin/sh\\necho some words of mine >&2\\nexec /usr/bin/Xvfb \"$@\"\\n'"
        f" >{home}/Xvfb && chmod +x {home}/Xvfb",
        "alice",
    )
    journal = Journal(container)
    result = start(container, "xdpyinfo", before=f"PATH={home}:$PATH")
    assert result.status == 0
    assert "some words of mine" in journal.of("xorg@0")


ARGUMENTS = [
    "two words",
    "",
    " leading and trailing ",
    "$HOME",
    "${HOME} ${x} $x",
    "$$ $$$ $",
    "%h %% %n %i %t",
    "'single' \"double\" `back`",
    "back\\slash \\n \\x41",
    "two\nlines\n",
    "\ttab",
    "a;b&c|d>e<f*?[x]{1,2}~#!",
    "-c",
    "--user",
    "@x",
    "üñï ☃",
    "x" * 5000,
]


def test_arguments_arrive_exactly(container: Container, home: str) -> None:
    # A client that writes down what it was called with, each word ended by NUL.
    container.run(
        f'printf \'#!/bin/sh\\nprintf "%%s\\\\0" "$@" >{home}/words\\n\' >{home}/client'
        f" && chmod +x {home}/client",
        "alice",
    )
    result = start(container, shlex.join([f"{home}/client", *ARGUMENTS]))
    assert result.status == 0, result.stderr
    assert container.run(f"cat {home}/words").stdout.split("\0")[:-1] == ARGUMENTS


@CLIENT_FAILED
@pytest.mark.journal("Referenced but unset environment variable")  # in what only looks like one
def test_a_client_with_an_odd_name(container: Container, home: str) -> None:
    for name in (
        "a client",
        "$HOME",
        "%h",
        "${x}$$",
        "cli'ent",
        'cli"ent',
        "cli\\ent",
        "-c",
        "clï",
    ):
        path = shlex.quote(f"{home}/{name}")
        container.run(f"printf '#!/bin/sh\\nexit 9\\n' >{path} && chmod +x {path}", "alice")
        assert start(container, path).status == 9, name


def test_a_client_is_found_in_path_and_here(container: Container, home: str) -> None:
    container.run(f"cp /bin/true {home}/my-client", "alice")
    assert start(container, "my-client", before=f"PATH={home}:$PATH").status == 0
    assert start(container, "./my-client", before=f"cd {home};").status == 0


@pytest.mark.parametrize("unit", ["xsession-client@", "xsession-client@0"])
def test_drop_ins_apply_to_the_client(container: Container, home: str, unit: str) -> None:
    folder = f"~/.config/systemd/user/{unit}.service.d"
    container.run(
        f"mkdir -p {folder} && printf '[Service]\\nEnvironment=COLOUR=green\\n' >{folder}/x.conf"
        " && systemctl --user daemon-reload",
        "alice",
    )
    try:
        assert start(container, f"sh -c 'echo $COLOUR >{home}/words'").status == 0
    finally:
        container.run("rm -r ~/.config/systemd && systemctl --user daemon-reload", "alice")
    assert container.output(f"cat {home}/words") == "green"


def test_the_clients_environment(container: Container, home: str) -> None:
    assert start(container, f"sh -c '(env; pwd) >{home}/words'").status == 0
    lines = container.output(f"cat {home}/words").splitlines()
    for expected in (
        "DISPLAY=:0",
        f"XAUTHORITY={FOLDER}/authority",
        "XDG_SESSION_TYPE=x11",
        "XDG_RUNTIME_DIR=/run/user/1000",
        "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus",
        "HOME=/home/alice",
        "/home/alice",
    ):
        assert expected in lines
    assert not any(line.startswith("XDG_SESSION_ID=") for line in lines)


def test_the_managers_environment_is_restored(container: Container) -> None:
    container.run(
        "systemctl --user set-environment DISPLAY=:77 'XDG_SESSION_TYPE=not \"$much\"'", "alice"
    )
    try:
        with Session(container) as session:
            session.wait_until_up()
            assert manager_has(container, "DISPLAY") == ":0"
            assert manager_has(container, "XAUTHORITY") == f"{FOLDER}/authority"
            result = session.stop()
        assert (result.status, result.stderr) == (0, "")
        assert manager_has(container, "DISPLAY") == ":77"
        assert "not " in manager_has(container, "XDG_SESSION_TYPE")
        assert manager_has(container, "XAUTHORITY") == ""
    finally:
        container.run("systemctl --user unset-environment DISPLAY XDG_SESSION_TYPE", "alice")


@pytest.mark.parametrize("server", ["xephyr", "xnest"])
def test_a_server_inside_another(container: Container, server: str) -> None:
    """It shows itself on the display that it was started on, with the cookie of that one."""
    outer = Session(
        container,
        ":9 -auth /dev/shm/outer -nolisten tcp",
        command="Xvfb",
        before="rm -f /dev/shm/outer; xauth -q -f /dev/shm/outer add :9 . $(mcookie)",
    )
    with outer:
        to_outer = "DISPLAY=:9 XAUTHORITY=/dev/shm/outer"
        container.wait(f"{to_outer} xdpyinfo", 10, "the outer display", user="alice")
        inner = Session(
            container,
            f"{IDLE} -- -geometry 640x480" if server == "xnest" else f"{IDLE} -- -screen 640x480",
            command=f"env {to_outer} xsession start --server {server}",
        )
        with inner:
            inner.wait_until_up()
            title = {"xephyr": "Xephyr", "xnest": "Xnest"}[server]
            windows = container.output(f"{to_outer} xwininfo -root -tree", "alice")
            assert title in windows
            assert "dimensions:    640x480" in container.output(f"{ON_DISPLAY} xdpyinfo", "alice")
            assert container.output(f"ps -o cgroup= -C {title}").endswith("/xorg@0.service")
            assert inner.stop().status == 0
        outer.kill("TERM")
    container.run("rm /dev/shm/outer")


def test_a_nested_server_needs_a_display(container: Container) -> None:
    result = container.run("xsession start --server xephyr true", "alice", check=False)
    assert result.status == 125
    assert said(result).endswith("DISPLAY is not set")


def test_a_nested_server_whose_outer_display_is_gone(container: Container) -> None:
    journal = Journal(container)
    result = container.run(
        f"DISPLAY=:9 xsession start --server xephyr {IDLE}", "alice", check=False
    )
    assert result.status == 125
    assert said(result).startswith("no X server on :0: the server ended with status 1")
    assert "Xephyr cannot open host display" in journal.of("xorg@0")


def test_server_arguments(container: Container, home: str) -> None:
    result = start(container, f"sh -c 'xdpyinfo >{home}/words' -- :4 -screen 0 800x600x24")
    assert result.status == 0
    words = container.output(f"cat {home}/words")
    assert "name of display:    :4" in words
    assert "dimensions:    800x600" in words


def test_long_server_arguments(container: Container) -> None:
    path = "/usr/share/fonts/X11/misc," * 400 + "built-ins"
    result = start(container, f"xdpyinfo -- -fp {path}")
    assert result.status == 0, result.stderr


def test_a_dry_run_changes_nothing(container: Container) -> None:
    container.run("systemctl --user is-active dbus.service || busctl --user status", "alice")
    before = container.output("find /run/user/1000 | sort")
    result = start(container, "--dry-run sh -c 'touch /dev/shm/was-run; echo $x'")
    assert result.status == 0
    assert container.output("find /run/user/1000 | sort") == before
    container.run("! [ -e /dev/shm/was-run ]")
    # What it prints are commands, or comments: a shell agrees.
    container.run("bash -n", stdin=result.stdout)
    commands = [shlex.split(line) for line in result.stdout.splitlines() if line[0] != "#"]
    assert ["systemctl", "--user", "start", "xorg@0.socket"] in commands
    assert any("systemd-run" in words for words in commands)


def test_standard_streams_may_be_closed(container: Container) -> None:
    assert start(container, "xdpyinfo <&- >&- 2>&-").status == 0
