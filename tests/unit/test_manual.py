"""The manual: each verb and option that a person can type stands in it."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from xsession import parser

MANUAL = Path(__file__).parents[2] / "docs" / "man"
# Which page has the options of a verb, where it is not xsession(1).
ELSEWHERE = {"autologin": "xlogin@.service.5"}


def verbs() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    (action,) = (
        it for it in parser.parser()._actions if isinstance(it, argparse._SubParsersAction)
    )
    for choice in action._choices_actions:  # those with a help
        yield choice.dest, action.choices[choice.dest]


@pytest.mark.parametrize(("verb", "known"), list(verbs()))
def test_it_has_all(verb: str, known: argparse.ArgumentParser) -> None:
    page = (MANUAL / "xsession.1").read_text().replace("\\-", "-")
    synopsis, _, rest = page.partition(".SH DESCRIPTION")
    assert f"xsession {verb}" in synopsis or f" {verb}" in synopsis
    assert re.search(rf"(?m)^(\.B|\\fB).*{verb}\b", rest)
    options = (MANUAL / ELSEWHERE.get(verb, "xsession.1")).read_text().replace("\\-", "-")
    for action in known._actions:
        if action.option_strings and action.dest != "help":
            assert any(option in options for option in action.option_strings), action.dest
