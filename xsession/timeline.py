"""`xsession timeline`: where the time of the last start went, as the journal has it, drawn.

There are two kinds of moments: our own marks (see marks), and when the manager says of a unit that
it is `starting` or `started`. A phase is the time between two of them. The journal has both, also
when the session has ended.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from xml.sax.saxutils import escape

from xsession import journald, marks, tty
from xsession.display import Display
from xsession.errors import Failure
from xsession.journald import Entry

# Each with the moments of its begin and end; units by the names that `roles` gives them.
PHASES = (
    ("python", "process", "main"),
    ("loading", "main", "look"),
    ("look", "look", "looked"),
    ("authority", "looked", "prepared"),
    ("addresses", "start", "addresses"),
    ("bridge", "service starting", "asked"),
    ("fork", "forking", "forked"),
    ("server", "forked", "serves"),
    ("answers", "serves", "service started"),
    ("environment", "addresses", "client"),
    ("client", "client", "client started"),
    ("managed", "managed starting", "managed started"),
    ("xorg.target", "asking starting", "xorg.target started"),
    ("targets", "managed started", "graphical-session.target started"),
)
# In a terminal (ECMA-48, SGR) and in a picture; what is not named here is done before all else.
COLOURS = {
    **dict.fromkeys(("bridge", "fork", "server", "answers"), ("34", "#3b5fc0")),
    **dict.fromkeys(("client", "managed", "xorg.target", "targets"), ("32", "#3f9a4a")),
}
FIRST = ("36", "#2a8fb0")
NAME, TIME = 11, 9  # columns of a phase's name, and of its duration with a blank before it
BAR = 10  # columns that a bar must have to stand between the two, or it has a line of its own
WIDEST = 100  # columns, where the terminal has more or there is none


@dataclass(frozen=True)
class Phase:
    """A part of a start, in seconds from its first moment; `end`: None where it came to none."""

    name: str
    begin: float
    end: float | None


@dataclass(frozen=True)
class Timeline:
    """A start on a display. `since`: UNIX time of its first moment."""

    display: str
    since: float
    phases: tuple[Phase, ...]

    @property
    def length(self) -> float:
        """Seconds to the last moment that is known."""
        return max((it.end or it.begin for it in self.phases), default=0.0)

    @property
    def title(self) -> str:
        begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"{self.display}, {begun}, {duration(self.length)}"


def show(number: int | None, picture: str | None, as_json: bool) -> int:
    """Draw the last start, or the last one on display `:number`; `picture`: into that file."""
    seen = look(number)
    if picture is not None:
        try:
            with open(picture, "w", encoding="utf-8") as file:
                file.write(svg(seen))
        except OSError as error:
            what = f"could not write {picture}: {error.strerror}"
            raise Failure(what, "name another: xsession timeline --svg FILE") from None
    elif as_json:
        print(json.dumps(asdict(seen), indent=2))
    else:
        block = "█" if tty.can_show("█") else "#"
        drawn = bars(seen, min(tty.width(), WIDEST), block, colours=tty.has_colours())
        tty.say("\n".join([tty.folded(seen.title), *drawn]))
    return 0


# -- look --


def look(number: int | None) -> Timeline:
    """Ask the journal for the last start, or the last one on display `:number`."""
    name = "" if number is None else Display(number).name
    which = (f"MESSAGE_ID={marks.MESSAGE_ID}", *([f"XSESSION_DISPLAY={name}"] if name else []))
    fields = "_BOOT_ID,XSESSION_DISPLAY,XSESSION_CLIENT,XSESSION_PRIVATE,XSESSION_MARKS"
    found = journald.entries("--lines=1", *which, fields=fields)
    if not found:
        where = f" on {name}" if name else ""
        raise Failure(f"the journal has no start{where} of this user", "try: xsession start")
    said = journald.entries(
        f"_BOOT_ID={found[0].fields['_BOOT_ID']}",
        *(f"MESSAGE_ID={it}" for it in journald.UNITS),
        *(f"USER_UNIT={it}" for it in roles(found[0].fields)),
        fields="MESSAGE_ID,USER_UNIT",
    )
    return put_together(found[0], said)


def roles(fields: Mapping[str, str]) -> dict[str, str]:
    """What each unit of a start is in PHASES, by the fields of the entry with its marks."""
    display = Display(int(fields["XSESSION_DISPLAY"].removeprefix(":")))
    found = {display.service_unit: "service"}
    clients = fields["XSESSION_CLIENT"].split()
    found |= dict.fromkeys(clients, "client")
    if clients and fields["XSESSION_PRIVATE"] == "false":
        found[display.managed_unit] = "managed"
        found["xorg-answers.service"] = "asking"
        found |= {it: it for it in ("xorg.target", "graphical-session.target")}
    return found


def put_together(start: Entry, said: Iterable[Entry]) -> Timeline:
    """A timeline of the entry with the marks, and of what the manager has said of the units."""
    words = (word.partition("=") for word in start.fields["XSESSION_MARKS"].split())
    moments = {name: float(at) for name, _, at in words}
    names = roles(start.fields)
    begun = moments.get("start") or moments["since"]
    for it in sorted(said, key=lambda it: it.at):
        moment = f"{names[it.fields['USER_UNIT']]} {journald.UNITS[it.fields['MESSAGE_ID']]}"
        if moment == "service stopping" and it.at > begun:
            break  # what comes now is of the end, or of another start
        if it.at > begun:
            moments.setdefault(moment, it.at)
    phases = [
        (name, moments[begin], moments.get(end)) for name, begin, end in PHASES if begin in moments
    ]
    first = min((begin for _, begin, _ in phases), default=start.at)
    return Timeline(
        start.fields["XSESSION_DISPLAY"],
        start.time - (start.at - first),
        tuple(
            # The clocks of journal and process differ by some microseconds.
            Phase(name, begin - first, None if end is None else max(begin, end) - first)
            for name, begin, end in phases
        ),
    )


# -- draw --


def duration(seconds: float) -> str:
    """In at most 8 columns, up to eleven days."""
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def _spent(phase: Phase) -> str:
    return "no end" if phase.end is None else duration(phase.end - phase.begin)


def bars(seen: Timeline, columns: int, block: str, *, colours: bool) -> list[str]:
    """A bar of `block` for each phase, in lines of at most so many columns."""
    room = columns - NAME - 1 - TIME
    beside = room >= BAR
    lines = []
    for phase in seen.phases:
        before, long = _cells(phase, seen.length, room if beside else columns)
        colour, _ = COLOURS.get(phase.name, FIRST)
        bar = f"\x1b[{colour}m{block * long}\x1b[m" if colours and long else block * long
        bar = f"{'':{before}}{bar}"
        name, spent = f"{phase.name:{NAME}}", f"{_spent(phase):>{TIME}}"
        if beside:
            lines.append(f"{name} {bar}{'':{room - before - long}}{spent}")
        else:
            lines += [f"{name}{spent}"[:columns], bar]
    return lines


def _cells(phase: Phase, length: float, room: int) -> tuple[int, int]:
    """Columns before the bar of a phase, and those of the bar; one at least, if it has an end."""
    scale = room / length if length else 0.0
    before = min(int(phase.begin * scale), room - 1)
    if phase.end is None:
        return before, 0
    return before, max(round(phase.end * scale) - before, 1)


def svg(seen: Timeline) -> str:
    """The same as a picture."""
    scale = 520 / (seen.length or 1)
    height = 40 + 22 * len(seen.phases)
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}"'
        ' font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="20" font-weight="bold">{escape(seen.title)}</text>',
    ]
    for number, phase in enumerate(seen.phases):
        y = 34 + 22 * number
        x = 110 + phase.begin * scale
        wide = ((phase.end or phase.begin) - phase.begin) * scale
        _, colour = COLOURS.get(phase.name, FIRST)
        drawn += [
            f'<text x="10" y="{y + 13}">{escape(phase.name)}</text>',
            f'<rect x="{x:.1f}" y="{y}" width="{max(wide, 1):.1f}" height="16" fill="{colour}"/>',
            f'<text x="{x + wide + 6:.1f}" y="{y + 13}">{_spent(phase)}</text>',
        ]
    return "\n".join([*drawn, "</svg>\n"])
