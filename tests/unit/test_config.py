"""The configuration: what holds and where it was said; one line and 125 for what is wrong."""

import json
import os
import tomllib
from pathlib import Path

import manpage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsession import cli, config, files, parser, typed
from xsession.config import load, parse, toml
from xsession.errors import FAILED, Failure
from xsession.plan import Request
from xsession.server import SERVERS
from xsession.settings import Config, Environment, Server, Session, Value, make, settings


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's file; the system's is `system/xsession/config.toml` beside its folder."""
    for folder in ("config", "system"):
        (tmp_path / folder / "xsession").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "system"))
    return tmp_path / "config/xsession/config.toml"


def system(file: Path) -> Path:
    return file.parents[2] / "system/xsession/config.toml"


# -- what holds --


def test_without_a_file_the_defaults_hold(file: Path) -> None:
    assert load(os.environ) == (Config(), {})
    assert not file.exists()


def test_every_setting(file: Path) -> None:
    file.write_text(
        """
        [server]
        kind = "xephyr"
        arguments = ["-screen", "800x600"]
        timeout = 5
        [session]
        client = ["awesome", "-c", "é"]
        managed-timeout = 0
        stop-timeout = 0.5
        [environment]
        import = ["PATH", "LC_*", "*"]
        set = { EDITOR = "vi", LD_LIBRARY_PATH = "/opt" }
        [hardware]
        wait = 3
        gpu = "amdgpu"
        """
    )
    found, sources = load(os.environ)
    assert found.server == Server("xephyr", ("-screen", "800x600"), 5.0)
    assert found.session == Session(("awesome", "-c", "é"), 0.0, 0.5)
    assert found.environment.import_ == ("PATH", "LC_*", "*")
    assert found.environment.set == {"EDITOR": "vi", "LD_LIBRARY_PATH": "/opt"}
    assert (found.hardware.wait, found.hardware.gpu) == (3.0, "amdgpu")
    assert set(sources) == {setting.name for setting in settings()}
    assert sources["hardware.gpu"] == f"{file}:15"


def test_the_person_s_file_goes_before_the_system_s(file: Path) -> None:
    system(file).write_text('[server]\nkind = "xvfb"\ntimeout = 1\n[environment.set]\nA = "b"\n')
    file.write_text('server.timeout = 2\n[environment]\n\nset.B = "c"\n')
    found, sources = load(os.environ)
    assert found.server == Server("xvfb", (), 2.0)
    assert found.environment == Environment(set={"B": "c"})
    assert sources == {
        "server.kind": f"{system(file)}:2",
        "server.timeout": f"{file}:1",
        "environment.set": f"{file}:4",
    }


def test_where_files_are_looked_for() -> None:
    home = {"HOME": "/h"}
    default = ["/h/.config/xsession/config.toml", "/etc/xdg/xsession/config.toml"]
    assert config.paths(home) == default
    assert config.paths({**home, "XDG_CONFIG_HOME": "here", "XDG_CONFIG_DIRS": ""}) == default
    assert config.paths({"XDG_CONFIG_HOME": "/c", "XDG_CONFIG_DIRS": "/a:b:/c"}) == [
        f"{folder}/xsession/config.toml" for folder in ("/c", "/a", "/c")
    ]


def test_the_defaults_are_what_a_file_could_say() -> None:
    for setting in settings():
        said = tomllib.loads(f"it = {toml(setting.of(Config()))}")["it"]
        assert setting.type.take(said) == setting.of(Config())
        assert setting.meaning.endswith(".")


def test_the_command_line_and_the_table_know_the_same_servers() -> None:
    for kind in SERVERS:
        assert parser.parser().parse_args(["start", "--server", kind]).server == kind


# -- what is wrong --


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        (
            "[server]\n\ntiemout = 3\n",
            '3: "tiemout" is no setting in [server]',
            "is it this: timeo",
        ),
        ("[sevrer]\nkind = 3\n", '1: "sevrer" is no table', "is it this: [server]?"),
        ("\ntimeout = 3\n", '2: "timeout" is no table', "it belongs to another table: [server]"),
        (
            "[server]\nclient=[]",
            '2: "client" is no setting in [server]',
            "it belongs to another ta",
        ),
        ("[server]\nxyz=1", '2: "xyz" is no setting in [server]', "the settings: man xsession"),
        (
            "[server.arguments]",
            "1: server.arguments: it must be an array of strings, and is {}",
            "",
        ),
        ("[[server]]\n", "1: server is a table, not a value", "write: [server]"),
        ("server = 1\n", "1: server is a table, not a value", "write: [server]"),
        ('"s\\u001b" = 1\n', '1: "s\\u001b" is no table', "the settings"),
        (
            '[server]\nkind = "xwayland"',
            '2: server.kind: it must be one of "xorg", "xvfb", "xe',
            "",
        ),
        ("[server]\ntimeout = true", "2: server.timeout: it must be a number of seconds, more", ""),
        ("[server]\ntimeout = 0", "2: server.timeout: it must be a number of seconds, more t", ""),
        ("[server]\ntimeout = nan", "2: server.timeout: it must be a number of seconds, more", ""),
        ("[server]\ntimeout = 1979-05-27", "2: server.timeout: it must be a number of second", ""),
        ("[hardware]\nwait = false", "2: hardware.wait: it must be a number of seconds, 0 or", ""),
        (
            '[session]\nclient = "xterm"',
            '2: session.client: it must be an array of strings, and is "xterm"',
            "",
        ),
        (
            '[session]\nclient = ["a", 1]',
            "2: session.client: it must be an array of strings, a",
            "",
        ),
        ('[session]\nclient = ["a\\u0000"]', "2: session.client: a NUL cannot be in it", ""),
        (
            '[environment]\nimport = [\n"PATH",\n"LD_PRELOAD"]',
            "2: environment.import: 'LD_PRELOAD' is never imported: it changes how programs are",
            "",
        ),
        (
            '[environment]\nimport = ["PYTHON*"]',
            "2: environment.import: 'PYTHON*' is never imp",
            "",
        ),
        ('[environment]\nimport = ["A-B"]', "2: environment.import: 'A-B': its name has more", ""),
        ('[environment]\nimport = ["*A"]', "2: environment.import: '*A': its name has more th", ""),
        ("[environment]\nset = { A = 1 }", "2: environment.set: it must be a table of strings", ""),
        ('[environment]\nset = { 1A = "" }', "2: environment.set: '1A': its name has more tha", ""),
        (
            '[environment.set]\nDISPLAY = ":1"',
            "1: environment.set: 'DISPLAY': xsession sets it",
            "",
        ),
        (
            "[server\n",
            "1:8: expected ']' at the end of a table declaration",
            "see: https://toml.io",
        ),
        ("[server]\nkind = xorg", "2:8: invalid value", "see: https://toml.io"),
        ('[server]\nkind = """', "2: unterminated string", "see: https://toml.io"),
        ("[server]\nkind = 1\nkind = 2", "3: cannot overwrite a value", "see: https://toml.io"),
        ("a = 1" + "0" * 5000, " exceeds the limit (4300 digits) for integer string", ""),
        ("a = " + "[" * 9999, " nested too deeply", ""),
        ("\n" + "a." * 99999 + "a = 1", "2: more than 64 dots in one line", ""),
        ("\n[" + "'a'." * 99999 + "a]", "2: more than 64 dots in one line", ""),
        ("a = {" + '"#".' * 99999 + "a = 1}", "1: more than 64 dots in one line", ""),
    ],
)
def test_a_fault_is_named_with_file_and_line(text: str, what: str, hint: str) -> None:
    with pytest.raises(Failure) as caught:
        parse(text.encode(), "FILE")
    assert caught.value.what.startswith(f"FILE:{what}")
    assert caught.value.hint.startswith(hint)
    assert caught.value.status == FAILED


@pytest.mark.parametrize("quote", ['"', "'", '"""', "'''"])
def test_dots_in_a_value_or_a_comment_are_no_key(quote: str) -> None:
    colours = "*.tar=01;31:" * 99
    text = f"# {'.' * 99}\n[environment.set]\nLS_COLORS = {quote}{colours}{quote} # {'.' * 99}\n"
    assert parse(text.encode(), "F") == {"environment.set": ({"LS_COLORS": colours}, 2)}


def test_what_is_not_utf_8_is_named_with_its_line() -> None:
    with pytest.raises(Failure, match=r"^FILE:3: this is not UTF-8"):
        parse(b"\n# one\n# caf\xe9\n", "FILE")


def test_a_byte_order_mark_does_no_harm() -> None:
    assert parse(b"\xef\xbb\xbf[server]\r\ntimeout = 2\r\n", "F") == {"server.timeout": (2.0, 2)}


@given(st.one_of(st.binary(), st.text().map(lambda t: t.encode("utf-8", "replace"))))
def test_anything_is_read_or_refused(content: bytes) -> None:
    try:
        parse(content, "FILE")
    except Failure as failure:
        assert failure.what.startswith("FILE:")
        assert "\n" not in failure.what


values: st.SearchStrategy[Value | list[str]] = st.one_of(
    st.text(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.lists(st.text())
)


@given(st.dictionaries(st.sampled_from([s.name for s in settings()]), values))
def test_values_of_any_type_are_taken_or_refused(said: dict[str, Value]) -> None:
    text = "".join(f"{name} = {toml(value)}\n" for name, value in said.items())
    try:
        found = parse(text.encode(), "FILE")
    except Failure as failure:
        assert failure.what.startswith("FILE:")
    else:
        assert set(found) == set(said)
        make({name: value for name, (value, _) in found.items()})


@given(st.recursive(values, lambda some: st.dictionaries(st.text(), some, max_size=3)))
def test_what_is_printed_as_toml_is_read_as_it_was(value: object) -> None:
    assert tomllib.loads(f"it = {toml(value)}")["it"] == value


# -- files that are not read --


def refused(file: Path) -> str:
    with pytest.raises(Failure) as caught:
        load(os.environ)
    assert str(file) in caught.value.what
    return caught.value.what.replace(str(file), "FILE")


def test_a_megabyte(file: Path) -> None:
    file.write_bytes(b"#" * (1 << 20))
    assert refused(file) == f"FILE is larger than {files.MOST >> 10} KiB"


def test_a_folder(file: Path) -> None:
    file.mkdir()
    assert refused(file) == "FILE is a folder, not a file"


def test_a_fifo_does_not_block(file: Path) -> None:
    os.mkfifo(file)
    assert refused(file) == "FILE is not a regular file"


def test_a_link_to_nothing(file: Path) -> None:
    file.symlink_to("nowhere")
    assert refused(file) == "FILE is a link to nothing"


def test_a_link_to_itself(file: Path) -> None:
    file.symlink_to(file)
    assert refused(file) == "could not open FILE: Too many levels of symbolic links"


def test_what_everybody_can_write(file: Path) -> None:
    file.write_text("")
    file.chmod(0o646)
    assert refused(file) == "FILE can be written by everybody"


def test_what_a_group_of_one_s_own_can_write_is_read(file: Path) -> None:
    file.write_text("")
    file.chmod(0o664)
    assert load(os.environ) == (Config(), {})


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_another_s(file: Path) -> None:
    file.write_text("")
    os.chown(file, 12345, -1)
    assert refused(file) == "FILE belongs to uid 12345, neither to you nor to root"


@pytest.mark.skipif(os.getuid() == 0, reason="root can read everything")
def test_unreadable(file: Path) -> None:
    file.write_text("")
    file.chmod(0)
    assert refused(file) == "could not open FILE: Permission denied"


def test_a_fault_is_one_line_a_hint_and_125(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[server]\nkind = 1\n")
    wanted = 'one of "xorg", "xvfb", "xephyr", "xnest"'
    for verb in (["start"], ["start", "--dry-run"], ["listen"], ["config"]):
        assert cli.main(verb) == FAILED
        assert capsys.readouterr() == (
            "",
            f"xsession: {file}:2: server.kind: it must be {wanted}, and is 1\n"
            "  the settings: man xsession.toml\n",
        )


# -- the command line over the configuration --


def request(*words: str) -> Request:
    before, after = typed.split(words)
    made = typed.request(parser.start(before), after)
    assert made.imports
    return made._replace(imports=())


TEXT = """
server = { kind = "xvfb", arguments = ["-dpi", "96"], timeout = 7 }
session.client = ["xclock", "-digital"]
"""


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("start", Request(client=("xclock", "-digital"), server="xvfb", arguments=("-dpi", "96"))),
        ("start x", Request(client=("x",), server="xvfb", arguments=("-dpi", "96"))),
        ("listen -- -ac", Request(listen=True, server="xvfb", arguments=("-dpi", "96", "-ac"))),
        (
            "start -- :3 -ac",
            Request(
                client=("xclock", "-digital"),
                server="xvfb",
                arguments=("-dpi", "96", "-ac"),
                display=3,
            ),
        ),
        ("start --server xorg x", Request(client=("x",))),  # -dpi is meant for xvfb
    ],
)
def test_what_is_typed_goes_before_what_is_configured(
    words: str, wanted: Request, file: Path
) -> None:
    file.write_text(TEXT)
    assert request(*words.split()) == wanted._replace(timeout=7.0)


def test_typed_time_outs_go_before_those_configured(file: Path) -> None:
    file.write_text(TEXT)
    assert request("start", "--timeout", "2").timeout == 2.0


def test_the_graphics_device_typed_goes_before_the_one_configured(file: Path) -> None:
    file.write_text('hardware = { gpu = "amdgpu", wait = 3 }')
    made = request("start")
    assert (made.gpu, made.wait) == ("amdgpu", 3.0)
    made = request("start", "--gpu", "", "--wait", "0")
    assert (made.gpu, made.wait) == ("", 0.0)
    assert request("start", "--server", "xvfb").gpu == ""  # it has none


def test_what_has_no_option(file: Path) -> None:
    file.write_text('session.managed-timeout = 3\nenvironment.import = ["A*"]\n')
    made = typed.request(parser.start(["start"]), [])
    assert (made.managed, made.imports) == (3.0, ("A*",))


def test_safe_reads_no_configuration(file: Path) -> None:
    file.write_text("rubbish")
    assert request("start", "--safe") == Request(safe=True)


# -- xsession config --


def test_every_setting_is_shown_as_a_file(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    file.write_text('[environment.set]\nA = "\\u001b[0m \\"é"\n[server]\n\ntimeout = 1.5\n')
    assert cli.main(["config"]) == 0
    shown = capsys.readouterr().out
    assert "\ntimeout = 1.5  # ~/config/xsession/config.toml:5\n" in shown
    assert '\nset = { A = "\\u001b[0m \\"é" }  # ~/config/xsession/config.toml:1\n' in shown
    before = load(os.environ)[0]
    file.write_text(shown)
    assert load(os.environ)[0] == before


def test_for_programs(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[server]\ntimeout = 1.5\n")
    assert cli.main(["config", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == [setting.name for setting in settings()]
    assert told["server.timeout"] == {"value": 1.5, "source": f"{file}:2"}
    assert told["server.kind"] == {"value": "xorg", "source": "default"}


@pytest.mark.parametrize("width", [1, 2, 5, 20, 40, 79, 80, 200])
def test_no_line_is_over_the_width(width: int) -> None:
    holds = make({"session.client": ("/" + "a" * 90, "b c")})
    source = {"session.client": f"/home/alice/{'d' * 20}/config.toml:12"}
    lines = config.table(config.rows(holds, source), width, "/home/alice").splitlines()
    assert all(len(line) <= width for line in lines)
    if width >= 80:
        assert "  timeout          30.0" in "\n".join(lines)


# -- the manual --


def test_the_manual_page_is_made_of_the_table() -> None:
    assert manpage.PAGE.read_text() == manpage.page(), "run: scripts/manpage.py"
