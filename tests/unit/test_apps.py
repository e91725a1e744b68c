"""Applications: what unit they get, by which command, and what cannot be run."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsession import apps, systemd
from xsession.apps import App
from xsession.errors import Failure


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("xterm", "xterm"),
        ("", ""),
        # as systemd-escape(1) does
        ("org.gnome.gedit", "org.gnome.gedit"),
        ("x-terminal-emulator", r"x\x2dterminal\x2demulator"),
        (".hidden.x", r"\x2ehidden.x"),
        ("a b@c", r"a\x20b\x40c"),
        ("a/b:c_d", "a-b:c_d"),
        ("\\", r"\x5c"),
        ("é\udcff\n", r"\xc3\xa9\xff\x0a"),
        ("a" * 300, "a" * 200),
        ("a" * 198 + "-", "a" * 198),  # no half of an escape
    ],
)
def test_a_name_as_part_of_a_unit_s(name: str, escaped: str) -> None:
    assert systemd.escaped(name, 200) == escaped


@given(st.text())
def test_every_name_is_good_in_a_unit_s(name: str) -> None:
    name = name.encode("utf-8", "replace").decode()
    for scope in (True, False):
        unit = apps.unit_name(name, "0123abcd", scope=scope)
        assert len(unit) < 255
        assert unit.replace("\\", "").replace("@", "", 1).translate(GOOD) == ""


GOOD = {ord(c): None for c in map(chr, range(128)) if c.isalnum() or c in ":_.-"}


def test_unit_names() -> None:
    assert apps.unit_name("a-b", "1f", scope=False) == r"app-xsession-a\x2db@1f.service"
    assert apps.unit_name("a-b", "1f", scope=True) == r"app-xsession-a\x2db-1f.scope"


ARGV = ("/bin/a $b", "$HOME", "%h", "x\ny")


def test_the_command_for_a_service() -> None:
    command = systemd.run_app(
        "app-xsession-a@1.service",
        ARGV,
        slice_name="app.slice",
        description="A",
        folder="/home/alice",
        source="/a.desktop",
    )
    assert command == (
        *("systemd-run", "--user", "--collect", "--unit=app-xsession-a@1.service"),
        *("--description=A", "--slice=app.slice"),
        *("--property=After=graphical-session.target",),
        *("--property=PartOf=graphical-session.target", "--property=SourcePath=/a.desktop"),
        *("--service-type=exec", "--property=ExitType=cgroup"),
        *("--working-directory=/home/alice", "--"),
        *("/bin/a $b", "$$HOME", "%h", "x\ny"),
    )
    waiting = systemd.run_app(
        "a.service", ARGV, slice_name="app.slice", description="A", folder="/", block=False
    )
    assert "--no-block" in waiting[: waiting.index("--")]


def test_the_command_for_a_scope() -> None:
    command = systemd.run_app(
        "app-xsession-a-1.scope",
        ARGV,
        slice_name="background.slice",
        description="A",
        folder="/home/alice",
    )
    assert command == (
        *("systemd-run", "--user", "--scope", "--quiet", "--collect"),
        *("--unit=app-xsession-a-1.scope", "--description=A", "--slice=background.slice"),
        *("--property=After=graphical-session.target",),
        *("--property=PartOf=graphical-session.target", "--", *ARGV),
    )
    at_once = systemd.run_app("a.scope", ARGV, slice_name="app.slice", description="A", block=False)
    assert set(command) - set(at_once) >= {"--property=After=graphical-session.target"}
    assert "--no-block" not in at_once


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment with programs a and xterm, and a place for entries; also the folder here."""
    for name in ("bin", "data/applications", "here"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("a", "xterm"):
        (tmp_path / "bin" / name).touch(0o755)
    monkeypatch.chdir(tmp_path / "here")
    return {"PATH": str(tmp_path / "bin"), "XDG_DATA_HOME": str(tmp_path / "data"), "LANG": "de_DE"}


def test_a_program(tmp_path: Path, environ: dict[str, str]) -> None:
    assert apps.look(["a", "-x", "b.desktop"], environ) == App(
        "a", (f"{tmp_path}/bin/a", "-x", "b.desktop"), "a", f"{tmp_path}/here"
    )
    assert apps.look(["../bin/a"], environ).argv == (f"{tmp_path}/bin/a",)


def test_an_entry_and_its_action(tmp_path: Path, environ: dict[str, str]) -> None:
    file = tmp_path / "data/applications/org.x-y.desktop"
    file.write_text(
        f"[Desktop Entry]\nName=A\nName[de]=Ä\x1b\nExec=a %U\nPath={tmp_path}\nActions=new;old;\n"
        "[Desktop Action new]\nName=New\nName[de]=Neu\nExec=a --new %U\n"
        "[Desktop Action old]\nExec=a\n"
    )
    program = f"{tmp_path}/bin/a"
    wanted = App("org.x-y", (program, "1", "2"), "Ä\\x1b", str(tmp_path), str(file))
    assert apps.look(["org.x-y.desktop", "1", "2"], environ) == wanted
    assert apps.look([str(file), "1", "2"], environ) == wanted
    action = App("org.x-y", (program, "--new"), "Ä\\x1b: Neu", str(tmp_path), str(file))
    assert apps.look(["org.x-y.desktop:new"], environ) == action
    assert apps.look([f"{file}:new"], environ) == action
    assert apps.look([f"{file}:old"], environ).description == "Ä\\x1b: old"


def test_a_terminal(tmp_path: Path, environ: dict[str, str]) -> None:
    file = tmp_path / "a.desktop"
    file.write_text("[Desktop Entry]\nTerminal=true\nExec=a b\n")
    rest = (f"{tmp_path}/bin/a", "b")
    programs = tmp_path / "bin"
    for name, options in (
        ("xterm", ("-e",)),
        ("x-terminal-emulator", ("-e",)),
        ("xdg-terminal-exec", ()),
    ):
        (programs / name).touch(0o755)
        assert apps.look([str(file)], environ).argv == (f"{programs}/{name}", *options, *rest)
        assert apps.look([str(file)], environ).description == "a"
    for name in ("xterm", "x-terminal-emulator", "xdg-terminal-exec"):
        (programs / name).unlink()
    with pytest.raises(Failure, match="it needs a terminal"):
        apps.look([str(file)], environ)


@pytest.mark.parametrize(
    ("word", "reason", "status"),
    [
        ("none", "program 'none': not found", 127),
        ("", "program '': not found", 127),
        ("./", "program './': is a folder", 126),
        ("none.desktop", "application 'none.desktop': not found", 127),
        ("none.desktop:x", "application 'none.desktop': not found", 127),
        ("./none.desktop", "{here}/none.desktop: not found", 127),
        ("none.desktop:", "program 'none.desktop:': not found", 127),
    ],
)
def test_what_is_not_there(
    tmp_path: Path, environ: dict[str, str], word: str, reason: str, status: int
) -> None:
    with pytest.raises(Failure) as caught:
        apps.look([word], environ)
    assert caught.value.what == reason.format(here=tmp_path / "here")
    assert caught.value.status == status


@pytest.mark.parametrize("folder", ["/no/such", "relative"])
def test_a_folder_that_is_not_there(tmp_path: Path, environ: dict[str, str], folder: str) -> None:
    file = tmp_path / "a.desktop"
    file.write_text(f"[Desktop Entry]\nExec=a\nPath={folder}\n")
    with pytest.raises(Failure, match=rf"a\.desktop, line 3: Path '{folder}' is no folder"):
        apps.look([str(file)], environ)


def test_here_is_gone(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "here").rmdir()
    with pytest.raises(Failure, match="the folder that you are in has been removed"):
        apps.look(["a"], environ)


@pytest.mark.parametrize(
    ("script", "line", "status"),
    [
        ("echo Job for x failed. >&2; exit 1", "/bin/true could not be executed", 126),
        (
            "echo Failed to connect to bus: no >&2; echo more; exit 1",
            "/bin/true was not started: Failed to connect to bus: no",
            125,
        ),
        ("exit 1", "/bin/true was not started: no reason given", 125),
    ],
)
def test_what_systemd_run_could_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, line: str, status: int
) -> None:
    (tmp_path / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "systemd-run").write_text(f"#!/bin/sh\n{script}\n")
    for name in ("systemctl", "systemd-run"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure) as caught:
        apps.run(["/bin/true"], "app", scope=False, dry_run=False)
    assert (caught.value.what, caught.value.status) == (line, status)


def test_what_is_for_a_scope_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a\nb").touch(0o755)
    monkeypatch.chdir(tmp_path)
    for words, reason in (
        (["/bin/echo", "x", "\udcff"], r"'\udcff' is not UTF-8, so no service can have it"),
        (["./a\nb"], " has a line break in it, so no service can have it"),
    ):
        with pytest.raises(Failure) as caught:
            apps.run(words, "app", scope=False, dry_run=True)
        assert caught.value.what.endswith(reason)
        assert apps.run(words, "app", scope=True, dry_run=True) == 0
    assert apps.run(["/bin/echo", "a\nb"], "app", scope=False, dry_run=True) == 0


def test_a_scope_without_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with pytest.raises(Failure, match="/bin/true was not started: XDG_RUNTIME_DIR is not set"):
        apps.run(["/bin/true"], "app", scope=True, dry_run=False)


def test_a_dry_run(
    tmp_path: Path,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bin/systemctl").write_text("#!/bin/sh\necho Job=7\n")  # a job's number
    (tmp_path / "bin/systemctl").chmod(0o755)
    (tmp_path / "a.desktop").write_text("[Desktop Entry]\nName=A\nExec=a\nPath=/\n")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert apps.run(["a", "$x", "two words"], "app", scope=False, dry_run=True) == 0
    line = capsys.readouterr().out
    assert line.startswith("systemd-run --user --collect --unit=app-xsession-a@")
    assert line.endswith(f" --no-block -- {tmp_path}/bin/a '$$x' 'two words'\n")
    assert apps.run([str(tmp_path / "a.desktop")], "app", scope=True, dry_run=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "cd /"
    assert lines[1].endswith(f" -- {tmp_path}/bin/a")
