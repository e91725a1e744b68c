"""The timeline: from the journal's entries to phases, and from these to lines and a picture."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

import pytest

from xsession import journald, process, timeline
from xsession.errors import Failure
from xsession.journald import Entry
from xsession.process import Completed
from xsession.timeline import Phase, Timeline

IDS = {name: number for number, name in journald.UNITS.items()}
MARKS = (
    "process=10.0 main=10.02 look=10.05 looked=10.08 prepared=10.09 start=10.1 addresses=10.12"
    " client=10.15 asked=10.18 forking=10.18 forked=10.181 serves=10.22"
)
FIELDS = {"XSESSION_DISPLAY": ":0", "XSESSION_PRIVATE": "false", "XSESSION_MARKS": MARKS}
MARKED = Entry({**FIELDS, "XSESSION_CLIENT": "xsession-client@0.service"}, 10.31, 1000.31)
SAID = (
    ("xorg@0.service", "starting", 9.0),  # of the start before
    ("xorg@0.service", "stopping", 9.5),
    ("xorg@0.service", "starting", 10.121),
    ("xsession-client@0.service", "starting", 10.16),
    ("xsession-client@0.service", "started", 10.17),
    ("xorg@0.service", "started", 10.301),
    ("xsession-managed@0.service", "starting", 10.302),
    ("xsession-managed@0.service", "started", 10.4),
    ("xorg-answers.service", "starting", 10.401),
    ("xorg-answers.service", "started", 10.5),
    ("xorg.target", "started", 10.501),
    ("graphical-session.target", "started", 10.51),
    ("xsession-client@0.service", "started", 99.0),  # it was restarted
)
SEEN = Timeline(":0", 1000.0, (Phase("look", 0, 0.03), Phase("server", 0.03, 0.3)))


def said(*messages: tuple[str, str, float]) -> list[Entry]:
    return [
        Entry({"USER_UNIT": unit, "MESSAGE_ID": IDS[what]}, at, 0.0) for unit, what, at in messages
    ]


def spent(seen: Timeline) -> Mapping[str, int | None]:
    """Milliseconds by phase."""
    return {
        it.name: None if it.end is None else round((it.end - it.begin) * 1000) for it in seen.phases
    }


def test_all_phases_of_a_start() -> None:
    seen = timeline.put_together(MARKED, said(*SAID))
    assert list(spent(seen)) == [name for name, _, _ in timeline.PHASES]
    assert spent(seen) == {
        **{"python": 20, "loading": 30, "look": 30, "authority": 10, "addresses": 20},
        **{"bridge": 59, "fork": 1, "server": 39, "answers": 81},
        **{"environment": 30, "client": 20, "managed": 98, "xorg.target": 100, "targets": 110},
    }
    assert seen.phases[0].begin == 0
    assert seen.since == pytest.approx(1000)
    assert seen.length == pytest.approx(0.51)


def test_where_a_start_came_to_nothing_the_phase_has_no_end() -> None:
    words = MARKS.partition(" serves=")[0]
    ended = Entry({**MARKED.fields, "XSESSION_MARKS": words}, 15, 1005)
    # The next start is no part of it.
    messages = (*SAID[:5], ("xorg@0.service", "stopping", 12.0), *SAID[6:])
    seen = timeline.put_together(ended, said(*messages[:6], ("xorg.target", "started", 13.0)))
    assert list(spent(seen))[-1] == "client"
    assert [it.name for it in seen.phases if it.end is None] == ["server"]
    assert timeline.bars(seen, 80, "#", colours=False)[7].split() == ["server", "no", "end"]


def test_a_server_that_a_listener_was_asked_for() -> None:
    words = "since=10.0 asked=10.18 forking=10.18 forked=10.181 serves=10.22"
    entry = Entry({**FIELDS, "XSESSION_CLIENT": "", "XSESSION_MARKS": words}, 10.31, 1000.31)
    seen = timeline.put_together(
        entry, said(*(it for it in SAID if it[0] == "xorg@0.service" and it[2] > 10))
    )
    assert list(spent(seen)) == ["bridge", "fork", "server", "answers"]
    assert seen.phases[0].begin == 0


def test_a_private_display_has_no_targets() -> None:
    fields = {**MARKED.fields, "XSESSION_PRIVATE": "true"}
    assert set(timeline.roles(fields)) == {"xorg@0.service", "xsession-client@0.service"}


@pytest.mark.parametrize("columns", [1, 20, 30, 31, 80, 200])
@pytest.mark.parametrize("colours", [True, False])
def test_no_line_is_wider_than_told(columns: int, colours: bool) -> None:
    seen = timeline.put_together(MARKED, said(*SAID))
    lines = timeline.bars(seen, columns, "█", colours=colours)
    assert any("\x1b" in line for line in lines) is colours
    bare = [re.sub(r"\x1b\[\d*m", "", line) for line in lines]
    assert max(map(len, bare)) <= columns
    assert sum("█" in line for line in bare) == len(seen.phases)
    if columns >= 20:
        for phase in seen.phases:
            assert any(line.startswith(phase.name) and line.endswith(" ms") for line in bare)


def test_bars_are_as_long_as_their_phases() -> None:
    assert timeline.bars(SEEN, 41, "#", colours=False) == [
        "look        ##                      30 ms",
        "server        ##################   270 ms",
    ]
    assert timeline.bars(SEEN, 20, "#", colours=False) == [
        "look           30 ms",
        "##",
        "server        270 ms",
        "  ##################",
    ]


def test_a_start_that_took_no_time() -> None:
    seen = Timeline(":0", 0, (Phase("look", 0, 0),))
    assert timeline.bars(seen, 40, "#", colours=False)[0].count("#") == 1
    ET.fromstring(timeline.svg(seen))  # noqa: S314  our own words


def test_the_picture_is_well_formed() -> None:
    picture = ET.fromstring(timeline.svg(timeline.put_together(MARKED, said(*SAID))))  # noqa: S314
    texts = [it.text for it in picture.iter("{http://www.w3.org/2000/svg}text")]
    for name, _, _ in timeline.PHASES:
        assert name in texts
    width = float(picture.attrib["width"])
    for bar in list(picture.iter("{http://www.w3.org/2000/svg}rect"))[1:]:
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) < width - 60


@pytest.mark.parametrize(
    ("output", "what"),
    [
        ("", "the journal has no start on :3 of this user"),
        ("No journal files were found.", "could not read the journal: No journal files were found"),
    ],
)
def test_no_start_on_record(output: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "run", lambda _: Completed(1, output))
    with pytest.raises(Failure, match=what) as failure:
        timeline.look(3)
    assert failure.value.hint


def test_when_an_entry_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when journald got to read it."""
    line = (
        '{"__REALTIME_TIMESTAMP":"1000900000","__MONOTONIC_TIMESTAMP":"50900000",'
        '"_SOURCE_REALTIME_TIMESTAMP":"1000400000"}'
    )
    monkeypatch.setattr(process, "run", lambda _: Completed(0, line))
    (entry,) = journald.entries(fields="")
    assert (entry.at, entry.time) == (50.4, 1000.4)


def test_where_no_journal_listens_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journald, "SOCKET", "/no/such")
    journald.send("words", XSESSION_DISPLAY=":0")
