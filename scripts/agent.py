"""Runs commands for the host, inside a test machine; part of the image.

One connection is one command: a line of JSON comes in, a line of JSON goes out. Nothing is kept
between two of them, so that a guest which was put back to a snapshot serves at once. Bytes
travel as latin-1 text, one character a byte.
"""

import contextlib
import fcntl
import json
import os
import pwd
import signal
import socket
import subprocess
import threading
from typing import Any


def main() -> None:
    descriptors = range(3, 3 + int(os.environ["LISTEN_FDS"]))
    listeners = [socket.socket(fileno=fd) for fd in descriptors]
    for listener in listeners:
        os.set_inheritable(listener.fileno(), False)
    threads = [threading.Thread(target=accept, args=(listener,)) for listener in listeners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def serve(connection: socket.socket) -> None:
    with connection, connection.makefile("rwb") as stream:
        request = json.loads(stream.readline())
        try:
            answer = run(request)
        except Exception as error:
            answer = {"status": 125, "stdout": "", "stderr": f"agent: {error!r}", "late": False}
        with contextlib.suppress(OSError):  # the host did not wait for the answer
            stream.write(json.dumps(answer).encode() + b"\n")
            stream.flush()


def run(request: dict[str, Any]) -> dict[str, Any]:
    # Files, not pipes: a program left running in the background keeps a pipe open for ever.
    files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    try:
        write(files[0], request["stdin"])
        for file in files[1:]:
            # Two that write at once to a memfd overwrite each other, unless they append.
            fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
        process = subprocess.Popen(
            ["/bin/bash", "-c", request["command"]],
            stdin=files[0],
            stdout=files[1],
            stderr=files[2],
            start_new_session=True,
            **identity(request["user"]),
        )
        late = False
        try:
            process.wait(request["timeout"])
        except subprocess.TimeoutExpired:
            late = True
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return {
            "status": process.returncode,
            "stdout": read(files[1]),
            "stderr": read(files[2]),
            "late": late,
        }
    finally:
        for file in files:
            os.close(file)


def identity(user: str) -> dict[str, Any]:
    """Like a process of the user that belongs to no login session, say a job of cron."""
    entry = pwd.getpwnam(user)
    runtime = f"/run/user/{entry.pw_uid}"
    environment = {
        "HOME": entry.pw_dir,
        "USER": user,
        "LOGNAME": user,
        "SHELL": entry.pw_shell,
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        "LC_ALL": "C.UTF-8",
    }
    if entry.pw_uid:
        environment["XDG_RUNTIME_DIR"] = runtime
        environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={runtime}/bus"
    return {
        "env": environment,
        "cwd": entry.pw_dir,
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": os.getgrouplist(user, entry.pw_gid),
    }


def write(file: int, text: str) -> None:
    with open(file, "wb", closefd=False) as stream:
        stream.write(text.encode("latin-1"))
    os.lseek(file, 0, os.SEEK_SET)


def read(file: int) -> str:
    with open(file, "rb", closefd=False) as stream:
        stream.seek(0)  # where it stands was moved by the command, the offset is shared
        return stream.read().decode("latin-1")


if __name__ == "__main__":
    main()
