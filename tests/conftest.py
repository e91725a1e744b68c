"""What the tests of all tiers share: options and our .deb."""

import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
from check import FAILED
from image import SUITES
from machine import Guest

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("machines")
    group.addoption("--suite", choices=(*SUITES, "all"), default="all", help="Debian to test on")
    group.addoption("--guest", metavar="NAME", help="a guest that is up and stays up")
    group.addoption("--divided", action="store_true", help="half of the `divided` on each Debian")


# How long a case takes tells of the machine, and of what else it does.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "journal(*regexes): messages that the test causes and the common check allows"
    )
    config.addinivalue_line(
        "markers", "slow(reason): by hand, not in CI: scripts/test guest -m slow"
    )
    config.addinivalue_line(
        "markers", "divided: in CI each runs on one of the Debians, half of them on each"
    )
    config.addinivalue_line(
        "markers", "fault(kind): a line of the table of scripts/faults; what it does is its name"
    )
    config.addinivalue_line(
        "markers", "unseen: not yet seen to pass on both Debians; runs by hand, not in CI"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests on a machine run once for every suite, all of one suite in a row."""
    if "suite" in metafunc.fixturenames:
        metafunc.parametrize("suite", chosen_suites(metafunc.config), scope="session")


@pytest.hookimpl(trylast=True)  # after -m, so that the halves are halves
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if kind := item.get_closest_marker("fault"):
            item.user_properties.append(("fault", kind.args[0]))
    if config.getoption("--divided"):
        left_out = list(others(items))
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def others(items: list[pytest.Item]) -> Iterator[pytest.Item]:
    """Of the divided tests those that another Debian than theirs runs."""
    for suite in SUITES:
        divided = [it for it in items if it.get_closest_marker("divided") and suite_of(it) == suite]
        for at, item in enumerate(divided):
            if SUITES[at % len(SUITES)] != suite:
                yield item


def suite_of(item: pytest.Item) -> str:
    call = getattr(item, "callspec", None)
    return str(call.params.get("suite", "")) if call else ""


def chosen_suites(config: pytest.Config) -> list[str]:
    if name := config.getoption("--guest"):
        return [Guest.attach(name).suite]
    suite = config.getoption("--suite")
    return list(SUITES) if suite == "all" else [suite]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def deb() -> Path:
    """Our package, built from the checkout as it is now."""
    built = subprocess.run(
        [ROOT / "scripts" / "build-deb"], check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(built.stdout.splitlines()[-1])
