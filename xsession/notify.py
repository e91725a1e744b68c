"""Readiness and status for the service manager: the only place that knows sdnotify."""

import sdnotify


class Notifier:
    """Speaks to the manager that started us; to nobody where there is none (sd_notify(3))."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()

    def _send(self, *lines: str) -> None:
        # sdnotify encodes latin-1 and drops what it cannot: keep to ASCII
        text = "\n".join(lines)
        self._notifier.notify(text.encode("ascii", "replace").decode("ascii"))

    def status(self, text: str) -> None:
        self._send(f"STATUS={text}")

    def ready(self, text: str) -> None:
        self._send("READY=1", f"STATUS={text}")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def stopping(self, text: str) -> None:
        self._send("STOPPING=1", f"STATUS={text}")
