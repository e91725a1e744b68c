"""What another user of the machine learns of a session on a VT: not its cookie."""

import pytest
from machine import Guest
from person import SERVER, pid, start, stop, wait_for_end

FOLDER = "/run/user/1000/xsession"

# `cookie` itself must not stand in the command line that looks for it.
SEARCH = f"""
read -r cookie
{{ cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ {FOLDER}/Xorg.0.log /var/log/Xorg.*; journalctl
   runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user show '*'
   cat /dev/vcs1; }} 2>/dev/null | tr '\\0' '\\n' >/dev/shm/all
grep -c 'X[.]Org X Server' /dev/shm/all
grep -ciF -f <(echo $cookie) /dev/shm/all
rm /dev/shm/all
"""


@pytest.mark.fault("neighbours")
@pytest.mark.divided
def test_nobody_sees_the_cookie(guest: Guest) -> None:
    """Not in what any process was started with, nor in what server, journal and units say."""
    start(guest)
    shown = guest.output(f"stat -c '%U %a' {FOLDER}/0 {FOLDER}/0/authority")
    assert shown.splitlines() == ["alice 700", "alice 600"]
    assert guest.output(f"ps -o user= -p {pid(guest, SERVER)}") == "alice"
    cookies = guest.output(f"xauth -q -f {FOLDER}/0/authority list | awk '{{print $3}}'")
    (cookie,) = set(cookies.split())
    assert len(cookie) == 32
    logs, seen = guest.run(SEARCH, stdin=cookie + "\n", check=False).stdout.split()
    assert int(logs) >= 1  # else the server's log was not looked at
    assert seen == "0"
    stop(guest)
    assert wait_for_end(guest)[0] == 0
