"""The image that both kinds of test machine are made of: a small Debian with alice, bob and X.

`build(suite)` answers the folder of a finished image, building it when there is none for the
recipe as it stands now. The folder holds `rootfs/` (for a container), `disk.img`, `vmlinuz` and
`initrd` (for a guest, made of the same tree) and `ssh-key`.
"""

import dataclasses
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SUITES = ("bookworm", "trixie")
AGENT_PORT = 7700

PACKAGES = """
    systemd systemd-sysv dbus dbus-user-session libpam-systemd libpam-modules udev polkitd
    login passwd kbd sudo procps psmisc iproute2 strace less
    linux-image-amd64 initramfs-tools openssh-server openssh-client
    python3 python3-xlib python3-pyudev python3-sdnotify
    xserver-xorg-core xserver-xorg-input-libinput xvfb xserver-xephyr xnest
    xinit xauth x11-utils x11-apps x11-xserver-utils xterm fonts-dejavu-core
    openbox i3-wm awesome bspwm sxhkd twm tmux
    xfce4-session xfwm4 xfce4-panel xfdesktop4 thunar
    lxqt-session lxqt-panel pcmanfm-qt
    mate-session-manager marco mate-panel mate-settings-daemon caja
    dbus-broker dillo lightdm
"""

UNUSED_MODULES = """
    aesni_intel ghash_clmulni_intel crct10dif_pclmul crc32_pclmul sha1_ssse3 sha256_ssse3
    sha512_ssse3 kvm_amd kvm floppy ata_piix ata_generic libata pcspkr psmouse i2c_piix4
    powernow_k8 acpi_cpufreq joydev serio_raw
"""

# Nothing here is a conffile of a package: the files are put in before most packages are.
FILES = {
    # When a guest is put back its clock jumps by all the time since it was saved (QEMU's TSC never
    # goes back), and who has not told PID 1 of itself meanwhile, journald first, would be killed.
    "/etc/systemd/system/service.d/guest.conf": "[Service]\nWatchdogSec=0\n",
    # A short initrd is a short boot: the emulated CPU unpacks it.
    "/etc/initramfs-tools/conf.d/guest": "MODULES=list\nCOMPRESS=gzip\n",
    "/usr/share/initramfs-tools/modules.d/guest": (
        # The GPU as well, or a slow guest logs alice in before its console has the final size.
        "virtio_pci\nvirtio_blk\next4\nvirtio_gpu\n"
    ),
    # What udev would load for hardware of the emulated board that nobody uses here.
    "/etc/modprobe.d/guest.conf": "".join(f"blacklist {name}\n" for name in UNUSED_MODULES.split()),
    "/etc/apt/apt.conf.d/guest": 'APT::Install-Recommends "false";\n',
    "/etc/systemd/system/getty@tty1.service.d/autologin.conf": (
        "[Service]\nExecStart=\nExecStart=-/sbin/agetty -a alice --noclear %I $TERM\n"
    ),
    # The default, 90 s, is longer than the patience of a test.
    "/etc/systemd/system.conf.d/guest.conf": "[Manager]\nDefaultTimeoutStopSec=20s\n",
    # What one test says is not to cost the next one its words.
    "/etc/systemd/journald.conf.d/guest.conf": "[Journal]\nRateLimitIntervalSec=0\n",
    "/etc/systemd/system/agent.socket": (
        "[Unit]\n"
        "Description=Commands from the host\n"
        "[Socket]\n"
        f"ListenStream={AGENT_PORT}\n"
        # A container has no network with the host; a folder of the host is mounted here.
        "ListenStream=/run/agent/socket\n"
        "DirectoryMode=0700\n"
        "SocketMode=0600\n"
    ),
    "/etc/systemd/system/agent.service": (
        "[Unit]\n"
        "Description=Commands from the host\n"
        "Requires=agent.socket\n"
        "After=agent.socket\n"
        "[Service]\n"
        "ExecStart=/usr/bin/python3 -IS /usr/local/lib/agent.py\n"
        # What a command leaves running is the test's, not the agent's.
        "KillMode=process\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    ),
    # The address that QEMU's user network expects, without a network daemon to wait for.
    "/etc/udev/rules.d/90-guest.rules": (
        'ACTION=="add", SUBSYSTEM=="net", KERNEL=="eth0", '
        'RUN+="/sbin/ip address add 10.0.2.15/24 dev eth0", RUN+="/sbin/ip link set eth0 up"\n'
    ),
    "/usr/local/lib/agent.py": (Path(__file__).parent / "agent.py").read_text(),
    "/etc/profile.d/guest.sh": "export LC_ALL=C.UTF-8\n",
}

# Run inside the tree, by sh -eu, when all packages are there.
SCRIPT = """
rm -f /etc/dpkg/dpkg.cfg.d/99mmdebstrap /etc/apt/apt.conf.d/99mmdebstrap
echo xsession-guest >/etc/hostname
printf '127.0.0.1 localhost xsession-guest\\n' >/etc/hosts
rm -f /etc/resolv.conf
echo 0123456789abcdef0123456789abcdef >/etc/machine-id   # an empty one means "first boot"

# What desktops start for themselves would at least be looked at in everybody's session; and
# Openbox would wait for gvfs, which maps no window meanwhile.
mv /etc/xdg/autostart /usr/share/autostart-of-desktops
rm /usr/share/dbus-1/services/org.gtk.vfs.*

for user in alice:1000 bob:1001; do
    useradd --create-home --shell /bin/bash --uid "${user#*:}" "${user%:*}"
    echo "${user%:*}:${user%:*}" | chpasswd
done
for home in /root /home/alice /home/bob; do
    install -d -m 0700 "$home/.ssh"
    install -m 0600 /etc/ssh/guest-key.pub "$home/.ssh/authorized_keys"
    chown -R --reference="$home" "$home/.ssh"
done

install -d -m 2755 -g systemd-journal /var/log/journal
systemctl enable agent.service ssh.socket
# Installed for the tests that ask for it; everybody else has the dbus-daemon, and a getty.
systemctl disable dbus-broker.service lightdm.service
systemctl --global disable dbus-broker.service
systemctl disable ssh.service   # sshd takes seconds to start; the socket starts one when needed
systemctl set-default multi-user.target
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \\
    e2scrub_reap.service fstrim.timer logrotate.timer man-db.timer systemd-pstore.service \\
    systemd-tmpfiles-clean.timer \\
    serial-getty@ttyS0.service console-getty.service systemd-firstboot.service \\
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \\
    sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount; do
    systemctl mask "$unit"
done
"""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that decides what an image contains."""

    suite: str
    packages: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    script: str
    disk_size: str = "4G"

    def digest(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]


def recipe(suite: str) -> Recipe:
    if suite not in SUITES:
        raise ValueError(f"No recipe for {suite!r}; there are {', '.join(SUITES)}")
    return Recipe(suite, tuple(PACKAGES.split()), tuple(sorted(FILES.items())), SCRIPT)


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xsession"


def folder(suite: str) -> Path:
    """Where the image of today's recipe lies, or would lie."""
    return cache() / f"{suite}-{recipe(suite).digest()}"


def build(suite: str) -> Path:
    """The folder of the image; made now, in some minutes, when it is not there."""
    target = folder(suite)
    if target.is_dir():
        return target
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():  # another process was quicker
            return target
        begun = time.monotonic()
        unfinished = cache() / f"{suite}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        make_tree(recipe(suite), unfinished)
        make_disk(recipe(suite), unfinished)
        for old in cache().glob(f"{suite}-*"):
            remove_unless_used(suite, old)
        unfinished.rename(target)
        say(suite, f"{target} is ready after {time.monotonic() - begun:.0f} s")
    return target


def use(image: Path) -> int:
    """A descriptor; while any process has it open, the image is not removed."""
    descriptor = os.open(image, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def remove_unless_used(suite: str, old: Path) -> None:
    descriptor = os.open(old, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        say(suite, f"removing {old}, made by an older recipe")
        shutil.rmtree(old)
    except BlockingIOError:
        say(suite, f"{old}, made by an older recipe, is in use")
    finally:
        os.close(descriptor)


def make_tree(wanted: Recipe, into: Path) -> None:
    say(wanted.suite, f"installing {len(wanted.packages)} packages and what they need, 2 minutes")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "guest", "-f", into / "ssh-key"],
        check=True,
    )
    files = into / "files"
    for path, text in (
        *wanted.files,
        ("/etc/ssh/guest-key.pub", (into / "ssh-key.pub").read_text()),
    ):
        file = files / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    subprocess.run(
        [
            "mmdebstrap",
            "--mode=root",
            "--variant=minbase",
            "--include=" + ",".join(wanted.packages),
            "--dpkgopt=force-unsafe-io",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--aptopt=Acquire::Retries 5",
            f'--essential-hook=cp -dR {files}/. "$1"',
            f'--customize-hook=chroot "$1" sh -euc {quote(wanted.script)}',
            wanted.suite,
            str(into / "rootfs"),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    shutil.rmtree(files)


def make_disk(wanted: Recipe, into: Path) -> None:
    say(wanted.suite, "writing the disk")
    root = into / "rootfs"
    for name in ("vmlinuz", "initrd"):
        (source,) = (root / "boot").glob(f"{name}*-*")
        shutil.copy(source, into / name)
    # No journal: a guest's disk is thrown away, a faster one is worth more than a safe one.
    make: list[str | Path] = ["/sbin/mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root]
    subprocess.run([*make, into / "disk.img", wanted.disk_size], check=True)


def quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def say(suite: str, what: str) -> None:
    print(f"image {suite}: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    for each in sys.argv[1:] or SUITES:
        print(build(each))
