"""Coverage-guided fuzzing of what is read from elsewhere: files, packets, words (scripts/fuzz).

A target takes any bytes. It may raise Failure, which is the answer that people see, or what its
docstring names; anything else is a finding, and so are 10 s or 512 MB.
"""

import argparse
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FINDINGS = ROOT / "dist" / "fuzz"
LIMITS = ("-timeout=10", "-rss_limit_mb=512", "-max_len=4096")
Target = Callable[[bytes], object]


def targets() -> dict[str, tuple[Target, list[bytes]]]:
    """By name: what takes the bytes, and what to begin with."""
    from xsession import (
        config,
        entry,
        environment,
        parser,
        record,
        refusal,
        server,
        sockets,
        typed,
        variables,
        xserverrc,
    )

    def desktop_entry(data: bytes) -> None:
        read = entry.parse(data, "/a.desktop", ("de_DE", "de"))
        entry.argv(read, "", ["a b", "%f"])
        for action in read.actions:
            entry.argv(read, action)

    def environment_file(data: bytes) -> None:
        variables.parse(data, "/env", {"HOME": "/home/alice", "EMPTY": ""})

    def configuration(data: bytes) -> None:
        config.parse(data, "/config.toml")

    def server_rc(data: bytes) -> None:
        found = xserverrc.parse(data.decode("utf-8", "surrogateescape"), "/xserverrc")
        server.objection(found.arguments)

    def connection(data: bytes) -> None:
        if refusal.whole(data):
            refusal.failed(data, "no server")

    def packet(data: bytes) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs, contextlib.suppress(ValueError):
            theirs.send(data)
            sockets.receive(ours)

    def words(data: bytes) -> None:
        line = data.decode("utf-8", "surrogateescape").split("\0")
        before, arguments = typed.split(["start", *line])
        with contextlib.suppress(SystemExit):
            typed.request(parser.start(before), arguments)

    def journal(data: bytes) -> None:
        with contextlib.suppress(ValueError):
            environment.undo(environment.decode(data), {"DISPLAY": ":0"}, "")
        with contextlib.suppress(ValueError):
            record.decode(data)

    head = b"[Desktop Entry]\nType=Application\nName=A\n"
    return {
        "entry": (desktop_entry, [head + b'Exec=a "b c" %f %%\nActions=x;\n[Desktop Action x]\n']),
        "environment": (environment_file, [b"A=b\nB='c\nd' # e\nC=${A:-x}${B:+y}$$\n"]),
        "configuration": (configuration, [b'[server]\ntimeout = 9\n[session]\nclient = ["i3"]\n']),
        "xserverrc": (server_rc, [b'#!/bin/sh\nexec X -dpi 96 \\\n-nolisten tcp "$@"\n']),
        "connection": (connection, [b"l\0\x0b\0\0\0\x12\0\x10\0\0\0MIT-MAGIC-COOKIE-1"]),
        "packet": (packet, [b"serve", b"run\x0020\0A=b\0--\0systemctl"]),
        "words": (words, [b"--server\0xvfb\0i3\0-a\0--\0:1\0-dpi\x0096"]),
        "journal": (journal, [b'[["DISPLAY", ":0", null, "session"]]']),
    }


def fuzz(name: str, options: list[str]) -> None:
    """Never returns (atheris.Fuzz)."""
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["xsession"]):
        target, _ = targets()[name]
        from xsession.errors import Failure

    def once(data: bytes) -> None:
        with contextlib.suppress(Failure):
            target(data)

    sys.stderr.flush()
    atheris.Setup([sys.argv[0], *options], once)
    atheris.Fuzz()


def main() -> int:
    cli = argparse.ArgumentParser(prog="scripts/fuzz")
    cli.add_argument("--seconds", type=float, default=60)
    cli.add_argument("--runs", type=int)
    cli.add_argument("target", nargs="*", help="of " + ", ".join(targets()))
    told = cli.parse_args()
    chosen = told.target or list(targets())
    FINDINGS.mkdir(parents=True, exist_ok=True)
    bad = []
    for word in chosen:
        name, _, file = word.partition("=")
        corpus = FINDINGS / f"{name}-corpus"
        corpus.mkdir(exist_ok=True)
        for number, seed in enumerate(targets()[name][1]):
            (corpus / f"seed-{number}").write_bytes(seed)
        much = (
            f"-runs={told.runs}"
            if told.runs
            else f"-max_total_time={told.seconds // len(chosen):.0f}"
        )
        options = [file] if file else [str(corpus), much, f"-artifact_prefix={FINDINGS}/{name}-"]
        environ: dict[str, Any] = {**os.environ, "FUZZ": name, "HOME": str(FINDINGS)}
        answer = subprocess.run(
            [sys.executable, __file__, *LIMITS, *options],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors="replace",
        )
        said = answer.stdout.splitlines()
        print(f"{name:14}", next((it for it in reversed(said) if it.startswith("Done")), "FOUND"))
        if answer.returncode:
            bad.append(name)
            print(answer.stdout[-3000:])
    return 1 if bad else 0


if __name__ == "__main__":
    if name := os.environ.get("FUZZ"):
        fuzz(name, sys.argv[1:])
    sys.exit(main())
