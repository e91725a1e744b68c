"""What scripts/demo does when everything is installed: a desktop is started, shown and stopped."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import image
from machine import Box, BoxError, patience, vts_objection

HERE = Path(__file__).resolve().parent
PICTURE = Path("demo.png").absolute()

# alice's ~/.config/xsession/rc, which `xsession start` runs.
DESKTOP = """\
#!/bin/sh
xsetroot -solid '#2e4057'
xclock -geometry 220x220-40+40 &
export SYSTEMD_COLORS=1 SYSTEMD_PAGER=
xterm -fa 'DejaVu Sans Mono' -fs 10 -geometry 100x34+40+40 -e sh -c '
    echo "$ systemctl --user status xorg@0.service"
    systemctl --user -n 0 status xorg@0.service
    echo; echo "$ systemctl --user list-units"
    systemctl --user --legend=no list-units "xorg*" "xsession*" "graphical*"
    echo; echo "$ loginctl"; loginctl
    touch $XDG_RUNTIME_DIR/shown; exec bash' &
exec openbox
"""
SHOWN = "[ -e $XDG_RUNTIME_DIR/shown ] && systemctl --user -q is-active xsession@0.target"


def main(suite: str) -> None:
    objection = vts_objection()
    if objection:
        print(f"no VTs for a box ({objection}): the same with Xvfb, from a login without a screen")
    with told("building the package"):
        built = subprocess.run([HERE / "build-deb"], check=True, capture_output=True, text=True)
    deb = Path(built.stdout.splitlines()[-1])
    image.build(suite)
    with contextlib.ExitStack() as end:
        with told(f"booting {suite}, {'no VTs' if objection else 'alice logs in on tty1'}"):
            box = end.enter_context(Box.boot(suite, deb, vts=not objection))
        with told(f"alice types {command(box)}; until her desktop is there"):
            start(box)
        with told(f"a picture of it, {PICTURE}"):
            take_picture(box)
        print(f"\n{table(box)}\n")
        with told("xsession stop, from another login"):
            box.run("xsession stop", "alice", login=True)
            if box.vts:
                box.wait_for_prompt()
    print(f"\nthe picture: {PICTURE}")


def command(box: Box) -> str:
    return "xsession start" if box.vts else "xsession start --server xvfb"


def start(box: Box) -> None:
    box.run("mkdir -p .config/xsession; cat >.config/xsession/rc", "alice", stdin=DESKTOP)
    box.run("chmod +x .config/xsession/rc", "alice")
    if box.vts:
        box.type(f"{command(box)}\n")
    else:
        box.run(f"systemd-run -q --uid=alice -p PAMName=login {command(box)}")
    try:
        box.wait(SHOWN, 30, "the desktop", user="alice")
    except BoxError as error:
        error.add_note(box.screen() if box.vts else box.output("journalctl -b -n 50"))
        raise


def take_picture(box: Box) -> None:
    """Until two in a row are the same: all that is mapped has been painted too."""
    last = b""
    for _ in patience(20):
        box.picture(PICTURE)
        if PICTURE.read_bytes() == last:
            return
        last = PICTURE.read_bytes()


def table(box: Box) -> str:
    """Which process ran where: the user, the unit that holds it, its terminal."""
    programs = "Xorg,Xvfb,xsession,openbox,xterm,xclock"
    listed = box.output(f"ps -C {programs} -o user=,tty=,unit=,uunit=,args=")
    rows = [("PROCESS", "USER", "TTY", "UNIT")]
    for line in listed.splitlines():
        user, tty, unit, user_unit, words = line.split(None, 4)
        program, _, rest = words.removeprefix("/usr/bin/python3 -IS ").partition(" ")
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
    main(sys.argv[1])
