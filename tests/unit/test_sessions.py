"""The sessions that can be started: which there are, which hide others, which one is meant."""

import json
import time
from pathlib import Path

import pytest

from xsession import client, sessions
from xsession.errors import Failure
from xsession.sessions import Kind, Session

NOTHING = "no session can be started: no rc file, no desktop entry, no window manager, no xterm"


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment with a home, two folders for sessions and one for programs, all empty."""
    monkeypatch.setattr(client, "SYSTEM_RC", f"{tmp_path}/xinitrc")
    monkeypatch.setattr(client, "XSESSION", f"{tmp_path}/Xsession")
    for name in ("home", "bin", "own/xsessions", "system/xsessions"):
        (tmp_path / name).mkdir(parents=True)
    return {
        "HOME": str(tmp_path / "home"),
        "PATH": str(tmp_path / "bin"),
        "XDG_DATA_HOME": str(tmp_path / "own"),
        "XDG_DATA_DIRS": f"/no/such:{tmp_path}/system",
    }


def program(tmp_path: Path, *names: str) -> None:
    for name in names:
        (tmp_path / "bin" / name).touch(0o755)


def entry(tmp_path: Path, path: str, text: str) -> str:
    file = tmp_path / path
    file.write_text(f"[Desktop Entry]\n{text}\n")
    return str(file)


def test_an_installed_session(tmp_path: Path, environ: dict[str, str]) -> None:
    program(tmp_path, "startxfce4", "i3")
    path = entry(
        tmp_path,
        "system/xsessions/xfce.desktop",
        "Name=Xfce Session\nComment=A desktop\nComment[de]=Ein Desktop\nType=XSession\n"
        "Exec=startxfce4 -x\nDesktopNames=XFCE;GTK;\nTryExec=startxfce4\nPath=/tmp",
    )
    environ["LANG"] = "de_AT.UTF-8"
    wanted = Session(
        name="xfce",
        kind=Kind.ENTRY,
        source=path,
        argv=(f"{tmp_path}/bin/startxfce4", "-x"),
        title="Xfce Session",
        comment="Ein Desktop",
        desktop_names=("XFCE", "GTK"),
        folder="/tmp",
    )
    assert sessions.find("xfce", environ) == wanted
    assert sessions.find("xfce.desktop", environ) == wanted
    assert sessions.find(path, environ) == wanted
    for name in ("xfce", "xfce.desktop", path):
        found = sessions.find(name, environ, ["-y", "z"])
        assert found is not None
        assert found.argv == (*wanted.argv, "-y", "z")
    assert wanted.variables == {"XDG_CURRENT_DESKTOP": "XFCE:GTK", "DESKTOP_SESSION": "xfce"}
    assert list(sessions.installed(environ)) == [wanted]


def test_without_desktop_names(tmp_path: Path, environ: dict[str, str]) -> None:
    program(tmp_path, "i3")
    entry(tmp_path, "own/xsessions/i3.desktop", "Exec=i3")
    found = sessions.find("i3", environ)
    assert found is not None
    assert found.title == "i3"
    assert found.variables == {"DESKTOP_SESSION": "i3"}


def test_an_entry_goes_before_a_program(tmp_path: Path, environ: dict[str, str]) -> None:
    program(tmp_path, "openbox", "openbox-session", "i3")
    entry(tmp_path, "system/xsessions/openbox.desktop", "Exec=openbox-session")
    found = sessions.find("openbox", environ)
    assert found is not None
    assert found.argv == (f"{tmp_path}/bin/openbox-session",)
    for word in ("i3", "none", "./openbox", f"{tmp_path}/bin/openbox", "..", ""):
        assert sessions.find(word, environ) is None


@pytest.mark.parametrize(
    ("text", "name", "reason", "status"),
    [
        ("Exec=i3", "none.desktop", "session 'none.desktop': not found", 127),
        ("Exec=i3\nHidden=true", "i3.desktop", "session 'i3.desktop': not found", 127),
        ("Exec=i3", "./i3.desktop", "{here}/i3.desktop: not found", 127),
        ("Exec=none", "i3", "{path}, line 2: Exec's program 'none': not found", 127),
        ("Exec=i3\nTryExec=none", "i3", "{path}, line 3: TryExec's program 'none': not", 127),
        ("Exec=i3 %x", "i3", "{path}, line 2: Exec has '%x'", 125),
        ("Name=i3", "i3.desktop", "{path}, line 1: it has no Exec", 125),
        ("Type=Link\nURL=x", "i3", "{path}, line 2: its Type is 'Link'", 125),
    ],
)
def test_what_is_refused(
    tmp_path: Path, environ: dict[str, str], text: str, name: str, reason: str, status: int
) -> None:
    program(tmp_path, "i3")
    path = entry(tmp_path, "system/xsessions/i3.desktop", text)
    with pytest.raises(Failure) as caught:
        sessions.find(name, environ)
    assert caught.value.what.startswith(reason.format(path=path, here=Path.cwd()))
    assert caught.value.status == status


def test_one_folder_hides_what_is_in_the_next(tmp_path: Path, environ: dict[str, str]) -> None:
    program(tmp_path, "wm", "better")
    for name in ("overridden", "hidden", "not-shown", "no-program", "plain"):
        entry(tmp_path, f"system/xsessions/{name}.desktop", f"Name=system's {name}\nExec=wm")
    entry(tmp_path, "own/xsessions/overridden.desktop", "Name=mine\nExec=better")
    entry(tmp_path, "own/xsessions/hidden.desktop", "Hidden=true")
    entry(tmp_path, "own/xsessions/not-shown.desktop", "NoDisplay=true\nExec=wm")
    entry(tmp_path, "own/xsessions/no-program.desktop", "TryExec=none\nExec=wm")
    entry(tmp_path, "own/xsessions/broken.desktop", "Exec=wm %x")
    entry(tmp_path, "own/xsessions/README", "")
    shown = {session.name: session for session in sessions.installed(environ)}
    assert list(shown) == ["broken", "overridden", "plain"]
    assert shown["overridden"].argv == (f"{tmp_path}/bin/better",)
    assert shown["broken"].objection.startswith("Exec has '%x', which is no field code")
    assert sessions.find("hidden", environ) is None  # deleted, not the system's
    assert sessions.find("not-shown", environ) is not None  # by name it can be started


def everything(tmp_path: Path) -> None:
    systemctl = tmp_path / "bin/systemctl"
    systemctl.write_text("#!/bin/sh\necho dwm.service\n")
    systemctl.chmod(0o755)
    program(tmp_path, "i3", "x-window-manager", "xterm")
    (tmp_path / "home/.config/sx").mkdir(parents=True)
    (tmp_path / "home/.config/sx/sxrc").touch(0o755)
    (tmp_path / "home/.xsession").mkdir()
    (tmp_path / "xinitrc").touch(0o644)
    (tmp_path / "home/.xinitrc").touch(0o644)
    entry(tmp_path, "system/xsessions/i3.desktop", "Name=i3 wm\nExec=i3")
    entry(tmp_path, "system/xsessions/odd.desktop", "Name=a\\n\x1b[2Jb\nExec=i3")
    entry(tmp_path, "system/xsessions/bad.desktop", "Exec=none")


def test_the_list(
    tmp_path: Path,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert sessions.show(as_json=False) == 0
    assert capsys.readouterr().out == f"{NOTHING}\n"
    everything(tmp_path)
    assert sessions.show(as_json=False) == 0
    assert capsys.readouterr().out.splitlines() == [
        "* wm.target         dwm.service",
        "  sxrc              ~/.config/sx/sxrc",
        "  .xinitrc          ~/.xinitrc",
        f"  xinitrc           {tmp_path}/xinitrc",
        f"  i3                {tmp_path}/system/xsessions/i3.desktop  i3 wm",
        f"  odd               {tmp_path}/system/xsessions/odd.desktop  a\\n\\x1b[2Jb",
        f"  x-window-manager  {tmp_path}/bin/x-window-manager",
        f"  xterm             {tmp_path}/bin/xterm",
        f"! ~/.xsession: {tmp_path}/home/.xsession is a folder, not a file",
        f"! {tmp_path}/system/xsessions/bad.desktop: Exec's program 'none': not found",
    ]
    assert sessions.show(as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert [session["name"] for session in told if session["default"]] == ["wm.target"]
    assert [session["kind"] for session in told] == [
        *("units", "rc", "rc", "rc", "rc", "entry", "entry", "entry", "program", "program")
    ]
    assert told[2]["command"] == ["/bin/sh", f"{tmp_path}/home/.xinitrc"]
    assert told[5] == {
        "name": "bad",
        "kind": "entry",
        "source": f"{tmp_path}/system/xsessions/bad.desktop",
        "title": "",
        "comment": "",
        "command": [],
        "desktop_names": [],
        "default": False,
        "objection": "Exec's program 'none': not found",
    }


def test_no_line_is_wider_than_the_terminal(tmp_path: Path, environ: dict[str, str]) -> None:
    everything(tmp_path)
    listed = [*sessions.installed(environ), *sessions.defaults(environ)]
    assert {len(line) for line in sessions.table(listed, None, 20, environ).splitlines()} == {20}
    assert sessions.table([], None, 20, environ) == NOTHING


def test_the_configuration_goes_before_all(tmp_path: Path, environ: dict[str, str]) -> None:
    everything(tmp_path)
    file = tmp_path / "home/.config/xsession/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[session]\nclient = ["i3", "-a"]\n')
    assert next(sessions.defaults(environ)) == Session("i3", Kind.CONFIG, f"{file}:2", ("i3", "-a"))


def test_a_program_is_the_default_if_there_is_no_rc_file(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    program(tmp_path, "xterm")
    assert list(sessions.defaults(environ)) == [
        Session("xterm", Kind.PROGRAM, f"{tmp_path}/bin/xterm", (f"{tmp_path}/bin/xterm",))
    ]


def test_a_thousand_entries(tmp_path: Path, environ: dict[str, str]) -> None:
    program(tmp_path, "i3")
    names = "".join(f"Name[l{number}]=Näme\nComment[l{number}]=Cömment\n" for number in range(40))
    for number in range(1000):
        entry(
            tmp_path,
            f"system/xsessions/{number}.desktop",
            f"Name=i3\nComment=improved\n{names}Exec=i3\nTryExec=i3\nDesktopNames=i3;",
        )
    begun = time.process_time()
    assert len(list(sessions.installed(environ))) == 1000
    assert time.process_time() - begun < 0.3
