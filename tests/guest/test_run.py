"""`xsession run` where there is a memory controller: containers may have none."""

import shlex

import pytest
from machine import Guest
from person import start, stop, wait_for_end

LIMIT = "~/.config/systemd/user/app-xsession-python3@.service.d"
EATER = "xsession run python3 -c 'list(bytearray(1 << 20) for _ in range(512))'"


@pytest.mark.divided
@pytest.mark.journal(r"app-xsession-python3@\w+\.service: ", "oom-kill|Memory cgroup out of mem")
@pytest.mark.fault("the machine, on a VT")
def test_one_that_runs_out_of_memory_takes_nothing_else_along(guest: Guest) -> None:
    start(guest, "xsession start openbox")
    guest.run(
        f"mkdir -p {LIMIT} && printf '[Service]\\nMemoryMax=48M\\nMemorySwapMax=0\\n'"
        f" >{LIMIT}/x.conf && systemctl --user daemon-reload",
        "alice",
    )
    other = shlex.quote(guest.output("xsession run sleep 1000", "alice"))
    eater = shlex.quote(guest.output(EATER, "alice"))
    guest.wait(f"! systemctl --user is-active -q {eater}", 60, "the end of one", user="alice")
    log = f"journalctl --user -o cat -u {eater}"
    guest.wait(f"{log} | grep -F 'killed by the OOM killer'", 20, user="alice")
    units = f"{other} xsession-client@0 xorg@0"
    assert guest.output(f"systemctl --user is-active {units}", "alice").split() == ["active"] * 3
    guest.run(f"systemctl --user stop {other}; rm -r {LIMIT}", "alice")
    stop(guest)
    assert wait_for_end(guest)[0] == 0
