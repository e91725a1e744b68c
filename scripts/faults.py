"""The table of faults, from what pytest noted of its tests as JUnit XML: `fault` is a property."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree


@dataclass
class Row:
    """A fault: on which Debians and how often it was tried, and survived; what was left."""

    suites: set[str] = field(default_factory=set)
    tries: int = 0
    survived: int = 0
    left: list[str] = field(default_factory=list)


def cases(path: Path) -> Iterator[tuple[str, str, ElementTree.Element]]:
    """Kind and name of each fault that was tried, a word for each parameter, and the test case."""
    for case in ElementTree.parse(path).iter("testcase"):  # noqa: S314  our own file
        kinds = [it.get("value", "") for it in case.iter("property") if it.get("name") == "fault"]
        if kinds and case.find("skipped") is None:
            yield kinds[0], case.get("name", ""), case


def words(name: str) -> tuple[str, str]:
    """`test_the_server[bookworm-KILL]`: what is done, in words, and the Debian."""
    match = re.fullmatch(r"test_(\w+)(?:\[(\w+)-?(.*)\])?", name, re.DOTALL)
    if not match:
        return name, ""
    more = f" ({match[3]})" if match[3] else ""
    return match[1].replace("_", " ") + more.replace("|", "\\|").replace("\n", " "), match[2] or ""


def table(paths: list[Path]) -> str:
    """Of a test that is in several files the last one counts."""
    last = {}
    for path in paths:
        for kind, name, case in cases(path):
            last[case.get("classname"), name] = kind, name, case
    rows: dict[tuple[str, str], Row] = {}
    for kind, name, case in last.values():
        what, suite = words(name)
        row = rows.setdefault((kind, what), Row())
        row.suites.add(suite)
        row.tries += 1
        bad = [it for it in (case.find("failure"), case.find("error")) if it is not None]
        row.survived += not bad
        row.left += [(it.get("message") or "").splitlines()[0][:80] for it in bad]
    lines = ["| fault | Debian | tries | survived | left |", "|---|---|---|---|---|"]
    before = ""
    for (kind, what), row in sorted(rows.items()):
        if kind != before:
            lines.append(f"| **{kind}** | | | | |")
            before = kind
        suites = ", ".join(sorted(row.suites))
        left = "; ".join(row.left)
        lines.append(f"| {what} | {suites} | {row.tries} | {row.survived} | {left} |")
    tries, survived = (
        sum(getattr(it, name) for it in rows.values()) for name in ("tries", "survived")
    )
    lines.append(f"| **{len(rows)} faults** | | {tries} | {survived} | |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table([Path(word) for word in sys.argv[1:]]))
