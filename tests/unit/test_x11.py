"""The display as a client sees it: the version of a server, told by its number and by itself."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from xsession import authority, x11

X_ORG = "The X.Org Foundation"


# xorg-server's configure.ac: VENDOR_RELEASE; xdpyinfo.c reads the older ones in the same way
@pytest.mark.parametrize(
    ("vendor", "release", "version"),
    [
        (X_ORG, 11804000, "X.Org 1.18.4"),
        (X_ORG, 12013000, "X.Org 1.20.13"),
        (X_ORG, 12099901, "X.Org 1.20.99"),
        (X_ORG, 12101007, "X.Org 21.1.7"),
        (X_ORG, 12101016, "X.Org 21.1.16"),
        (X_ORG, 12200000, "X.Org 22.0.0"),
        ("Another Foundation", 25001, "Another Foundation 25001"),
    ],
)
def test_version(vendor: str, release: int, version: str) -> None:
    assert x11.version(vendor, release) == version


@pytest.mark.skipif(not shutil.which("Xvfb"), reason="needs Xvfb")
def test_a_real_server_answers_who_has_the_cookie(tmp_path: Path) -> None:
    """On the abstract address only, inherited: so nothing of it is in /tmp."""
    number = 900 + os.getpid() % 90
    file = tmp_path / "authority"
    file.write_bytes(authority.encode(socket.gethostname(), number, b"0123456789abcdef"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0/tmp/.X11-unix/X{number}")
        listener.listen()
        server = start_xvfb(number, file, listener.fileno())
        try:
            asked = ask(number, file)
            version, _, size = asked.stdout.strip().partition("\t")
            assert (asked.returncode, size) == (0, "640x480")
            assert re.fullmatch(r"X\.Org (1|2\d)\.\d+\.\d+", version)
            refused = ask(number, tmp_path / "none")
            assert (refused.returncode, refused.stdout) == (1, "")
            assert refused.stderr
        finally:
            server.terminate()
            server.wait(10)


def start_xvfb(number: int, file: Path, listener: int) -> subprocess.Popen[bytes]:
    end, child_end = os.pipe()
    words = f":{number} -auth {file} -screen 0 640x480x24 -nolisten tcp -nolisten unix -noreset"
    words += " -displayfd"
    script = 'exec 3<&"$0"; export LISTEN_PID=$$ LISTEN_FDS=1; exec Xvfb "$@"'
    server = subprocess.Popen(
        ["/bin/bash", "-c", script, str(listener), *words.split(), str(child_end)],
        pass_fds=(listener, child_end),
        stderr=subprocess.DEVNULL,
    )
    os.close(child_end)
    with open(end, "rb") as ready:
        assert ready.readline() == f"{number}\n".encode()
    return server


def ask(number: int, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xsession", "ask"],
        env={**os.environ, "DISPLAY": f":{number}", "XAUTHORITY": str(file)},
        capture_output=True,
        text=True,
        timeout=30,
    )
