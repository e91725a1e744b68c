"""`xlogin@USER.service`: logged in without a password, a session on tty7, and what may go wrong."""

from pathlib import Path

import pytest
from machine import Guest, patience
from person import HOLDER, PICTURES, SERVER, log_in, pid, x

pytestmark = [
    pytest.mark.divided,
    # how a client takes its end is its own affair, and PAM's missing files are Debian's
    pytest.mark.journal(r"xsession-client@0.service: Failed|/etc/default/locale|pam_lastlog"),
]
SLOW = pytest.mark.slow("each is a login of its own, on an emulated CPU a minute or more")
NOISE = pytest.mark.journal(
    "exit-code|status=|start-limit|repeated too quickly|Failed to start|Dependency failed"
    "|is not logged in|code=killed|dependency"
)

ALICE = "xlogin@alice.service"
PROMPT = "xlogin-prompt@alice.service"
MAIN_PID = f"systemctl show -P MainPID {ALICE}"


@pytest.fixture(autouse=True)
def openbox(guest: Guest) -> None:
    """What is started by default: the image's x-session-manager is a whole desktop."""
    guest.run("echo 'exec openbox' >.xinitrc", "alice")


def start(guest: Guest, user: str = "alice") -> None:
    guest.run(f"systemctl start xlogin@{user}", timeout=120)
    guest.wait("systemctl --user is-active -q xorg@0", 120, "the server", user=user)


def stop(guest: Guest, user: str = "alice") -> None:
    """Stop it, and put the screen back to where the test began."""
    guest.run(f"systemctl stop xlogin@{user} xlogin-prompt@{user}", timeout=90)
    guest.run("systemctl reset-failed 'xlogin*'", check=False)
    guest.run("chvt 1; rm -rf /etc/systemd/system/xlogin@* /run/xlogin; systemctl daemon-reload")
    guest.wait("grep -q tty1 /sys/class/tty/tty0/active", 20)


def wait_for_another(guest: Guest, holder: str) -> None:
    """Until she has been logged in again."""
    guest.wait(f"pid=$({MAIN_PID}); [ $pid != 0 ] && [ $pid != {holder} ]", 60, "another login")


def login_on(guest: Guest, vt: int) -> dict[str, str]:
    """The properties of the login session on a VT."""
    ids = guest.output("loginctl list-sessions --no-legend | awk '{print $1}'").split()
    for it in ids:
        shown = guest.output(f"loginctl show-session {it}")
        properties = dict(line.split("=", 1) for line in shown.splitlines())
        if properties.get("VTNr") == str(vt) and properties["State"] != "closing":
            return properties
    return {}


def test_login(guest: Guest, tmp_path: Path) -> None:
    """One command, and she has her session; stopping it ends the server too."""
    guest.run("echo 'export FROM_PROFILE=yes' >>.profile", "alice")
    start(guest)

    login = login_on(guest, 7)
    wanted = {"Name": "alice", "Seat": "seat0", "TTY": "tty7", "Class": "user", "Type": "x11"}
    assert {name: login[name] for name in wanted} == wanted
    assert login["Active"] == "yes"
    assert guest.output("cat /sys/class/tty/tty0/active") == "tty7"
    server = pid(guest, SERVER)
    assert guest.output(f"ps -o user= -p {server}") == "alice"
    assert f"/session-{login['Id']}.scope" in guest.output(f"cat /proc/{server}/cgroup")
    assert " vt7 " in guest.output(f"tr '\\0' ' ' </proc/{server}/cmdline")
    client = pid(guest, "^openbox")
    environ = guest.output(f"tr '\\0' '\\n' </proc/{client}/environ").splitlines()
    assert "FROM_PROFILE=yes" in environ
    assert f"XDG_SESSION_ID={login['Id']}" in environ
    assert "XDG_VTNR=7" in environ
    assert not [it for it in environ if it.startswith("XSESSION_LOGIN")]
    assert guest.output("pgrep -c -u alice dbus-daemon") == "1"
    guest.wait(x("xprop -root _NET_SUPPORTING_WM_CHECK | grep 'window id'"), 60, user="alice")
    guest.picture(tmp_path / "screen.png")

    stop(guest)
    assert guest.run(f"pgrep -f '{SERVER}'", check=False).status
    guest.wait("! loginctl | grep tty7", 20)


def test_a_profile_that_starts_sessions_by_itself(guest: Guest) -> None:
    """The autologin has one session, and its own: not the ~/.xinitrc that her profile's would."""
    guest.run("echo 'if xsession check --vt 7; then exec xsession start; fi' >>.profile", "alice")
    guest.run("xsession autologin enable alice --session xterm")
    start(guest)
    guest.wait("pgrep -u alice -x xterm", 60)
    assert guest.run("pgrep -u alice -x openbox", check=False).status
    assert guest.output("ls -d /run/user/1000/xsession/[0-9]*") == "/run/user/1000/xsession/0"
    assert guest.output(f"pgrep -u alice -cf '{HOLDER}'") == "1"
    assert guest.output(f"systemctl show -P NRestarts {ALICE}") == "0"
    holder = pid(guest, HOLDER)
    assert guest.output(MAIN_PID) == str(holder)  # not one within another
    guest.run("xsession autologin disable alice")
    stop(guest)


@SLOW
def test_boot(guest: Guest) -> None:
    """Enabled with a drop-in, the machine started again."""
    said = guest.output("xsession autologin enable alice --vt 8 --session openbox")
    assert "    TTYPath=/dev/tty8" in said
    assert "systemctl set-default graphical.target" in said
    guest.run("systemctl set-default graphical.target; sync")
    boot = guest.output("cat /proc/sys/kernel/random/boot_id")
    guest.run("systemd-run --on-active=1s systemctl reboot")
    guest.wait_for_another_boot(boot, 300)
    guest.wait("systemctl --user is-active -q xorg@0", 300, "the server", user="alice")
    assert login_on(guest, 8)["Type"] == "x11"
    guest.wait("pgrep -u alice openbox", 60)
    shown = guest.output("xsession autologin status")
    assert "alice: seat0, tty8, enabled" in shown
    assert "session  openbox" in shown
    guest.run("xsession autologin disable alice; systemctl set-default multi-user.target")
    stop(guest)
    guest.wait_for_prompt(120)


@NOISE
@pytest.mark.fault("an autologin")
def test_crash_loop(guest: Guest) -> None:
    """A client that dies at once: three times, then a login prompt that can be used."""
    guest.run("echo 'exit 3' >.xinitrc", "alice")
    guest.run("systemctl start --no-block xlogin@alice")
    guest.wait(f"systemctl is-active -q {PROMPT}", 300, "the prompt")
    guest.wait("grep -aq login: /dev/vcs7", 60, "the prompt on tty7")
    screen = guest.console(7)
    assert (
        "three sessions in a row failed or ended within 60 s, the last one with status 3"
        in "".join(screen.splitlines())
    )
    assert guest.output("cat /sys/class/tty/tty0/active") == "tty7"
    assert guest.output(f"systemctl show -P NRestarts {ALICE}") == "3"
    assert "three sessions" in guest.output(f"journalctl -b -u {PROMPT}")
    guest.type("alice\n")
    guest.wait("grep -aq Password: /dev/vcs7", 60)
    guest.type("alice\n")
    guest.wait_for_prompt(60, vt=7)
    guest.type("exit\n")
    guest.wait("! loginctl | grep tty7", 60)

    guest.run("echo 'exec openbox' >.xinitrc", "alice")
    start(guest)  # it was given up, but not for good
    assert guest.run(f"systemctl is-active {PROMPT}", check=False).stdout == "inactive\n"
    stop(guest)


REFUSED = [
    ("passwd --lock alice", "alice", "the password is locked", "passwd --unlock alice"),
    ("chage -E 1 alice", "alice", "the account has expired", "chage -E -1 alice"),
    ("chage -d 0 alice", "alice", "the password has expired", "chage -d 2026-01-01 alice"),
    (
        "usermod -s /usr/sbin/nologin alice",
        "alice",
        "the login shell is /usr/sbin/nologin",
        "usermod -s /bin/bash alice",
    ),
    (
        "mv /home/alice /home/away",
        "alice",
        "the home folder /home/alice is not there",
        "mv /home/away /home/alice",
    ),
    ("touch /run/nologin", "alice", "logins are closed", "rm /run/nologin"),
    ("true", "carol", "there is no such user", "true"),
]


@NOISE
@pytest.mark.parametrize(
    ("breaks", "user", "sentence", "mends"),
    [REFUSED[0], *(pytest.param(*it, marks=SLOW) for it in REFUSED[1:])],
)
def test_refused(guest: Guest, breaks: str, user: str, sentence: str, mends: str) -> None:
    """One clear line in the journal and on the screen, and no second try."""
    guest.run(breaks)
    started = guest.run(f"systemctl start xlogin@{user}", check=False, timeout=120)
    assert started.status == 1
    guest.wait("grep -aq login: /dev/vcs7", 60, "the prompt on tty7")
    line = f"{user} is not logged in: {sentence}"
    assert line in "".join(guest.console(7).splitlines())
    journal = guest.output(f"journalctl -b -o cat -u xlogin-admit@{user}").splitlines()
    assert len([it for it in journal if line in it]) == 1
    assert guest.output(f"systemctl show -P NRestarts xlogin@{user}") == "0"
    guest.run(mends)
    stop(guest, user)


@NOISE
def test_somebody_else_is_there(guest: Guest) -> None:
    """Bob, logged in at a getty on tty7, stays; when he has gone, his getty makes room for her."""
    guest.run("systemctl start getty@tty7; chvt 7")
    log_in(guest, 7, "bob")
    his = login_on(guest, 7)
    assert guest.run(f"systemctl start {ALICE}", check=False, timeout=120).status == 1
    line = f"VT 7 is in use: login session {his['Id']} of bob is on it"
    guest.wait(f"journalctl -b -o cat -u {PROMPT} | grep -F '{line}'", 60, "no prompt, and why")
    guest.wait(f"[ $(systemctl is-active {PROMPT}) = inactive ]", 60)
    guest.type("tty; who am i\n")
    guest.wait("grep -aq '^/dev/tty7' /dev/vcs7 || grep -aq 'bob  *tty7' /dev/vcs7", 30, "bob")
    assert login_on(guest, 7)["Id"] == his["Id"]

    guest.type("exit\n")
    guest.wait("! loginctl | grep tty7 && grep -aq login: /dev/vcs7", 60, "the getty")
    start(guest)
    assert login_on(guest, 7)["Name"] == "alice"
    assert guest.run("systemctl is-active getty@tty7", check=False).stdout == "inactive\n"
    stop(guest)


@SLOW
@NOISE
def test_once(guest: Guest) -> None:
    """A logout, and the VT has a login prompt, without any reason above it."""
    guest.run("xsession autologin enable alice --once --session openbox")
    start(guest)
    guest.run("xsession stop", "alice", timeout=60)
    guest.wait("grep -aq login: /dev/vcs7", 60, "the prompt on tty7")
    assert "alice" not in guest.console(7)
    guest.run("xsession autologin disable alice")
    stop(guest)


@SLOW
def test_logout_logs_in_again(guest: Guest) -> None:
    start(guest)
    first = login_on(guest, 7)["Id"]
    holder = guest.output(MAIN_PID)
    guest.run("xsession stop", "alice", timeout=60)
    wait_for_another(guest, holder)
    guest.wait("systemctl --user is-active -q xorg@0", 120, "the server", user="alice")
    assert login_on(guest, 7)["Id"] != first
    stop(guest)


@NOISE
@pytest.mark.parametrize("who", ["holder", pytest.param("server", marks=SLOW)])
@pytest.mark.fault("an autologin")
def test_killed(guest: Guest, who: str) -> None:
    """Whatever dies, she is back a moment later."""
    start(guest)
    holder = guest.output(MAIN_PID)
    guest.run(f"kill -KILL {holder if who == 'holder' else pid(guest, SERVER)}")
    wait_for_another(guest, holder)
    guest.wait("systemctl --user is-active -q xorg@0", 120, "the server", user="alice")
    stop(guest)


BAD_WORDS = [
    ("enable alice --seat seat9", "there is no seat 'seat9'"),
    ("enable alice --vt 6", "VT 6 is kept by logind for a login prompt"),
    ("enable carol", "carol would not be logged in: there is no such user"),
    ("enable bob --vt 1", "VT 1 is in use: login session"),
    ("disable alice", "alice has no autologin"),
]


@pytest.mark.parametrize(("words", "sentence"), BAD_WORDS)
def test_bad_words(guest: Guest, words: str, sentence: str) -> None:
    refused = guest.run(f"xsession autologin {words}", check=False)
    assert refused.status == 125
    assert sentence in refused.stderr
    assert guest.output("ls /etc/systemd/system | grep -c xlogin || true") == "0"


def test_enable_and_disable(guest: Guest) -> None:
    """Drop-ins and a link, and nothing else."""
    folder = "/etc/systemd/system"
    before = guest.output(f"find {folder} | sort")
    assert "on seat0, tty7" in guest.output("xsession autologin enable alice")
    assert "on seat0, tty8" in guest.output("xsession autologin enable bob --vt free")
    refused = guest.run("xsession autologin enable bob", check=False)
    assert "VT 7 has an autologin already: alice's" in refused.stderr
    files = set(guest.output(f"find {folder} | sort").splitlines()) - set(before.splitlines())
    assert files | {f"{folder}/graphical.target.wants"} == {
        f"{folder}/graphical.target.wants",
        f"{folder}/graphical.target.wants/xlogin@alice.service",
        f"{folder}/graphical.target.wants/xlogin@bob.service",
        f"{folder}/xlogin@bob.service.d",
        f"{folder}/xlogin@bob.service.d/autologin.conf",
    }
    as_alice = guest.run("xsession autologin enable alice", "alice", check=False)
    assert "try: sudo xsession autologin enable alice" in as_alice.stderr
    guest.run("xsession autologin disable alice; xsession autologin disable bob")
    guest.run(f"rmdir --ignore-fail-on-non-empty {folder}/graphical.target.wants", check=False)
    assert guest.output(f"find {folder} | sort") == before
    assert guest.run("xsession autologin status", check=False).status == 3


KIOSK = {
    "/usr/local/bin/kiosk": """\
#!/bin/sh
export HOME="$XDG_RUNTIME_DIR/home"
mkdir -p "$HOME"
exec dillo -f -g 1280x800+0+0 file:///srv/timetable.html
""",
    "/srv/timetable.html": "<body bgcolor=#105090 text=white><h1>The next train</h1></body>",
    "/etc/X11/xorg.conf.d/50-kiosk.conf": """\
Section "ServerFlags"
    Option "DontVTSwitch" "true"
    Option "DontZap" "true"
EndSection
""",
    "/etc/systemd/system/xlogin@kiosk.service.d/kiosk.conf": """\
[Unit]
StartLimitIntervalSec=0
[Service]
RestartSec=1s
""",
    "/home/kiosk/.config/systemd/user/xorg@.service.d/watchdog.conf": """\
[Service]
WatchdogSec=40s
""",
}


@SLOW
@pytest.mark.journal(
    "VT switch|DontVTSwitch|[Ww]atchdog|xorg@0.service: (Main process exited|Failed with)"
)
@pytest.mark.fault("an autologin")
def test_kiosk(guest: Guest) -> None:
    """As the man page has it: a browser on the whole screen, its home read-only, no way out."""
    guest.run("useradd --create-home --uid 1002 kiosk")
    for path, text in KIOSK.items():
        guest.run(f"mkdir -p {Path(path).parent}; cat >{path}", stdin=text)
    guest.run(
        "chmod +x /usr/local/bin/kiosk; mount --bind -o ro /home/kiosk /home/kiosk;"
        " systemctl daemon-reload;"
        " xsession autologin enable kiosk --session /usr/local/bin/kiosk -- -s 0 -dpms"
    )
    start(guest, "kiosk")
    blue = bytes.fromhex("105090")
    for _ in patience(200):
        pixels = guest.pixels()
        if pixels.count(blue) > len(pixels) // 3 * 0.9:
            break
    PICTURES.mkdir(parents=True, exist_ok=True)
    guest.picture(PICTURES / f"{guest.suite}-kiosk.png")
    assert pixels.count(blue) > len(pixels) // 3 * 0.9

    server = guest.output(f"pgrep -f '{SERVER}'")
    assert " -s 0 -dpms" in guest.output(f"tr '\\0' ' ' </proc/{server}/cmdline")
    assert guest.run("touch /home/kiosk/file", "kiosk", check=False).status
    for keys in ("ctrl-alt-f1", "ctrl-alt-backspace"):
        guest.key(keys)
    guest.run("sleep 3")  # in which nothing is to happen
    assert guest.output("cat /sys/class/tty/tty0/active") == "tty7"
    assert guest.output(f"pgrep -f '{SERVER}'") == server

    guest.run(f"kill -STOP {server}")  # it hangs
    guest.wait(f"new=$(pgrep -f '{SERVER}') && [ $new != {server} ]", 60, "another server")
    guest.wait("pgrep -u kiosk dillo", 60, "the browser in it")

    guest.run("xsession autologin disable kiosk")
    stop(guest, "kiosk")
    guest.wait("! pgrep -u kiosk Xorg", 20)
    guest.run(f"umount /home/kiosk; rm -r {' '.join(KIOSK)}; systemctl daemon-reload")
