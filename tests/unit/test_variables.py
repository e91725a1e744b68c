"""Environment files: as systemd reads them, with every error at its line; and what is imported."""

import contextlib
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsession import variables
from xsession.errors import Failure
from xsession.variables import LONGEST, Variable

GENERATOR = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator"
ENVIRON = {"HOME": "/home/alice", "PATH": "/bin:/usr/bin", "EMPTY": ""}


def parse(text: str | bytes, environ: dict[str, str] = ENVIRON) -> dict[str, str]:
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return {n: value for n, (value, _) in variables.parse(content, "env", environ).items()}


def quoted(value: str) -> str:
    """`value` as it can be written in a file."""
    return '"' + re.sub(r'(["\\`])', r"\\\1", value).replace("$", "$$") + '"'


# What is read the same by systemd's own generator: see the test after the next.
SAME = {
    "A=b": "b",
    "A = b  ": "b",
    "  A=b c": "b c",
    "A=b # c": "b # c",
    "# A=c\n;A=d\nA=b": "b",
    "A=b\nA=c": "c",
    "A='b  '": "b  ",
    'A="b  "': "b  ",
    "A='b'\"c\"d": "bcd",
    "A='b' 'c'": "bc",
    "A=b'c'": "b'c'",
    'A="b\\"c\\\\d\\$$e\\`f\\ng"': 'b"c\\d$e`f\\ng',
    "A='b\\n'": "b\\n",
    "A=b\\ c\\\\": "b c\\",
    "A=b\\\nc": "bc",
    'A="b\\\nc"': "bc",
    'A="b\nc"': "b\nc",
    "A=b\\ ": "b ",
    "A=$PATH:/opt": "/bin:/usr/bin:/opt",
    "A='${HOME}'/b": "/home/alice/b",
    "A=b$$c$": "b$c$",
    "A=b$UNSET-${UNSET}c": "b-c",
    "A=$HOME$PATH": "/home/alice/bin:/usr/bin",
    "A=b\nA=$A:c\nA=${A}:d": "b:c:d",
    "A=${UNSET:-b}": "b",
    "A=${HOME:-b}": "/home/alice",
    "A=${UNSET:-${HOME}}": "/home/alice",
    "A=b${UNSET:+:c}": "b",
    "A=b${HOME:+:c}": "b:c",
    "A=b${HOME:+:${UNSET:-{c}}}": "b:{c}",
    "A=b=c": "b=c",
    "A=$1b": "",
    "A=b\r\nB=c": "b",
    "A=é…\U0001f600": "é…\U0001f600",
}
# Where we differ from it, and why it is said at the top of variables.py.
OURS = {
    "A=": "",
    'A=""': "",
    "A=${EMPTY:-b}": "b",
    "A=b${EMPTY:+c}": "b",
    "export A=b": "b",
    "export\tA=b": "b",
    "export=c\nA=b": "b",
    "# c\\\nA=b": "b",
    "\ufeffA=b": "b",
    "A=b\\\r\nc": "bc",
}


@pytest.mark.parametrize(("text", "value"), [*SAME.items(), *OURS.items()])
def test_a_value(text: str, value: str) -> None:
    assert parse(text)["A"] == value


@pytest.mark.skipif(not os.access(GENERATOR, os.X_OK), reason="systemd's generator is not here")
@pytest.mark.parametrize(("text", "value"), [*SAME.items()])
def test_systemd_reads_the_same(text: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "environment.d").mkdir()
    (tmp_path / "environment.d/a.conf").write_bytes(text.encode() + b"\nEND=$A.\n")
    said = subprocess.run(
        [GENERATOR],
        env={**ENVIRON, "XDG_CONFIG_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode()
    written = said[said.index("END=") :].removeprefix("END=").removesuffix("\n").strip('"')
    assert re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), written) == f"{value}."


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("A=b\n\nfoo\n", 3, "there is no '=' in this line"),
        ("=b", 1, "'': its name has more than letters, digits and _, or begins with a digit"),
        ("1A=b", 1, "'1A': its name has more than letters, digits and _, or begins with a digit"),
        ("A='b\nc'\nB+=b", 3, "'B+': its name has more than letters"),
        ("\r\nA='b\n", 2, "a quote (') is not closed"),
        ('A=b\nB="c\\"\n\n', 2, 'a quote (") is not closed'),
        ("A=${HOME", 1, "'${HOME': only ${NAME}, ${NAME:-DEFAULT} and ${NAME:+ALTERNATE} can be"),
        ("A=${HOME%/}", 1, "'${HOME%': only ${NAME}"),
        ("A=${HOME:=b}", 1, "'${HOME:': only ${NAME}"),
        ("A=${HOME:-{b}", 1, "a brace ({) is not closed"),
        ("A=" + "${B:-" * 30 + "}" * 30, 1, "references are nested too deeply"),
        ("A=b\\\nc\nB=\udcff", 3, "'B': its value is not UTF-8"),
        ("A=\ufffe", 1, "'A': its value is not UTF-8"),
        ("A=\0", 1, "'A': its value has a NUL byte"),
        ("A=" + "b" * LONGEST, 1, "'A': it is too long: 131002 bytes, and 131000 can be"),
        ("A=" + "b" * 999 + "\nA=$A$A" * 9, 9, "the value is too long; 131000 bytes can be"),
        ("A=" + "b" * 99999 + "\nB=$A" * 20, 11, "too much is set here"),
    ],
)
def test_an_error_names_file_and_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(Failure) as caught:
        parse(text)
    assert caught.value.what.startswith(f"env:{line}: {reason}")


def test_a_value_has_the_line_where_it_begins() -> None:
    text = b"# one\nA=b\\\nc\r\n\nB='d\n\ne'\nC=f\n"
    found = variables.parse(text, "env", {})
    assert found == {"A": ("bc", 2), "B": ("d\n\ne", 5), "C": ("f", 8)}


@given(st.text())
def test_what_is_quoted_is_read_as_it_was(value: str) -> None:
    if variables.refusal("A", value):
        with pytest.raises(Failure):
            parse(f"A={quoted(value)}")
    else:
        assert parse(f"A={quoted(value)}\nB=c") == {"A": value, "B": "c"}


LIKELY = st.text(st.sampled_from("AB=$${}:-+'\"\\# \t\n\r;1xé\udcff\0"), max_size=60)


@given(st.one_of(LIKELY.map(lambda t: t.encode("utf-8", "surrogateescape")), st.binary()))
def test_anything_is_read_or_refused_with_its_line(text: bytes) -> None:
    try:
        found = variables.parse(text, "env", ENVIRON)
    except Failure as failure:
        assert re.match(r"env:\d+: .", failure.what)
    else:
        for name, (value, line) in found.items():
            assert not variables.refusal(name, value)
            assert 1 <= line <= text.count(b"\n") + 1


@pytest.mark.parametrize(
    "text",
    [
        "A=\n" * 80000,
        "A=" + " " * 250000 + "\nB",
        "A=x" + " x" * 120000,
        '"' * 250000,
        "A=" + "''" * 120000,
        "A=" + "\\x" * 120000 + '"',
        'A="' + "\\x" * 120000,
        "#" * 250000,
        "A=" + "${B:-" * 50000,
        "A=" + "$" * 250000,
        "A=" + "{" * 250000,
        "A=b\n" + "A=$A$A$A$A$A$A$A$A\n" * 10000,
        "\r" * 250000 + "A",
        " =" * 120000,
    ],
    ids=range(14),
)
def test_a_large_file_is_read_or_refused_at_once(text: str) -> None:
    begun = os.times().user
    with contextlib.suppress(Failure):
        parse(text)
    assert os.times().user - begun < 10


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PATH", "/bin", ""),
        ("_a1", "", ""),
        ("LESS_TERMCAP_md", "\x1b[1m\t\n\x7f", ""),
        ("LANG", "é\U0001f600", ""),
        ("", "", "its name has more than letters, digits and _, or begins with a digit"),
        ("BASH_FUNC_a%%", "() { :\n}", "its name has more than letters, digits and _, or"),
        ("É", "", "its name has more than letters, digits and _, or begins with a digit"),
        ("A", os.fsdecode(b"caf\xe9"), "its value is not UTF-8"),
        ("A", "\ufdd0", "its value is not UTF-8"),
        ("A", "\U0010ffff", "its value is not UTF-8"),
        ("A", "a\0", "its value has a NUL byte"),
        ("A", "b" * (LONGEST - 2), ""),
        ("A", "é" * (LONGEST // 2), "it is too long: 131002 bytes, and 131000 can be"),
    ],
)
def test_what_cannot_be_carried_to_the_user_manager(name: str, value: str, reason: str) -> None:
    refusal = variables.refusal(name, value)
    assert refusal.startswith(reason) and bool(refusal) == bool(reason)


def test_the_longest_that_is_carried_can_be_an_argument() -> None:
    word = f"--setenv=A={'b' * (LONGEST - 2)}"
    assert subprocess.run(["/bin/true", word], check=False).returncode == 0


def test_patterns_choose_what_is_imported() -> None:
    environ = {
        "LANG": "C",
        "LC_TIME": "de_DE.UTF-8",
        "LC": "no",
        "LD_PRELOAD": "evil.so",
        "PYTHONPATH": "/tmp",
        "XDG_SESSION_ID": "3",
        "DISPLAY": ":9",
        "BAD": "\udcff",
    }
    assert variables.imported(["LANG", "LC_*"], environ) == (
        {"LANG": "C", "LC_TIME": "de_DE.UTF-8"},
        [],
    )
    assert variables.imported(["*"], environ) == (
        {"LANG": "C", "LC": "no", "LC_TIME": "de_DE.UTF-8"},
        ["'BAD' is not imported: its value is not UTF-8"],
    )
    assert variables.imported([], environ) == ({}, [])


@pytest.mark.parametrize("word", ["LD_PRELOAD", "LD_*", "LD_LIB*", "PYTHONPATH", "TERM", "_"])
def test_what_is_never_imported(word: str) -> None:
    assert variables.never(word)


@pytest.mark.parametrize("word", ["*", "L*", "LC_*", "PATH", "TERMINAL", "DISPLAY_NAME", "_*"])
def test_what_can_be_imported(word: str) -> None:
    assert not variables.never(word)


# -- the files --


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "xsession/env.d").mkdir(parents=True)
    return tmp_path / "xsession"


def read(folder: Path) -> tuple[dict[str, Variable], list[str]]:
    return variables.read({"XDG_CONFIG_HOME": str(folder.parent), "PATH": "/bin"})


def test_no_file_is_no_variable_and_no_complaint(tmp_path: Path) -> None:
    assert read(tmp_path / "xsession") == ({}, [])
    assert variables.read({}) == ({}, [])


def test_the_later_file_wins_and_sees_the_earlier(folder: Path) -> None:
    (folder / "env").write_text("PATH=/opt:$PATH\nA=b\n")
    (folder / "env.d/20").write_text("\nA=$A:d\n")
    (folder / "env.d/10").write_text("A=$A:c\n")
    for name in (".20.swp", "20~", "20.bak"):
        (folder / "env.d" / name).write_text("A=no\n")
    assert read(folder) == (
        {
            "PATH": Variable("/opt:/bin", f"{folder}/env:1"),
            "A": Variable("b:c:d", f"{folder}/env.d/20:2"),
        },
        [],
    )


def test_a_file_with_an_error_is_left_out_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "env").write_text("A=b\nrubbish\n")
    (folder / "env.d/10").mkdir()
    os.mkfifo(folder / "env.d/20")
    (folder / "env.d/30").symlink_to("nothing")
    (folder / "env.d/40").write_text("A=c")
    (folder / "env.d/40").chmod(0o666)
    (folder / "env.d/50").write_text("B=c")
    (folder / "env.d/60").write_bytes(b"A=b\n" * 100000)
    found, complaints = read(folder)
    assert found == {"B": Variable("c", f"{folder}/env.d/50:1")}
    assert complaints == [
        f"{folder}/env:2: there is no '=' in this line",
        f"{folder}/env.d/10 is a folder, not a file",
        f"{folder}/env.d/20 is not a regular file",
        f"{folder}/env.d/30 is a link to nothing",
        f"{folder}/env.d/40 can be written by everybody",
        f"{folder}/env.d/60 is larger than 256 KiB",
    ]


def test_env_d_that_is_no_folder_is_named(folder: Path) -> None:
    (folder / "env.d").rmdir()
    (folder / "env.d").write_text("A=b")
    assert read(folder) == ({}, [f"could not read {folder}/env.d: Not a directory"])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_another_s_file_is_left_out(folder: Path) -> None:
    (folder / "env").write_text("A=b")
    os.chown(folder / "env", 12345, -1)
    reason = "belongs to uid 12345, neither to you nor to root"
    assert read(folder) == ({}, [f"{folder}/env {reason}"])
