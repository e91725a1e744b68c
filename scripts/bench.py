"""Launchers side by side: alternating, medians with ranges, ratios; a table, JSON and a chart.

Of ours also the phases, as `xsession timeline` has them.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import image
from machine import Container, Guest, Machine, install

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
OURS = "xsession"
FOLDER = "/var/tmp/bench"  # noqa: S108  in a machine of our own

# What a round is about: the client notes the time at which it is served, and ends.
CLIENT = f"""#!/bin/sh
xdpyinfo >/dev/null && date +%s%N >{FOLDER}/connected
"""
# In a guest: the window manager under test, and beside it who waits for it to show itself, and
# for the first window that it manages.
MANAGED = f"""#!/bin/bash
xdpyinfo >/dev/null && date +%s%N >{FOLDER}/connected
for name in _NET_SUPPORTING_WM_CHECK _NET_CLIENT_LIST; do  # -spy waits for what has a name already
    xprop -root -f $name 32c -set $name 0
done
until_root_has() {{
    while read -r line; do
        case $line in *0x*) date +%s%N >{FOLDER}/$2; return ;; esac
    done < <(stdbuf -oL xprop -spy -root "$1")
}}
{{
    until_root_has _NET_SUPPORTING_WM_CHECK managed
    xterm &
    until [ -s {FOLDER}/shown ]; do  # one that comes early Openbox sees with its next event
        xprop -root -f BENCH 8s -set BENCH woken
        sleep 0.5
    done &
    until_root_has _NET_CLIENT_LIST shown
}} &
exec $(cat {FOLDER}/wm)
"""

TIMES = ("begun", "connected", "managed", "shown", "ended")


@dataclass(frozen=True)
class Contender:
    """A launcher and the command line by which it starts `{FOLDER}/client`."""

    name: str
    command: str


# What a launcher that knows only a TTY and Xorg finds in a container: both are others there.
STANDS_IN = {
    "tty": "#!/bin/sh\necho /dev/tty74\n",
    "Xorg": """#!/bin/bash
for word; do case $word in -keeptty | vt*) ;; *) words+=("$word") ;; esac; done
exec Xvfb "${words[@]}"
""",
}

Peers = Mapping[str, Path]  # other launchers, by name: programs that take a client's words


def native_contenders(peers: Peers) -> list[Contender]:
    client, server = f"{FOLDER}/client", "/usr/bin/Xvfb"
    return [
        *(Contender(it, f"PATH={FOLDER}/bin:$PATH {FOLDER}/{it} {client}") for it in peers),
        Contender("floor", f"{FOLDER}/floor 70 {client} {server} -nolisten tcp -noreset"),
        Contender("xinit", f"xinit {client} -- {server} :71 -nolisten tcp"),
        Contender("startx", f"startx {client} -- {server} :72 -nolisten tcp"),
        Contender(OURS, f"xsession start --server xvfb --display :73 {client}"),
    ]


def guest_contenders(peers: Peers) -> list[Contender]:
    client = f"{FOLDER}/client"
    return [
        *(Contender(it, f"{FOLDER}/{it} {client}") for it in peers),
        Contender("floor", f"{FOLDER}/floor 70 {client} /usr/lib/xorg/Xorg vt1 -keeptty -noreset"),
        Contender("startx", f"startx {client} -- vt1 -keeptty"),
        Contender(OURS, f"xsession start {client}"),
    ]


def prepare(machine: Machine, client: str, peers: Peers) -> None:
    """The client, other launchers, and the least one of all, which is compiled here."""
    machine.run(f"mkdir -p {FOLDER} && chmod 1777 {FOLDER}")
    with tempfile.TemporaryDirectory() as folder:
        floor = Path(folder, "floor")
        source = ROOT / "scripts" / "floor.c"
        subprocess.run(["gcc", "-O2", "-static", "-o", floor, source], check=True)
        machine.push(floor, f"{FOLDER}/floor")
    machine.run(f"mkdir {FOLDER}/bin")
    for name, text in STANDS_IN.items():
        machine.run(f"cat >{FOLDER}/bin/{name}", stdin=text)
    for name, path in peers.items():
        machine.push(path, f"{FOLDER}/{name}")
    machine.run(f"cat >{FOLDER}/client; chmod 755 {FOLDER}/* {FOLDER}/bin/*", stdin=client)


def phases(machine: Machine, contender: Contender) -> dict[str, float]:
    """Of the start just measured, if it was ours: seconds of each phase that came to an end."""
    if contender.name != OURS:
        return {}
    told = json.loads(machine.output("xsession timeline --json", "alice"))
    ended = (it for it in told["phases"] if it["end"] is not None)
    return {f"- {it['name']}": it["end"] - it["begin"] for it in ended}


def native_round(machine: Machine, contender: Contender) -> dict[str, float]:
    """One start and its end: seconds to the client's answer, and to the end of the command."""
    line = (
        f"rm -f {FOLDER}/connected; begun=$(date +%s%N); {contender.command} >/dev/null 2>&1;"
        f" ended=$(date +%s%N); echo $begun $(cat {FOLDER}/connected) $ended"
    )
    begun, connected, ended = map(int, machine.output(line, "alice").split())
    measured = {"connected": (connected - begun) / 1e9, "total": (ended - begun) / 1e9}
    return measured | phases(machine, contender)


def guest_round(guest: Guest, contender: Contender, wm: str) -> dict[str, float]:
    """Typed on tty1: seconds to each of TIMES, and from the client's end to the prompt."""
    guest.run(f"cd {FOLDER}; rm -f {' '.join(TIMES)}; echo {shlex.quote(wm)} >wm")
    times = f"date +%s%N >{FOLDER}"
    guest.type(f"clear; {times}/begun; {contender.command} >/dev/null 2>&1; {times}/ended\n")
    guest.wait(f"[ -s {FOLDER}/shown ]", 60, f"a window of {wm} by {contender.name}")
    killed = guest.output(f"date +%s%N; pkill -x -u alice {wm.split()[0].rsplit('/')[-1]}")
    guest.wait(f"[ -s {FOLDER}/ended ]", 60, f"the end of {contender.name}")
    begun, connected, managed, shown, ended = map(
        int, guest.output(f"cd {FOLDER}; cat {' '.join(TIMES)}").split()
    )
    guest.wait_for_prompt()
    measured = {
        "connected": (connected - begun) / 1e9,
        "managed": (managed - begun) / 1e9,
        "first window": (shown - begun) / 1e9,
        "exit to prompt": (ended - int(killed)) / 1e9,
    }
    return measured | phases(guest, contender)


# Both log alice in without being asked, and start the same client; other than theirs is the same.
AUTOLOGINS = {
    OURS: (
        f"xsession autologin enable alice --session {FOLDER}/client",
        "xsession autologin disable alice",
    ),
    "lightdm": (
        "mkdir -p /etc/lightdm/lightdm.conf.d /usr/share/xsessions;"
        " printf '[Seat:*]\\nautologin-user=alice\\nautologin-session=bench\\n'"
        "  >/etc/lightdm/lightdm.conf.d/bench.conf;"
        f" printf '[Desktop Entry]\\nType=Application\\nName=Bench\\nExec={FOLDER}/client\\n'"
        "  >/usr/share/xsessions/bench.desktop;"
        " systemctl enable lightdm",
        "systemctl disable lightdm; rm /usr/share/xsessions/bench.desktop",
    ),
}


def boot_round(guest: Guest, on: str, off: str) -> dict[str, float]:
    """A boot: seconds from the kernel's start to the client's answer and to a window of openbox."""
    guest.run(f"cd {FOLDER}; rm -f {' '.join(TIMES)}; echo openbox >wm")
    guest.run(f"{on}; systemctl set-default graphical.target; sync", timeout=60)
    boot = guest.output("cat /proc/sys/kernel/random/boot_id")
    guest.run("systemctl reboot", check=False)
    guest.wait_for_another_boot(boot, 120)
    guest.wait(f"[ -s {FOLDER}/shown ]", 120, "a window")
    connected, managed, shown, now, up = map(
        float,
        guest.output(
            f"cd {FOLDER}; cat connected managed shown;"
            " echo $(date +%s%N) $(cut -d' ' -f1 /proc/uptime)"
        ).split(),
    )
    guest.run(off)
    began = now / 1e9 - up
    ends = {"connected": connected, "managed": managed, "first window": shown}
    return {f"boot to {name}": end / 1e9 - began for name, end in ends.items()}


def run_boot(suite: str, rounds: int, deb: Path) -> Iterator[tuple[str, dict[str, float]]]:
    with Guest.boot(suite) as guest:
        install(guest, deb)
        prepare(guest, MANAGED, {})
        for number in range(rounds + 1):
            for name, (on, off) in AUTOLOGINS.items():
                measured = boot_round(guest, on, off)
                if number:
                    yield name, measured


# A line each: PID, PSS in kB, CPU seconds with those of children that have ended, wake-ups.
USED = r"""
ticks=$(getconf CLK_TCK)
for pid in $(pgrep -u alice -f '^/usr/bin/python3 -IS /usr/bin/xsession'); do
    pss=$(awk '/^Pss:/ {print $2}' /proc/$pid/smaps_rollup)
    cpu=$(sed 's/.*) //' /proc/$pid/stat | awk -v t=$ticks '{print ($12 + $13 + $14 + $15) / t}')
    woken=$(awk '/^voluntary_ctxt/ {print $2}' /proc/$pid/status)
    echo $pid $pss $cpu $woken
done
"""
# The n-th display: that it was served is noted, and it stays.
STAYING = f"""#!/bin/sh
xdpyinfo >/dev/null && date +%s%N >{FOLDER}/served-$DISPLAY
exec sleep infinity
"""


@dataclass(frozen=True)
class Used:
    """By all processes of ours: how many, MB, CPU seconds, wake-ups."""

    processes: int
    megabytes: float
    seconds: float
    woken: int


def used(machine: Machine) -> Used:
    lines = [line.split() for line in machine.output(USED).splitlines()]
    return Used(
        len(lines),
        sum(int(it[1]) for it in lines) / 1024,
        sum(float(it[2]) for it in lines),
        sum(int(it[3]) for it in lines),
    )


def start_staying(machine: Machine, number: int) -> float:
    """Another display, of those that stay; seconds until its client was served."""
    private = "--private" if number else ""
    command = f"xsession start {private} --server xvfb --display :{number} {FOLDER}/client"
    begun = int(machine.output(f"date +%s%N; {command} >/dev/null 2>&1 </dev/null &", "alice"))
    served = f"{FOLDER}/served-:{number}"
    return (int(machine.wait(f"cat {served} | grep .", 60).stdout) - begun) / 1e9


def run_cost(suite: str, deb: Path) -> dict[str, float]:
    """What one display costs, then what it is of 16 and of 64, all of them headless."""
    with Container.boot(suite) as machine:
        install(machine, deb)
        prepare(machine, STAYING, {})
        start_staying(machine, 0)
        machine.wait("systemctl --user is-active -q graphical-session.target", 30, user="alice")
        one = used(machine)
        machine.run("sleep 60", timeout=90)  # what is measured is a minute
        later = used(machine)
        result = {
            "processes": float(one.processes),
            "PSS of one, MB": one.megabytes,
            "CPU until ready, s": one.seconds,
            "CPU of an idle minute, s": later.seconds - one.seconds,
            "wake-ups of an idle minute": float(later.woken - one.woken),
        }
        times = []
        for number in range(1, 64):
            times.append(start_staying(machine, number))
            print(".", end="", file=sys.stderr, flush=True)
            if number + 1 in (2, 16, 64):
                few = statistics.median(times[-8:])
                result[f"time to ready of display {number + 1}, s"] = few
                result[f"PSS of each of {number + 1}, MB"] = used(machine).megabytes / (number + 1)
        print(file=sys.stderr)
        return result


Rounds = dict[str, dict[str, list[float]]]  # by contender, by what is measured


def run_native(
    suite: str, rounds: int, deb: Path, peers: Peers
) -> Iterator[tuple[str, dict[str, float]]]:
    with Container.boot(suite) as machine:
        install(machine, deb)
        prepare(machine, CLIENT, peers)
        for number in range(rounds + 1):
            for contender in native_contenders(peers):
                measured = native_round(machine, contender)
                if number:  # the first is a warm-up
                    yield contender.name, measured


def run_guest(
    suite: str, rounds: int, deb: Path, peers: Peers, clients: list[str]
) -> Iterator[tuple[str, dict[str, float]]]:
    with Guest.boot(suite) as guest:
        install(guest, deb)
        prepare(guest, MANAGED, peers)
        for number in range(rounds + 1):
            for wm in clients:
                for contender in guest_contenders(peers):
                    measured = guest_round(guest, contender, wm)
                    if number:
                        yield contender.name, {f"{wm}: {k}": v for k, v in measured.items()}


def gather(measured: Iterator[tuple[str, dict[str, float]]]) -> Rounds:
    rounds: Rounds = {}
    for name, values in measured:
        for what, seconds in values.items():
            rounds.setdefault(name, {}).setdefault(what, []).append(seconds)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rounds


def table(rounds: Rounds) -> str:
    """Medians, ranges, and what ours takes compared with each other."""
    lines = [f"{'':31}{'':9}{'median':>9}{'range':>17}{'xsession / it':>15}"]
    for what in rounds[OURS]:
        own = statistics.median(rounds[OURS][what])
        for name, values in rounds.items():
            if seconds := values.get(what):
                median = statistics.median(seconds)
                lines.append(
                    f"{what:31}{name:9}{median:8.3f}s{min(seconds):8.3f}–{max(seconds):.3f}s"
                    f"{own / median:14.2f}"
                )
    return "\n".join(lines)


def chart(rounds: Rounds, title: str) -> str:
    """Bars of the medians, a line for the range, as SVG; of what more than one was measured for."""
    bars = [
        (what, name, values[what])
        for what in rounds[OURS]
        for name, values in rounds.items()
        if what in values and sum(what in it for it in rounds.values()) > 1
    ]
    scale = 420 / max(max(seconds) for _, _, seconds in bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{40 + 22 * len(bars)}"'
        ' font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (what, name, seconds) in enumerate(bars):
        y = 34 + 22 * number
        median = statistics.median(seconds)
        colour = "#2a6fb0" if name == OURS else "#b0b0b0"
        middle = y + 8
        lines += [
            f'<text x="10" y="{y + 13}">{escape(what)}</text>',
            f'<text x="180" y="{y + 13}">{escape(name)}</text>',
            f'<rect x="250" y="{y}" width="{median * scale:.1f}" height="16" fill="{colour}"/>',
            f'<line x1="{250 + min(seconds) * scale:.1f}" x2="{250 + max(seconds) * scale:.1f}"'
            f' y1="{middle}" y2="{middle}" stroke="black"/>',
            f'<text x="{258 + max(seconds) * scale:.1f}" y="{y + 13}">{median:.3f} s</text>',
        ]
    return "\n".join([*lines, "</svg>\n"])


def deb_file() -> Path:
    answer = subprocess.run([ROOT / "scripts" / "build-deb"], stdout=subprocess.PIPE, check=True)
    return Path(answer.stdout.decode().strip())


def named_path(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not (path and Path(path).is_file()):
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=PATH of a program")
    return name, Path(path)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("kind", choices=("native", "guest", "boot", "cost"))
    parser.add_argument("-n", type=int, default=11, help="rounds after the warm-up (11)")
    parser.add_argument("--suite", choices=image.SUITES, default="bookworm")
    parser.add_argument(
        "--client", action="append", help="a window manager; without it, four of them"
    )
    parser.add_argument(
        "--peer",
        action="append",
        type=named_path,
        default=[],
        metavar="NAME=PATH",
        help="another launcher, a program that takes a client's words as sx does",
    )
    told = parser.parse_args()
    peers = dict(told.peer)
    DIST.mkdir(exist_ok=True)
    if told.kind == "cost":
        costs = run_cost(told.suite, deb_file())
        print("\n".join(f"{what:32}{value:9.2f}" for what, value in costs.items()))
        (DIST / "bench-cost.json").write_text(json.dumps(costs, indent=1))
        return 0
    if told.kind == "native":
        rounds = gather(run_native(told.suite, told.n, deb_file(), peers))
    elif told.kind == "boot":
        rounds = gather(run_boot(told.suite, told.n, deb_file()))
    else:
        clients = told.client or ["openbox", "i3", "awesome", "xfce4-session"]
        rounds = gather(run_guest(told.suite, told.n, deb_file(), peers, clients))
    print(table(rounds))
    result: Mapping[str, object] = {"kind": told.kind, "suite": told.suite, "seconds": rounds}
    (DIST / f"bench-{told.kind}.json").write_text(json.dumps(result, indent=1))
    (DIST / f"bench-{told.kind}.svg").write_text(
        chart(rounds, f"Seconds, {told.kind}, {told.suite}, median of {told.n}")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
