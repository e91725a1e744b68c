"""The common check: after a test a machine is as it was before.

`look` notes what a session could leave behind, `differences` compares two such notes, and
`unexpected` reads the journal of the time between them.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable

from machine import Box

# By what is looked at, the lines seen there.
State = dict[str, list[str]]

# For every user: what a session of theirs could leave. $user, $uid and $runtime are set.
OF_A_USER = {
    # Not the manager, its bus and what that bus started for a toolkit: they end a while after
    # the last login.
    "process": r"""ps -u $user -o sid=,args= | awk -v me=$$ '$1 != me { $1 = ""; print }' |
        grep -vE '^ *(/usr)?/lib/systemd/systemd --user|\(sd-pam\)|dbus-daemon --session|agetty' |
        grep -vE '^ *(/usr/(bin|libexec)/)?(ssh-agent|gpg-agent|gvfsd)( |$)'""",
    # Logs are kept on purpose, and where there is no home the times of short sessions.
    "file": "find $runtime/xsession ! -type d ! -name '*.log' ! -name '*.log.old'"
    " ! -name short-sessions 2>/dev/null",
    "unit file": "find $runtime/systemd/user $runtime/systemd/transient ! -type d 2>/dev/null",
}

# The same, where a manager runs; $manager is `systemctl --user` of that user, $bus `busctl --user`.
OF_A_MANAGER = {
    "unit": """$manager list-units --all --plain --no-legend \
        --state=active,activating,deactivating,reloading \
        'xorg@*' 'xsession*' xorg.target wm.target 'graphical-session*.target'
        $manager list-units --plain --no-legend --failed""",
    # Not its own PID: some tests restart it. Not what Debian's ssh-agent.service, which
    # graphical-session-pre.target wants, sets and unsets: SSH_AUTH_SOCK, SSH_AGENT_LAUNCHER.
    "manager's variable": "$manager show-environment | grep -vE '^(SYSTEMD_EXEC_PID|SSH_A.*)='",
}

# The same, where a dbus-daemon runs: what it gives to a program that it starts, of what only we
# can have set (an rc file may tell it everything). It cannot unset a variable, only empty it, and
# it does not wait for a program that fails.
OF_A_BUS = {
    "D-Bus variable": """mkdir -p $runtime/dbus-1/services
        echo "[D-BUS Service]
Name=test.Look
Exec=/bin/sh -c 'env >$runtime/looked; exit 1'" >$runtime/dbus-1/services/test.Look.service
        $bus call org.freedesktop.DBus / org.freedesktop.DBus StartServiceByName su test.Look 0 \
            2>/dev/null
        grep '^XAUTHORITY=.*/xsession/' $runtime/looked
        rm -r $runtime/dbus-1/services/test.Look.service $runtime/looked""",
}

OF_THE_MACHINE = {
    "failed system unit": "systemctl list-units --failed --plain --no-legend",
    "server": "ps -C Xorg,Xvfb,Xephyr,Xnest -o user=,args=",
    # Of one that runs as somebody else it is elsewhere.
    "log of a server that root ran": "find /var/log -maxdepth 1 -name 'Xorg.*'",
    "path of a display": "find /tmp/.X11-unix -name 'X*'",
    "abstract name of a display": "grep -oE '@/tmp/.X11-unix/X[0-9]+$' /proc/net/unix | sort -u",
    "lock of a display": "find /tmp -maxdepth 1 -name '.X*-lock'",
}

# KDGETMODE, KDGKBMODE: text (0) or graphics (1); unicode (3), raw (0), off (4).
CONSOLE_MODES = """
import fcntl, struct
with open("/dev/tty1") as tty:
    for name, request in ("display", 0x4B3B), ("keyboard", 0x4B44):
        print(name, struct.unpack("i", fcntl.ioctl(tty, request, bytes(4)))[0])
"""

OF_A_CONSOLE = {
    "mode of tty1": f"python3 -ISc '{CONSOLE_MODES}'",
    "setting of tty1": "stty -a </dev/tty1 | tr ';' '\\n'",
    "active VT": "cat /sys/class/tty/tty0/active",
}

USERS = {"alice": 1000, "bob": 1001}


def look(box: Box) -> State:
    """All that is looked at, in one round trip."""
    script = [section(what, command) for what, command in OF_THE_MACHINE.items()]
    for user, uid in USERS.items():
        script.append(
            f"user={user} uid={uid} runtime=/run/user/{uid};"
            f' as="setpriv --reuid {uid} --clear-groups env XDG_RUNTIME_DIR=$runtime'
            f' DBUS_SESSION_BUS_ADDRESS=unix:path=$runtime/bus"'
            f' manager="$as systemctl --user" bus="$as busctl --user"'
        )
        script += [section(f"{user}'s {what}", it) for what, it in OF_A_USER.items()]
        script.append("if [ -S $runtime/bus ]; then")
        script += [section(f"{user}'s {what}", it) for what, it in OF_A_MANAGER.items()]
        script.append("fi")
        script.append("if pgrep -u $user -f 'dbus-daemon --session' >/dev/null; then")
        script += [section(f"{user}'s {what}", it) for what, it in OF_A_BUS.items()]
        script.append("fi")
    if box.vts:
        script += [section(what, command) for what, command in OF_A_CONSOLE.items()]
    state: State = {}
    for part in box.run("\n".join(script), timeout=120).stdout.split("\n\x1e")[1:]:
        what, _, lines = part.partition("\n")
        state[what] = sorted(line.strip() for line in lines.splitlines() if line.strip())
    return state


def section(what: str, command: str) -> str:
    return f'printf "\\n\\036%s\\n" "{what}"\n{command}\n:'


def differences(before: State, after: State) -> list[str]:
    """What is there and was not, or was there and is not; nothing for two equal states."""
    found = []
    for what in before | after:
        is_ = after.get(what, [])
        # A manager that was not there before (somebody logged in) has nothing of ours at first.
        was = before.get(what, [line for line in is_ if not OURS.search(line)])
        found += [f"new {what}: {line}" for line in (Counter(is_) - Counter(was)).elements()]
        found += [f"no {what}: {line}" for line in (Counter(was) - Counter(is_)).elements()]
    return found


OURS = re.compile(
    r"xsession|xorg|\bX(org|vfb|ephyr|nest)\b|graphical-session|wm\.target|DISPLAY=|XAUTH"
)
WARNING = 4
# How a client ends is its own matter; tests look at the exit status where they care. xterm, say,
# exits with 1 or 15 on a SIGTERM.
THE_CLIENTS_OWN = re.compile(
    r"xsession-client@\d+\.service: (Failed with result 'exit-code'|Main process exited)"
    r"|Failed to start xsession-client@\d+\.service"
)
# Units that nobody wants any more are stopped 16 times in 10 s at most, then a while later
# (manager_dispatch_stop_when_unneeded_queue): a test may start more sessions than a person can.
MANY_SESSIONS = re.compile(
    r"graphical-session-pre\.target: Unit not needed anymore, but not stopping since we tried"
)
CALAMITY = re.compile(
    r"Traceback \(most recent call last\)"
    # What the holder notes as what went wrong.
    r"|not done after \d+ s|could not be ended|dropped (a|the) connection|could not run"
)
FIELDS = "PRIORITY,MESSAGE,SYSLOG_IDENTIFIER,_COMM,_SYSTEMD_UNIT,_SYSTEMD_USER_UNIT,UNIT,USER_UNIT"


def cursor(box: Box) -> str:
    """Where the journal ends now."""
    shown = box.output("journalctl --sync; journalctl --lines=0 --show-cursor --quiet")
    return shown.removeprefix("-- cursor: ")


def journal_since(box: Box, cursor: str) -> list[dict[str, str]]:
    lines = box.output(
        "journalctl --sync; journalctl --quiet --output=json"
        f" --output-fields={FIELDS} --after-cursor='{cursor}'",
        timeout=120,
    )
    return [text_of(json.loads(line)) for line in lines.splitlines()]


def text_of(entry: dict[str, object]) -> dict[str, str]:
    """An entry with text in all fields: what is not UTF-8 comes as a list of bytes."""
    return {
        name: bytes(value).decode(errors="replace") if isinstance(value, list) else str(value)
        for name, value in entry.items()
    }


def unexpected(journal: Iterable[dict[str, str]], allowed: Iterable[str]) -> list[str]:
    """Warnings and worse of our units and programs, and everybody's tracebacks and crashes."""
    allow = [THE_CLIENTS_OWN, MANY_SESSIONS, *(re.compile(pattern) for pattern in allowed)]
    found = []
    for entry in journal:
        message = entry.get("MESSAGE", "")
        source = " ".join(text for field, text in entry.items() if field in SOURCES)
        # What a client itself says is in the journal as well.
        client = entry.get("_SYSTEMD_USER_UNIT", "").startswith("xsession-client@")
        warned = int(entry.get("PRIORITY", "6")) <= WARNING and OURS.search(source) and not client
        if (warned or CALAMITY.search(message)) and not any(it.search(message) for it in allow):
            found.append(f"journal: {source}: {message}")
    return found


SOURCES = set(FIELDS.split(",")) - {"PRIORITY", "MESSAGE"}
