"""`xsession run`: applications in units of their own."""

import shlex
from collections.abc import Iterator

import pytest
from container.session import said, shown
from container.test_start import ARGUMENTS
from machine import Container, Result

APPLICATIONS = "/home/alice/.local/share/applications"


def run(container: Container, words: str, *, before: str = "") -> Result:
    return container.run(f"{before} xsession run {words}", "alice", check=False, timeout=30)


def started(container: Container, words: str, *, before: str = "") -> str:
    """The unit of an application that was started."""
    result = run(container, words, before=before)
    assert (result.status, result.stderr) == (0, "")
    return result.stdout.strip()


def processes(container: Container, unit: str) -> list[str]:
    """The command lines of all that runs in a unit of alice's."""
    group = shown(container, unit, "ControlGroup")
    listed = container.output(
        f"for pid in $(cat $(find /sys/fs/cgroup -path '*{shlex.quote(group)}/cgroup.procs'));"
        " do tr '\\0' ' ' </proc/$pid/cmdline; echo; done"
    )
    return [line.strip() for line in listed.splitlines()]


def entry(container: Container, name: str, text: str) -> None:
    path = shlex.quote(f"{APPLICATIONS}/{name}.desktop")
    container.run(f"mkdir -p $(dirname {path}); cat >{path}", "alice", stdin=text)


@pytest.fixture
def entries(container: Container) -> Iterator[None]:
    """A folder for alice's entries; gone after the test."""
    container.run(f"mkdir -p {APPLICATIONS}", "alice")
    yield
    container.run(f"rm -rf {APPLICATIONS}")


@pytest.fixture
def client(container: Container, home: str) -> str:
    """A program that writes down its words, each ended by NUL, and where it runs."""
    container.run(
        f"cat >{home}/client && chmod +x {home}/client",
        "alice",
        stdin=f"#!/bin/sh\npwd >{home}/folder; cat /proc/self/cgroup >{home}/group\n"
        f'printf "%s\\0" "$@" >{home}/words.new; mv {home}/words.new {home}/words\n',
    )
    return f"{home}/client"


def words(container: Container, home: str) -> list[str]:
    container.wait(f"[ -e {home}/words ]", 10, "the program to have run")
    return container.run(f"cat {home}/words; rm {home}/words").stdout.split("\0")[:-1]


@pytest.mark.parametrize("scope", ["", "--scope --"])
def test_arguments_arrive_exactly(container: Container, home: str, client: str, scope: str) -> None:
    result = run(container, shlex.join([*scope.split(), client, *ARGUMENTS]))
    assert (result.status, result.stderr) == (0, "")
    assert words(container, home) == ARGUMENTS


def test_arguments_that_are_not_utf_8(container: Container, home: str, client: str) -> None:
    word = "$'\\xff\\x1b'"
    result = run(container, f"{client} {word}")
    assert result.status == 125
    assert said(result) == r"'\udcff\x1b' is not UTF-8, so no service can have it"
    assert run(container, f"--scope {client} {word}").status == 0
    assert container.output(f"od -An -tx1 {home}/words").split() == ["ff", "1b", "00"]


def test_a_program_with_an_odd_name(container: Container, home: str, client: str) -> None:
    for name in ("a client", "$HOME", "%h", "-c", "clï", "a@b", "'\"\\", "x" * 250):
        path = f"{home}/{name}"
        container.run(f"cp {client} {shlex.quote(path)}", "alice")
        for scope in ("", "--scope"):
            result = run(container, f"{scope} -- {shlex.quote(path)} {shlex.quote(name)}")
            assert (result.status, result.stderr) == (0, ""), (name, scope)
            assert words(container, home) == [name]


def test_a_program_whose_path_has_two_lines(container: Container, home: str, client: str) -> None:
    path = shlex.quote(f"{home}/a\nb")
    container.run(f"cp {client} {path}", "alice")
    result = run(container, path)
    assert result.status == 125
    assert said(result).endswith(" has a line break in it, so no service can have it")
    assert run(container, f"--scope {path} x").status == 0
    assert words(container, home) == ["x"]


def test_a_service(container: Container) -> None:
    unit = started(container, "sleep 1000", before="cd /usr;")
    try:
        assert unit.startswith("app-xsession-sleep@")
        assert unit.endswith(".service")
        for name, value in (
            ("ActiveState", "active"),
            ("Slice", "app.slice"),
            ("ExitType", "cgroup"),
            ("Type", "exec"),
            ("Description", "sleep"),
            ("WorkingDirectory", "/usr"),
            ("PartOf", "graphical-session.target"),
        ):
            assert shown(container, unit, name) == value
        assert "graphical-session.target" in shown(container, unit, "After").split()
        assert shown(container, unit, "ControlGroup").endswith(f"/app.slice/{unit}")
        assert processes(container, unit) == ["/usr/bin/sleep 1000"]
        other = started(container, "--slice background sleep 1000")
        assert other != unit
        assert "/background.slice/" in shown(container, other, "ControlGroup")
        container.run(f"systemctl --user stop {shlex.quote(other)}", "alice")
        assert shown(container, unit, "ActiveState") == "active"
    finally:
        container.run(f"systemctl --user stop {shlex.quote(unit)}", "alice")


def test_a_service_lasts_as_long_as_its_last_process(container: Container) -> None:
    unit = started(container, "sh -c 'sleep 1000 & '")
    container.wait("pgrep -x sleep && ! pgrep -x sh", 5, "sh to end")
    assert shown(container, unit, "ActiveState") == "active"
    container.run(f"systemctl --user stop {shlex.quote(unit)}", "alice")


def test_a_scope(container: Container, home: str, client: str) -> None:
    result = run(container, f"--scope {client}", before="cd /usr;")
    assert (result.status, result.stdout, result.stderr) == (0, "", "")
    group = container.output(f"grep ^0:: {home}/group")
    assert "/app.slice/app-xsession-client-" in group
    assert group.endswith(".scope")
    assert container.output(f"cat {home}/folder") == "/usr"
    # It stays in the foreground, with its terminal, its environment and its own status.
    result = run(container, "--scope sh -c 'read x; echo $x $y; exit 7' <<<hello", before="y=yes")
    assert (result.status, result.stdout, result.stderr) == (7, "hello yes\n", "")
    assert run(container, "--scope sh -c 'kill -PIPE $$'; exit $?").status == 141


def test_a_drop_in_for_one_application(container: Container) -> None:
    folder = "~/.config/systemd/user/app-xsession-sleep@.service.d"
    container.run(
        f"mkdir -p {folder} && printf '[Service]\\nEnvironment=COLOUR=green\\n' >{folder}/x.conf"
        " && systemctl --user daemon-reload",
        "alice",
    )
    try:
        unit = started(container, "sleep 1000")
        assert shown(container, unit, "Environment") == "COLOUR=green"
        container.run(f"systemctl --user stop {shlex.quote(unit)}", "alice")
    finally:
        container.run("rm -r ~/.config/systemd && systemctl --user daemon-reload", "alice")


@pytest.mark.usefixtures("entries")
def test_an_entry_and_its_action(container: Container, home: str, client: str) -> None:
    entry(
        container,
        "sub/org.x-y",
        f'[Desktop Entry]\nName=A $x %h\nExec={client} "a b" %U 100%% "\\\\$x"\nPath=/usr\n'
        f"Actions=new;\n[Desktop Action new]\nName=New\nExec={client} --new %f\n",
    )
    unit = started(container, "sub-org.x-y.desktop '$HOME' '%h' --opt")
    assert words(container, home) == ["a b", "$HOME", "%h", "--opt", "100%", "$x"]
    assert unit.startswith("app-xsession-sub\\x2dorg.x\\x2dy@")
    assert container.output(f"cat {home}/folder") == "/usr"
    started(container, "sub-org.x-y.desktop:new")
    assert words(container, home) == ["--new"]
    result = run(container, f"--scope {APPLICATIONS}/sub/org.x-y.desktop:new '$HOME'")
    assert (result.status, result.stderr) == (0, "")
    assert words(container, home) == ["--new", "$HOME"]
    entry(container, "s", "[Desktop Entry]\nName=A $x %h\nExec=sleep 1000\n")
    unit = started(container, "s.desktop")
    assert shown(container, unit, "Description") == "A $x %h"
    assert shown(container, unit, "SourcePath") == f"{APPLICATIONS}/s.desktop"
    container.run(f"systemctl --user stop {shlex.quote(unit)}", "alice")


@pytest.mark.usefixtures("entries")
def test_an_entry_that_needs_a_terminal(container: Container, home: str, client: str) -> None:
    container.run(
        f"cat >{home}/xdg-terminal-exec && chmod +x {home}/xdg-terminal-exec",
        "alice",
        stdin='#!/bin/sh\nIN_TERMINAL=yes exec "$@"\n',
    )
    entry(container, "t", f'[Desktop Entry]\nExec={client} "a b"\nTerminal=true\n')
    started(container, "t.desktop x", before=f"PATH={home}:$PATH")
    assert words(container, home) == ["a b", "x"]


@pytest.mark.usefixtures("entries")
def test_bad_entries_are_refused_with_one_line(container: Container) -> None:
    head = "[Desktop Entry]\n"
    for text, reason, status in (
        (None, "application 'bad.desktop': not found", 127),
        ("", "{path}: no [Desktop Entry] in it", 125),
        (f"{head}Name=x\n", "{path}, line 1: it has no Exec, so nothing can be started by it", 125),
        (f"{head}Exec=a %x\n", "{path}, line 2: Exec has '%x', which is no field code", 125),
        (f'{head}Exec=a "\n', '{path}, line 2: Exec has no closing "', 125),
        (f"{head}Exec=no-such\n", "{path}, line 2: Exec's program 'no-such': not found", 127),
        (f"{head}Exec=/etc/passwd\n", "{path}, line 2: Exec's program '/etc/passwd': not", 126),
        (f"{head}TryExec=no\nExec=true\n", "{path}, line 2: TryExec's program 'no': not fo", 127),
        (f"{head}Exec=true\nPath=/no\n", "{path}, line 3: Path '/no' is no folder", 125),
        (f"{head}Exec=true\0\n", "{path}, line 2: a NUL byte in it", 125),
        (head + "#" * 1_000_000, "{path}: larger than 512 KiB", 125),
        (f"{head}Hidden=true\nExec=true\n", "application 'bad.desktop': not found", 127),
    ):
        if text is not None:
            entry(container, "bad", text)
        for option in ("", "--scope"):
            result = run(container, f"{option} bad.desktop")
            assert result.status == status, text
            wanted = reason.format(path=f"{APPLICATIONS}/bad.desktop")
            assert said(result).startswith(wanted)
    container.run(f"printf '[Desktop Entry]\\nName=\\344\\n' >{APPLICATIONS}/bad.desktop", "alice")
    assert said(run(container, "bad.desktop")).endswith("/bad.desktop, line 2: not in UTF-8")


# systemd itself says that it could not execute it.
@pytest.mark.journal(r"app-xsession-\w+@\w+\.service: ", r"Failed to start app-xsession-")
def test_what_cannot_be_executed(container: Container, home: str) -> None:
    container.run(f"cd {home}; printf 'no first line' >script; chmod +x script", "alice")
    result = run(container, f"{home}/script")
    assert result.status == 126
    assert said(result) == f"{home}/script could not be executed"
    assert run(container, "no-such-program").status == 127
    result = run(container, "true", before="XDG_RUNTIME_DIR=/nope DBUS_SESSION_BUS_ADDRESS=")
    assert result.status == 125
    assert said(result).startswith("/usr/bin/true was not started: Failed to connect to ")


def test_who_waits_for_the_session_is_not_waited_for(container: Container, home: str) -> None:
    """An rc file may run an application before it becomes the window manager."""
    folder = "~/.config/systemd/user"
    slow = "[Unit]\nRequires=slow.service\nAfter=slow.service\n"
    wait = f"sh -c 'until [ -e {home}/go ]; do sleep 0.1; done'"
    for name, text in {
        "slow.service": f"[Service]\nType=oneshot\nExecStart={wait}\n",
        "graphical-session.target.d/x.conf": slow,
        "desktop.target": "[Unit]\nRequires=graphical-session.target\n",
    }.items():
        path = f"{folder}/{name}"
        container.run(f"mkdir -p $(dirname {path}); cat >{path}", "alice", stdin=text)
    manager = "systemctl --user"
    container.run(f"{manager} daemon-reload; {manager} start --no-block desktop.target", "alice")
    try:
        unit = shlex.quote(started(container, "sleep 1000"))
        waiting = f"! {manager} is-active -q {unit}"
        container.run(waiting, "alice")
        assert run(container, "--scope sh -c 'exit 7'").status == 7
        container.run(f"touch {home}/go", "alice")
        container.wait(f"{manager} is-active -q {unit}", 10, "the application", user="alice")
        container.run(f"{manager} stop desktop.target", "alice")
        container.wait(waiting, 10, "its end, as PartOf= has it", user="alice")
    finally:
        container.run(
            f"touch {home}/go; {manager} stop desktop.target slow.service; rm -r {folder};"
            f" {manager} daemon-reload",
            "alice",
        )
