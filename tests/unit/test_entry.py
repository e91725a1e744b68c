"""Desktop entries: what a file says, what is refused and why, and where files are looked for."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsession import entry
from xsession.entry import BadEntry
from xsession.errors import Failure

HEAD = "[Desktop Entry]\nType=Application\nName=A\n"


def parse(text: str, *locales: str) -> entry.Entry:
    return entry.parse(text.encode(), "/a.desktop", locales)


def argv(line: str, *arguments: str, more: str = "") -> tuple[str, ...]:
    return entry.argv(parse(f"{HEAD}{more}Exec={line}\n"), "", arguments)


def refused(line: str, *arguments: str) -> str:
    with pytest.raises(BadEntry) as caught:
        argv(line, *arguments)
    return str(caught.value).splitlines()[0]


def test_everything_in_an_entry() -> None:
    told = parse(
        "# a comment\n\n[Desktop Entry]\nType=Application\nName = A B \n  Comment=two\\nlines\n"
        "Hidden=false\nNoDisplay=true\nTerminal=1\nTryExec=/bin/a\nPath=/tmp\nIcon=a\n"
        "StartupWMClass=AClass\nDesktopNames=A;B\\;C;\nOnlyShowIn=X;Y\nNotShowIn=\n"
        "Actions=new;gone;\nX-Else=[x]=y\n\n[Desktop Action new]\nName=New\nExec=a --new\n"
        "[Desktop Action other]\nExec=b\n[X-Else]\nName=other\n"
    )
    assert (told.path, told.type, told.name, told.comment) == (
        "/a.desktop",
        "Application",
        "A B",
        "two\nlines",
    )
    assert (told.hidden, told.no_display, told.terminal) == (False, True, True)
    assert (told.try_exec, told.folder, told.icon) == ("/bin/a", "/tmp", "a")
    assert told.window_class == "AClass"
    assert told.desktop_names == ("A", "B;C")
    assert (told.only_show_in, told.not_show_in) == (("X", "Y"), ())
    assert list(told.actions) == ["new"]  # one is not in the list, one has no group
    assert entry.argv(told, "new") == ("a", "--new")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "/a.desktop: no [Desktop Entry] in it"),
        ("[Desktop Action x]\nExec=a\n", "/a.desktop: no [Desktop Entry] in it"),
        ("Name=A\n[Desktop Entry]\n", "/a.desktop, line 1: 'Name' stands before the first group"),
        ("[Desktop Entry]\nfoo\n", "/a.desktop, line 2: 'foo' is neither [GROUP] nor KEY=VALUE"),
        ("[Desktop Entry]\n=foo\n", "/a.desktop, line 2: '=foo' has no key"),
        (
            "[Desktop Entry\n",
            "/a.desktop, line 1: '[Desktop Entry' is neither [GROUP] nor KEY=VALUE",
        ),
        (f"{HEAD}Exec=a\0b\n", "/a.desktop, line 4: a NUL byte in it"),
        (HEAD + "#" * 1_000_000, "/a.desktop: larger than 512 KiB, so no desktop entry"),
        (
            f"{HEAD}\x1b[2J" + "x" * 100,
            f"/a.desktop, line 4: '\\x1b[2J{'x' * 36}…' is neither [GROUP] nor KEY=VALUE",
        ),
    ],
)
def test_what_is_refused_with_line_and_reason(text: str, reason: str) -> None:
    with pytest.raises(BadEntry) as caught:
        parse(text)
    assert (str(caught.value), caught.value.status) == (reason, 125)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(BadEntry, match=r"/a\.desktop, line [14]: (not in UTF-8|a NUL byte)"):
        entry.parse(f"{HEAD}Comment=Größe\n".encode(encoding), "/a.desktop")


def test_what_glib_takes_is_taken() -> None:
    """As g_key_file_get_boolean() and g_key_file_get_string() of GLib 2.74 and 2.84 have it."""
    told = parse(
        "[Desktop Entry]\nName=a\nExec=a\nTerminal=False\nHidden=yes\nNoDisplay=true\n"
        "Exec=b\n[X]\nExec=x\n[Desktop Entry]\nName=c\nComment=\nTerminal=TRUE\n"
    )
    assert (told.name, entry.argv(told)) == ("c", ("b",))
    assert (told.terminal, told.hidden, told.no_display) == (False, False, True)


def test_what_is_odd_and_not_refused() -> None:
    told = entry.parse(
        "\ufeff[Desktop Entry]\r\nName=a\r\nName=a\r\nName[de]=b\r\nName[de]=c\r\n"
        "X_Odd Key=1\r\nExec=a\u2028b\r\n".encode()
    )
    assert told.name == "a"
    assert entry.argv(told) == ("a\u2028b",)


@pytest.mark.parametrize(
    ("environ", "locales"),
    [
        ({}, ()),
        ({"LANG": "C.UTF-8"}, ()),
        ({"LC_ALL": "POSIX", "LANG": "de_DE"}, ()),
        ({"LANG": "de"}, ("de",)),
        ({"LANG": "de_AT.UTF-8"}, ("de_AT", "de")),
        (
            {"LANG": "fr", "LC_MESSAGES": "sr_YU.UTF-8@Latn"},
            ("sr_YU@Latn", "sr_YU", "sr@Latn", "sr"),
        ),
        ({"LANG": "sr@Latn"}, ("sr@Latn", "sr")),
        ({"LANG": "_@"}, ()),
    ],
)
def test_locales(environ: dict[str, str], locales: tuple[str, ...]) -> None:
    assert entry.locales(environ) == locales


@pytest.mark.parametrize(
    ("locale", "name"),
    [
        ("", "Foo"),
        ("fr", "Foo"),
        ("sr", "sr"),
        ("sr_YU", "sr_YU"),
        ("sr_YU@Latn", "sr_YU"),  # the specification's own example
        ("sr@Latn", "sr@Latn"),
        ("sr_BA@Latn", "sr@Latn"),
    ],
)
def test_translations(locale: str, name: str) -> None:
    text = "[Desktop Entry]\nName=Foo\nName[sr_YU]=sr_YU\nName[sr@Latn]=sr@Latn\nName[sr]=sr\n"
    assert parse(text, *entry.locales({"LANG": locale})).name == name


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a", ("a",)),
        (" a  b ", ("a", "b")),
        ('a "b c" ""', ("a", "b c", "")),
        (r'a "b\\\\c" "\\$d" "\\`" "\\""', ("a", r"b\c", "$d", "`", '"')),
        (r'a "\$d" "\"" "\x"', ("a", "$d", '"', r"\x")),  # one backslash too few, as many have it
        (r"a\sb\tc\nd", ("a", "b", "c", "d")),
        (r'"a\sb" "c\nd"', ("a b", "c\nd")),
        ("sh -c 'a \"b\"' --x='y z' \"1\"'2'", ("sh", "-c", 'a "b"', "--x=y z", "12")),  # as GLib
        (r"a b\\ c", ("a", "b c")),
        ("a $HOME ~ * # & ;", ("a", "$HOME", "~", "*", "#", "&", ";")),  # there is no shell
        ('a 100%% "%%" %%f', ("a", "100%", "%", "%f")),
        ("a %d%n %D %N %v %m -%v", ("a", "-")),
    ],
)
def test_words_of_exec(line: str, words: tuple[str, ...]) -> None:
    assert argv(line) == words


@pytest.mark.parametrize(
    ("line", "arguments", "words"),
    [
        ("a", ("x",), ("a", "x")),
        ("a %f b", (), ("a", "b")),
        ("a %f b", ("x y",), ("a", "x y", "b")),
        ("a --file=%f", ("x",), ("a", "--file=x")),
        ("a --file=%f", (), ("a", "--file=")),
        ("a %u", ("http://x/?a=%f&b",), ("a", "http://x/?a=%f&b")),
        ("a %F b", (), ("a", "b")),
        ("a %F b", ("x", "", "%%"), ("a", "x", "", "%%", "b")),
        ("a %U", ("--new", "y"), ("a", "--new", "y")),
        ("a %i %c %k", (), ("a", "--icon", "pic", "A", "/a.desktop")),
        ("a -t%c", (), ("a", "-tA")),
    ],
)
def test_field_codes(line: str, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert argv(line, *arguments, more="Icon=pic\n") == words


def test_an_entry_without_icon_and_name() -> None:
    assert entry.argv(parse("[Desktop Entry]\nExec=a %i %c b")) == ("a", "b")


@pytest.mark.parametrize(
    ("line", "arguments", "reason"),
    [
        ("", (), "Exec names no program"),
        ('""', (), "Exec names no program"),
        ("%f", (), "Exec names no program"),
        ('a "b', (), 'Exec has no closing "'),
        ("a 'b", (), "Exec has no closing '"),
        (r'a "b\\" c', (), 'Exec has no closing "'),
        ("a \\", (), "Exec has a backslash at its end"),
        ("a %x", (), "Exec has '%x', which is no field code; %% is a %"),
        ("a 100%", (), "Exec has '%', which is no field code; %% is a %"),
        ("a %f %U", (), "Exec has %f and %U, and may have but one of them"),
        ("a x%F", (), "Exec has %F within a word; it is one of its own"),
        ("a %f", ("x", "y"), "Exec has %f, for one argument, and was given 2"),
        ("A=1 b", (), "the program's name 'A=1' has a ="),
    ],
)
def test_what_exec_is_refused(line: str, arguments: tuple[str, ...], reason: str) -> None:
    assert refused(line, *arguments) == f"/a.desktop, line 4: {reason}"


def test_no_exec_no_action() -> None:
    with pytest.raises(BadEntry, match=r"^/a\.desktop, line 1: it has no Exec"):
        entry.argv(parse(HEAD))
    with pytest.raises(BadEntry, match=r"^/a\.desktop: no action 'x'\n  it has none$") as caught:
        entry.argv(parse(HEAD), "x")
    assert caught.value.status == 127
    told = parse(f"{HEAD}Actions=x;y;\n[Desktop Action x]\nName=X\n[Desktop Action y]\n")
    with pytest.raises(BadEntry, match=r"^/a\.desktop, line 5: it has no Exec"):
        entry.argv(told, "x")
    with pytest.raises(BadEntry, match=r"it has: x, y$"):
        entry.argv(told, "z")


@pytest.mark.parametrize(
    ("more", "desktops", "shown"),
    [
        ("", [], True),
        ("OnlyShowIn=A;\n", [], False),
        ("OnlyShowIn=A;\n", ["B", "A"], True),
        ("NotShowIn=A;\n", ["B"], True),
        ("NotShowIn=A;\n", ["A"], False),
        ("OnlyShowIn=A;\nNotShowIn=B;\n", ["B", "A"], False),  # the first that decides
    ],
)
def test_shown_in(more: str, desktops: list[str], shown: bool) -> None:
    assert parse(HEAD + more).shown_in(desktops) is shown


ODD = st.text(alphabet="[]=;#\\ \"'%fUick\nDesktop Entry\tExeca", max_size=200)


@given(st.one_of(st.binary(), ODD.map(str.encode), ODD.map(lambda text: (HEAD + text).encode())))
def test_whatever_is_in_a_file_it_is_an_entry_or_refused(content: bytes) -> None:
    try:
        told = entry.parse(content, "/a.desktop", ("de",))
        words = entry.argv(told, "", ("x",))
    except BadEntry as bad:
        assert str(bad).startswith("/a.desktop")
    else:
        assert words[0]
        assert "\0" not in "".join(words)


@given(st.lists(st.text().filter(lambda text: "\0" not in text)))
def test_what_is_quoted_by_the_specification_is_read_as_it_was(words: list[str]) -> None:
    words = [word.encode("utf-8", "replace").decode() for word in words]

    def quote(word: str) -> str:
        for character in '\\"`$':
            word = word.replace(character, f"\\{character}")
        word = f'"{word}"'.replace("%", "%%").replace("\\", "\\\\")
        return word.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")

    assert argv(" ".join(["a", *map(quote, words)])) == ("a", *words)


def test_folders() -> None:
    home = {"HOME": "/home/alice"}
    assert entry.folders("x", home) == (
        "/home/alice/.local/share/x",
        "/usr/local/share/x",
        "/usr/share/x",
    )
    told = {**home, "XDG_DATA_HOME": "/d/", "XDG_DATA_DIRS": "/a:rel:/b/:/a::/d"}
    assert entry.folders("x", told) == ("/d/x", "/a/x", "/b/x")


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    """An environment with two folders for data and one for programs, all empty."""
    for name in ("bin", "home/applications", "system/applications"):
        (tmp_path / name).mkdir(parents=True)
    return {
        "HOME": str(tmp_path),
        "PATH": str(tmp_path / "bin"),
        "XDG_DATA_HOME": str(tmp_path / "home"),
        "XDG_DATA_DIRS": str(tmp_path / "system"),
    }


def test_desktop_file_ids(tmp_path: Path, data: dict[str, str]) -> None:
    for name in ("home/applications/a.desktop", "system/applications/a.desktop"):
        (tmp_path / name).write_text(f"{HEAD}Exec={name}\n")
    assert entry.find("a.desktop", data).path == f"{tmp_path}/home/applications/a.desktop"
    deep = tmp_path / "system/applications/kde4/sub-folder/org.x-y.desktop"
    deep.parent.mkdir(parents=True)
    deep.write_text(HEAD)
    assert entry.find("kde4-sub-folder-org.x-y.desktop", data).path == str(deep)
    (tmp_path / "home/applications/a.desktop").write_text(f"{HEAD}Hidden=true\n")
    with pytest.raises(
        Failure, match=r"^application 'a\.desktop': not found\n.*deleted it"
    ) as told:
        entry.find("a.desktop", data)
    assert told.value.status == 127
    with pytest.raises(Failure, match=r"^application '-\.desktop': not found\n  looked in /"):
        entry.find("-.desktop", data)
    hidden = entry.find(f"{tmp_path}/home/applications/a.desktop", data)
    with pytest.raises(BadEntry, match="line 4: it is Hidden, which means deleted"):
        entry.command(hidden, data)


def test_what_is_no_file(tmp_path: Path, data: dict[str, str]) -> None:
    folder = tmp_path / "home/applications"
    (folder / "folder.desktop").mkdir()
    os.mkfifo(folder / "fifo.desktop")
    (folder / "dangling.desktop").symlink_to("nothing")
    (folder / "device.desktop").symlink_to("/dev/zero")
    (folder / "loop.desktop").symlink_to("loop.desktop")
    for name, reason, status in (
        ("folder", "not a file", 125),
        ("fifo", "not a file", 125),
        ("device", "not a file", 125),
        ("dangling", "not found", 127),
        ("loop", "could not be read: Too many levels of symbolic links", 125),
    ):
        with pytest.raises(BadEntry) as caught:
            entry.find(f"{name}.desktop", data)
        assert str(caught.value) == f"{folder}/{name}.desktop: {reason}"
        assert caught.value.status == status


def test_the_program(tmp_path: Path, data: dict[str, str]) -> None:
    for name, mode in (("good", 0o755), ("plain", 0o644)):
        (tmp_path / "bin" / name).touch(mode)
    (tmp_path / "bin/script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "bin/script").chmod(0o755)
    assert entry.command(parse(f"{HEAD}TryExec=good\nExec=good x"), data) == (
        f"{tmp_path}/bin/good",
        "x",
    )
    for text, reason, status in (
        ("Exec=none", "line 4: Exec's program 'none': not found", 127),
        ("Exec=plain", "line 4: Exec's program 'plain': not executable", 126),
        ("Exec=script", "line 4: Exec's program 'script': its interpreter", 126),
        ("Exec=good\nTryExec=none", "line 5: TryExec's program 'none': not found", 127),
        ("Exec=good\nTryExec=plain", "line 5: TryExec's program 'plain': not executable", 126),
        ('Exec="a\\nb"', r"line 4: Exec's program 'a\nb': not found", 127),
    ):
        with pytest.raises(BadEntry) as caught:
            entry.command(parse(HEAD + text), data)
        assert str(caught.value).startswith(f"/a.desktop, {reason}")
        assert caught.value.status == status
    with pytest.raises(BadEntry, match="line 2: its Type is 'Link', not Application"):
        entry.command(parse("[Desktop Entry]\nType=Link\nURL=x\n"), data)
