"""Whatever dies: the console comes back whole, and nothing of ours stays."""

import pytest
from machine import Guest
from person import (
    BRIDGE,
    HOLDER,
    OPENBOX,
    SERVER,
    START,
    XTERM,
    pid,
    said,
    start,
    stop,
    type_command,
    wait_for_end,
    wait_until_ready,
    x,
)

pytestmark = [pytest.mark.fault("killed, on a VT"), pytest.mark.divided]
SLOW = pytest.mark.slow("a sample of these is enough for every day")
NOISE = pytest.mark.journal(
    "SIGKILL|SIGSEGV|code=killed|code=dumped|exit-code|signal|core-dump|status=1|segfault"
)


@NOISE
@pytest.mark.parametrize("name", ["KILL", pytest.param("SEGV", marks=SLOW)])
@pytest.mark.parametrize(
    ("process", "sentence"),
    [
        (SERVER, "the server ended with signal"),
        pytest.param(BRIDGE, "xorg@0.service ended, and the server with it", marks=SLOW),
        pytest.param(XTERM, "", marks=SLOW),
    ],
)
def test_killed(guest: Guest, process: str, sentence: str, name: str) -> None:
    start(guest)
    guest.wait(f"pgrep -u alice -f '{process}'", 30)
    guest.run(f"kill -{name} {pid(guest, process)}")
    status, screen = wait_for_end(guest)
    assert sentence in said(screen)
    client_died = {"KILL": 137, "SEGV": 139}[name]
    assert status == (125 if sentence else client_died)


@SLOW
@NOISE
@pytest.mark.parametrize(
    ("process", "status"), [(SERVER, 125), (BRIDGE, 125), (HOLDER, 137), (XTERM, 137)]
)
def test_killed_a_minute_later(guest: Guest, process: str, status: int) -> None:
    """When all that a start has begun has come to its end, and nothing is awake."""
    start(guest)
    guest.wait(f"pgrep -u alice -f '{process}'", 30)
    guest.run("sleep 60", timeout=100)
    guest.run(f"kill -KILL {pid(guest, process)}")
    assert wait_for_end(guest)[0] == status
    if process == HOLDER:
        # Xorg puts the terminal back after the shell has set it for its prompt (reliability.md).
        guest.wait("! pgrep -x Xorg", 60)
        guest.type("\n")


@SLOW
@NOISE
@pytest.mark.journal("State 'stop-sigterm' timed out|Killing process")
@pytest.mark.parametrize("process", [SERVER, BRIDGE, HOLDER, XTERM])
def test_stands_still(guest: Guest, process: str) -> None:
    """It is waited for, and `xsession stop` from elsewhere ends it all the same."""
    start(guest)
    guest.wait(f"pgrep -u alice -f '{process}'", 30)
    guest.run(f"kill -STOP {pid(guest, process)}")
    guest.run("xsession stop", "alice", timeout=200)
    # Of one that stands still before it the shell says so (128 + SIGSTOP), and goes on.
    assert wait_for_end(guest)[0] in ((147,) if process == HOLDER else (0, 137))


@NOISE
@pytest.mark.parametrize(("name", "status"), [("KILL", 137), pytest.param("SEGV", 139, marks=SLOW)])
def test_holder_killed(guest: Guest, name: str, status: int) -> None:
    start(guest)
    guest.run(f"kill -{name} {pid(guest, HOLDER)}")
    assert wait_for_end(guest)[0] == status
    guest.wait("[ ! -e /tmp/.X11-unix/X0 ]", 30)
    guest.wait("! systemctl --user is-active -q xorg@0.service", 30, user="alice")
    start(guest)
    guest.run("xsession stop", "alice")
    wait_for_end(guest)


@NOISE
def test_holder_and_bridge_killed(guest: Guest) -> None:
    """The server's parent has gone, and so has who stood for it: it ends by itself."""
    start(guest)
    guest.run(f"kill -KILL {pid(guest, HOLDER)} {pid(guest, BRIDGE)}")
    assert wait_for_end(guest)[0] == 137
    guest.wait("! pgrep -x Xorg && [ ! -e /run/user/1000/xsession/0 ]", 60)
    start(guest)
    guest.run("xsession stop", "alice")
    wait_for_end(guest)


LATE_BRIDGE = """\
[Service]
ExecStartPre=/bin/sh -c 'until [ -e /tmp/go ]; do sleep 0.1; done'
"""


def start_with_a_late_bridge(guest: Guest) -> None:
    folder = ".config/systemd/user/xorg@.service.d"
    late = f"mkdir -p {folder}; cat >{folder}/late.conf; systemctl --user daemon-reload"
    guest.run(late, "alice", stdin=LATE_BRIDGE)
    type_command(guest, f"{START} xterm")
    guest.wait(f"pgrep -u alice -f '{SERVER}' && [ -e /tmp/.X11-unix/X0 ]", 60)
    guest.wait("systemctl --user is-active xorg@0 | grep -x activating", 60, user="alice")


@NOISE
@pytest.mark.journal(r"Failed to start xorg@0\.service")
@pytest.mark.parametrize(
    ("command", "status", "sentence"),
    [
        pytest.param(
            *("runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/1000 xsession stop", 0, ""),
            marks=SLOW,
        ),
        pytest.param(f"pkill -TERM -o -f '{HOLDER}'", 143, "", marks=SLOW),
        (f"pkill -KILL -o -f '{HOLDER}'; sleep 2; touch /tmp/go", 137, ""),
        pytest.param(
            *("pkill -TERM -x Xorg; sleep 2; touch /tmp/go", 125, "the server ended with status 0"),
            marks=SLOW,
        ),
        pytest.param(
            *("pkill -KILL -x Xorg; sleep 2; touch /tmp/go", 125, "the server ended with signal 9"),
            marks=SLOW,
        ),
        pytest.param(
            "until pkill -KILL -u alice -x xterm; do sleep 0.2; done; sleep 2; touch /tmp/go",
            *(137, ""),
            marks=SLOW,
        ),
        pytest.param(
            "systemctl --user -M alice@ kill --kill-who=all -s KILL xorg@0.service",
            125,
            "xorg@0.service did not start",
            marks=SLOW,
        ),
    ],
)
def test_before_the_bridge_has_asked(
    guest: Guest, command: str, status: int, sentence: str
) -> None:
    """The server runs already, and the holder alone knows of it."""
    start_with_a_late_bridge(guest)
    guest.run(command, timeout=120)
    ended, screen = wait_for_end(guest)
    assert (ended, sentence in said(screen)) == (status, True)
    guest.run("touch /tmp/go")
    guest.wait("! pgrep -x Xorg && [ ! -e /tmp/.X11-unix/X0 ]", 60)
    start(guest)
    guest.run("xsession stop", "alice")
    wait_for_end(guest)


@NOISE
def test_a_new_server_before_the_bridge_has_asked(guest: Guest) -> None:
    start_with_a_late_bridge(guest)
    first = pid(guest, SERVER)
    guest.run("xsession restart server >/dev/null 2>&1 &", "alice")
    guest.wait(f"pgrep -u alice -f '{SERVER}' | grep -vx {first}", 60, "another server")
    guest.run("touch /tmp/go")
    wait_until_ready(guest)
    guest.run("xsession stop", "alice")
    assert wait_for_end(guest)[0] == 0


@SLOW
@NOISE
def test_hang_up(guest: Guest) -> None:
    """The terminal goes: login is killed. The server must not see the SIGHUP."""
    guest.type(f"clear; exec {START} xterm\n")
    wait_until_ready(guest)
    guest.run("pkill -KILL -x login")
    guest.wait("! pgrep -u alice -f xsession", 30, "the holder's end")
    guest.wait_for_prompt(60)


@NOISE
def test_terminate_session(guest: Guest) -> None:
    start(guest)
    guest.run("loginctl terminate-session 1")
    guest.wait("! pgrep -u alice -f xsession", 30, "the holder's end")
    guest.wait_for_prompt(60)


@SLOW
def test_watcher_killed(guest: Guest) -> None:
    """systemd-run, which waits for the client, is not the client."""
    start(guest, f"{START} openbox")
    guest.run("pkill -KILL -u alice -x systemd-run")
    guest.wait("pgrep -u alice -f 'systemctl --user start --wait'", 20)
    assert pid(guest, OPENBOX)
    guest.wait(x("xprop -root _NET_SUPPORTING_WM_CHECK | grep 'window id'"), 60, user="alice")
    guest.run("xsession stop", "alice")
    assert wait_for_end(guest)[0] == 0


HELPER = "systemctl --user show xsession-managed@0 -P MainPID"


@NOISE
@pytest.mark.journal("Failed to start xsession-managed@0")
@pytest.mark.parametrize(
    "name", ["KILL", pytest.param("SEGV", marks=SLOW), pytest.param("STOP", marks=SLOW)]
)
def test_helper(guest: Guest, name: str) -> None:
    """That which waits for a window manager: the session goes on without it."""
    start(guest)
    guest.wait(f"[ $({HELPER}) != 0 ]", 60, "the helper", user="alice")
    helper = guest.output(HELPER, "alice")
    guest.run(f"kill -{name} {helper}")
    if name != "STOP":
        guest.wait(f"! kill -0 {helper}", 30)
    guest.run(x("xdpyinfo >/dev/null"), "alice")
    stop(guest)
    assert wait_for_end(guest)[0] == 0


# Takes memory when it is told to.
EATER = """\
import os, time
while not os.path.exists("/tmp/eat"):
    time.sleep(0.2)
eaten = [bytearray(b"x" * (1 << 20)) for _ in range(2048)]
"""
OUT_OF_MEMORY = pytest.mark.journal("oom-kill|OOM killer|Memory cgroup out of memory")


@SLOW
@OUT_OF_MEMORY
@NOISE
def test_the_client_runs_out_of_memory(guest: Guest) -> None:
    folder = "~/.config/systemd/user/xsession-client@.service.d"
    guest.run(
        f"mkdir -p {folder}; printf '[Service]\\nMemoryMax=48M\\nMemorySwapMax=0\\n'"
        f" >{folder}/limit.conf;"
        " systemctl --user daemon-reload",
        "alice",
    )
    guest.run("cat >eater.py", "alice", stdin=EATER)
    start(guest, f"{START} python3 eater.py")
    guest.run("touch /tmp/eat")
    assert wait_for_end(guest)[0] == 137
    guest.run(f"rm -r {folder} eater.py /tmp/eat; systemctl --user daemon-reload", "alice")


@OUT_OF_MEMORY
@NOISE
@pytest.mark.journal("/etc/default/locale|pam_lastlog")
@pytest.mark.parametrize("limit", ["300M", pytest.param("10M", marks=SLOW)])
def test_the_login_session_runs_out_of_memory(guest: Guest, limit: str) -> None:
    """Holder and server are in it. A program that eats is ended before them; where they alone are
    too large, the largest of them is, and with it the session."""
    guest.run("cat >eater.py", "alice", stdin=EATER)
    guest.type("python3 eater.py &\n")
    start(guest)
    login = guest.output("loginctl show-seat seat0 -P ActiveSession")
    scope = f"session-{login}.scope"
    guest.run(f"systemctl set-property --runtime {scope} MemorySwapMax=0 MemoryMax={limit}")
    guest.run("touch /tmp/eat")
    guest.wait("! pgrep -u alice -f '[e]ater.py'", 60, "the end of what has eaten")
    if limit == "300M":
        guest.run(x("xdpyinfo >/dev/null"), "alice")
        stop(guest)
    guest.wait("! pgrep -u alice -f 'bin/[x]session'", 60, "the holder's end")
    # Where the login has ended there is no such scope any more.
    guest.run(f"systemctl set-property --runtime {scope} MemoryMax=infinity", check=False)
    guest.run("rm ~alice/eater.py /tmp/eat")
    guest.wait_for_prompt(60)


# What Xorg itself has no use for: a file that it cannot read, and a device that is not there.
CONFIGURATIONS = {
    "unreadable": ('Section "Device"\nNosuch "thing"\n', "99-wrong.conf"),
    "no screens": (
        'Section "Device"\nIdentifier "none"\nDriver "modesetting"\n'
        'Option "kmsdev" "/dev/dri/card9"\nEndSection\n',
        "no screens found",
    ),
}


@NOISE
@pytest.mark.journal("unable to open display|Failed to open")
@pytest.mark.parametrize("name", [pytest.param("unreadable", marks=SLOW), "no screens"])
def test_xorg_is_configured_wrongly(guest: Guest, name: str) -> None:
    """What Xorg itself says of it is the reason that is given."""
    text, reason = CONFIGURATIONS[name]
    guest.run("cat >/etc/X11/xorg.conf.d/99-wrong.conf", stdin=text)
    type_command(guest, f"{START} xterm")
    status, screen = wait_for_end(guest)
    assert reason in said(screen)
    assert status == 125
    guest.run("rm /etc/X11/xorg.conf.d/99-wrong.conf")
