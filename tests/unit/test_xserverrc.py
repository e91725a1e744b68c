"""~/.xserverrc: which arguments of the server are found in it, and what is said of the rest."""

from pathlib import Path

import pytest

from xsession import parser, typed, xserverrc
from xsession.errors import Failure
from xsession.xserverrc import Found

DEBIAN = '#!/bin/sh\n\nexec /usr/bin/X -nolisten tcp "$@"\n'
ARCH = """#!/bin/sh
if [ -z "$XDG_VTNR" ]; then
  exec /usr/bin/X -nolisten tcp "$@"
else
  exec /usr/bin/X -nolisten tcp "$@" vt$XDG_VTNR
fi
"""


def left(words: str) -> tuple[str, ...]:
    return (f"rc: left out, as it is xsession's to say: {words}",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Found()),
        ("#!/bin/sh\n# exec X -dpi 96\n", Found()),
        (DEBIAN, Found("xorg")),
        (ARCH, Found("xorg")),
        ('exec X -dpi 96 -ardelay 200 "$@"', Found("xorg", ("-dpi", "96", "-ardelay", "200"))),
        ("  exec\t/usr/lib/Xorg -ac $@  # all\n", Found("xorg", ("-ac",))),
        ('exec X \\\n -dpi 96 \\\n ${1+"$@"}\n', Found("xorg", ("-dpi", "96"))),
        ("exec X -ac\nexec X -br", Found("xorg", ("-br",))),
        ('exec Xorg -config "my file" -a\\ b', Found("xorg", ("-config", "my file", "-a b"))),
        ("exec X -fp '$HOME;*'", Found("xorg", ("-fp", "$HOME;*"))),
        ("exec X -keeptty -novtswitch vt1 :0", Found("xorg", (), left("vt1 :0"))),
        ("exec X -br -keeptty", Found("xorg", ("-br",))),
        ("exec X -auth a -logfile b -br", Found("xorg", ("-br",), left("-auth a -logfile b"))),
        ("exec X -nolisten local -auth", Found("xorg", ("-nolisten", "local"), left("-auth"))),
        ("exec Xephyr -screen 800x600", Found("xephyr", ("-screen", "800x600"))),
        ("X -ac", Found(complaints=("rc: no line `exec X ARG…` in it, so it is not followed",))),
        (
            "exec ssh-agent X -ac",
            Found(complaints=("rc: it starts ssh-agent, and is not followed",)),
        ),
        *(
            (
                f"exec X -dpi {word}",
                Found(
                    "xorg",
                    complaints=(f"rc: {said!r} was not understood, so no argument of it is taken",),
                ),
            )
            for word, said in (
                ("$DPI", "$DPI"),
                ('"${DPI:-96}"', "$"),
                ("`dpi`", "`dpi`"),
                ("96 >~/log 2>&1", ">~/log"),
                ("96 && true", "&&"),
                ("96; true", "96;"),
            )
        ),
        (
            "exec X -dpi '96",
            Found(
                "xorg",
                complaints=(
                    "rc: the line was not understood (no closing quotation),"
                    " so no argument of it is taken",
                ),
            ),
        ),
    ],
)
def test_what_is_found(text: str, found: Found) -> None:
    assert xserverrc.parse(text, "rc") == found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("XSERVERRC", raising=False)
    monkeypatch.setattr(xserverrc, "SYSTEM", f"{tmp_path}/system")
    return tmp_path


def arguments(*words: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    before, after = typed.split(words)
    request = typed.request(parser.start(before), after)
    return request.arguments, request.complaints


def test_who_goes_before_whom(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert arguments("start") == ((), ())
    (home / "system").write_text("exec X -br")
    assert arguments("start") == (("-br",), ())
    (home / ".xserverrc").write_text("exec X -ac")
    assert arguments("start", "--", "-dpi", "96") == (("-ac", "-dpi", "96"), ())
    assert arguments("listen") == (("-ac",), ())
    for words in (["--safe"], ["--server", "xvfb"], ["--", "/bin/Xvfb"], ["--", "/bin/X"]):
        assert arguments("start", *words) == ((), ())
    (home / "other").write_text("exec Xephyr -fullscreen")
    monkeypatch.setenv("XSERVERRC", f"{home}/other")
    assert arguments("start", "--server", "xephyr") == (("-fullscreen",), ())
    said = "xserverrc is for xephyr, and is left out; to have that: --server xephyr"
    assert arguments("start") == ((), (said,))
    file = home / "xsession/config.toml"
    file.parent.mkdir()
    file.write_text("[server]\narguments = []\n")
    assert arguments("start") == ((), ())


def test_one_that_is_not_read(home: Path) -> None:
    (home / ".xserverrc").mkdir()
    with pytest.raises(Failure, match=r"\.xserverrc is a folder, not a file"):
        arguments("start")
