"""What a box is booted from: the root file system of a small Debian with X, alice and bob.

`build(suite)` answers its folder, made now where the recipe as it stands has none yet.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SUITES = ("bookworm", "trixie")

PACKAGES = """
    systemd systemd-sysv dbus dbus-user-session libpam-systemd libpam-modules udev polkitd
    login passwd kbd procps psmisc iproute2 strace less
    python3 python3-xlib python3-pyudev python3-sdnotify
    xserver-xorg-core xserver-xorg-video-dummy xvfb xserver-xephyr xnest
    xinit xauth x11-utils x11-apps x11-xserver-utils xterm fonts-dejavu-core imagemagick xdotool
    openbox i3-wm awesome bspwm sxhkd twm tmux dbus-broker
"""

FILES = {
    # There is no GPU: Xorg draws into memory, on a real terminal and under logind's control.
    "etc/X11/xorg.conf.d/10-dummy.conf": """\
Section "Device"
    Identifier "dummy"
    Driver "dummy"
    VideoRam 65536
EndSection
Section "Monitor"
    Identifier "monitor"
    HorizSync 5-200
    VertRefresh 5-200
EndSection
Section "Screen"
    Identifier "screen"
    Device "dummy"
    Monitor "monitor"
    SubSection "Display"
        Modes "1280x800"
    EndSubSection
EndSection
""",
    "etc/hostname": "box\n",
    "etc/hosts": "127.0.0.1 localhost box\n",
    # An empty one means "first boot", with all that systemd does then.
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/systemd/system/getty@tty1.service.d/autologin.conf": (
        "[Service]\nExecStart=\nExecStart=-/sbin/agetty -a alice --noclear %I $TERM\nType=idle\n"
    ),
    # What a test says is not to cost the next line its words.
    "etc/systemd/journald.conf.d/box.conf": "[Journal]\nRateLimitIntervalSec=0\n",
}

# Run inside the tree, by sh -eu, when all packages are there.
SCRIPT = """
for user in alice:1000 bob:1001; do
    useradd --create-home --shell /bin/bash --uid "${user#*:}" "${user%:*}"
    echo "${user%:*}:${user%:*}" | chpasswd
done
install -d -m 2755 -g systemd-journal /var/log/journal
# For the tests that ask for it; everybody else has the dbus-daemon.
systemctl disable dbus-broker.service
systemctl --global disable dbus-broker.service
systemctl set-default multi-user.target
systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \\
    fstrim.timer man-db.timer systemd-tmpfiles-clean.timer console-getty.service
"""


def build(suite: str) -> Path:
    """The root file system of a suite; made in a minute where it is not there."""
    root = cache() / f"{suite}-{_digest()}"
    if root.is_dir():
        return root
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.is_dir():  # else another process was quicker
            for old in cache().glob(f"{suite}-*"):  # of an older recipe, or unfinished
                _remove_unless_used(old)
            _make(suite, root)
    return root


def use(root: Path) -> int:
    """A descriptor; while any process has it open, the image is not removed."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def _remove_unless_used(old: Path) -> None:
    fd = os.open(old, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(old)
    except BlockingIOError:
        pass  # the next one removes it
    finally:
        os.close(fd)


def cache() -> Path:
    """Where images lie, outside of the repository."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xsession"


def _digest() -> str:
    """All that decides what is in it, which is this file, as a name."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]


def _make(suite: str, root: Path) -> None:
    begun = time.monotonic()
    _say(suite, f"installing {len(PACKAGES.split())} packages and what they need, a minute")
    part = root.with_name(f"{root.name}.part")
    command = [
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--variant=minbase",
        "--include=" + ",".join(PACKAGES.split()),
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        suite,
        str(part),
    ]
    _run(command, "")
    for name, text in FILES.items():
        path = part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)  # mmdebstrap has copied some from this computer
    _run(["chroot", str(part), "sh", "-eu"], SCRIPT)
    part.rename(root)
    _say(suite, f"{root} is ready after {time.monotonic() - begun:.0f} s")


def _run(command: list[str], given: str) -> None:
    """What it says is told only where it fails."""
    done = subprocess.run(command, input=given, capture_output=True, text=True)
    if done.returncode:
        said = f"{done.stdout}{done.stderr}"[-3000:]
        sys.exit(f"{' '.join(command)[:200]}: status {done.returncode}\n{said}")


def _say(suite: str, what: str) -> None:
    print(f"image of {suite}: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    for each in sys.argv[1:] or SUITES:
        print(build(each))
