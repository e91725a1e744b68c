"""What the tests of all tiers share: which Debian they run on, and our .deb."""

import fcntl
import subprocess
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest
from check import FAILED
from image import SUITES

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--suite", choices=(*SUITES, "all"), default="all", help="Debian to test on")


# How long a case takes tells of the machine, and of what else it does.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "journal(*regexes): messages that the test causes and the common check allows"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests in a box run once on each Debian."""
    if "suite" in metafunc.fixturenames:
        asked = metafunc.config.getoption("--suite")
        metafunc.parametrize("suite", SUITES if asked == "all" else [asked])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the boxes with VTs there is one at a time: one worker of pytest-xdist has them all."""
    for item in items:
        if "box" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("vts"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our package, built from the checkout as it is now; once for all workers."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if folder.name.startswith("popen-") else folder
    path = folder / "deb"
    with (folder / "deb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            command = [ROOT / "scripts" / "build-deb"]
            built = subprocess.run(command, check=True, capture_output=True, text=True)
            path.write_text(built.stdout.splitlines()[-1])
    return Path(path.read_text())
