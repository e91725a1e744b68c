"""What scripts/demo does when everything is installed: a desktop is started, shown and stopped."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import image
from machine import Container, Guest, Machine, MachineError, install

HERE = Path(__file__).resolve().parent
PICTURE = Path("demo.png")
SUITE = "bookworm"

# Started from outside, as an icon or a timer would: the manager knows the display.
TERMINAL = (
    "systemd-run --user --quiet --collect --unit=demo-terminal --slice=app.slice"
    # The shell's prompt would change the title, by which the window is found.
    " xterm -title demo-terminal -xrm 'XTerm*allowTitleOps: false'"
    " -fa 'DejaVu Sans Mono' -fs 10 -geometry 100x24+40+60"
    ' -e bash -c \'systemctl --user list-units "xorg*" "xsession*" "demo*" --no-pager;'
    " loginctl; touch $XDG_RUNTIME_DIR/demo-told; exec bash'"
)
CLOCK = (
    "systemd-run --user --quiet --collect --unit=demo-clock --slice=app.slice"
    " xclock -title demo-clock -geometry 220x220-60+60"
)
WINDOWS = (
    "export $(systemctl --user show-environment | grep -E '^(DISPLAY|XAUTHORITY)=')"
    " && xwininfo -name demo-terminal | grep -q IsViewable"
    " && xwininfo -name demo-clock | grep -q IsViewable"
    " && [ -e $XDG_RUNTIME_DIR/demo-told ]"
)


def main() -> None:
    quick = "--quick" in sys.argv
    with told("building the package"):
        built = subprocess.run([HERE / "build-deb"], check=True, capture_output=True, text=True)
    deb = Path(built.stdout.splitlines()[-1])
    image.build(SUITE)
    with told(f"booting {SUITE}, {'a container' if quick else 'a guest'}"):
        machine = Container.boot(SUITE) if quick else Guest.boot(SUITE)
    with machine:
        with told("installing the package"):
            install(machine, deb)
        with told("xsession start: until the display answers"):
            start(machine)
        with told("a terminal and a clock: until they are on the screen"):
            machine.run(f"{TERMINAL} && {CLOCK}", "alice")
            machine.wait(WINDOWS, 60, "two windows on the screen", user="alice")
        with told(f"waiting for a picture without changes, {PICTURE.absolute()}"):
            take_picture(machine)
        print(f"\n{table(machine)}\n")
        with told("xsession stop"):
            machine.run("xsession stop", "alice")
            machine.wait("! pidof Xorg Xvfb", 30, "the server's end")
            if isinstance(machine, Guest):
                machine.wait_for_prompt(30)


def start(machine: Machine) -> None:
    if isinstance(machine, Guest):
        machine.type("xsession start openbox\n")
    else:
        machine.run("xsession start --server xvfb openbox >start.log 2>&1 &", "alice")
    try:
        machine.wait("systemctl --user is-active 'xorg@*.service'", 60, "xorg@", user="alice")
    except MachineError as error:
        said = (
            machine.console()
            if isinstance(machine, Guest)
            else machine.output("cat start.log", "alice")
        )
        error.add_note(said)
        raise


def take_picture(machine: Guest | Container) -> None:
    """Until two pictures in a row are the same: all that is mapped has been painted too."""
    last = b""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        machine.picture(PICTURE)
        if PICTURE.read_bytes() == last:
            return
        last = PICTURE.read_bytes()
        time.sleep(0.5)


def table(machine: Machine) -> str:
    """Which process ran where: the user, the unit that holds it, its terminal."""
    listed = machine.output(
        "ps -C Xorg,Xvfb,xsession,openbox,xterm,xclock -o user=,tty=,unit=,uunit=,args="
    )
    rows = [("PROCESS", "USER", "TTY", "UNIT")]
    for line in listed.splitlines():
        user, tty, unit, user_unit, command = line.split(None, 4)
        command = command.removeprefix("/usr/bin/python3 -IS ")
        program, _, rest = command.partition(" ")
        process = f"{Path(program).name} {rest}"[:32].strip()
        where = unit if user_unit == "-" else f"{user_unit} (of {user}'s manager)"
        rows.append((process, user, tty.replace("?", "-"), where))
    return "\n".join(f"{a:34}{b:8}{c:6}{d}" for a, b, c, d in rows)


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Say what is going on, and afterwards how long it took."""
    begun = time.monotonic()
    print(f"{what} … ", end="", flush=True)
    yield
    print(f"{time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    main()
