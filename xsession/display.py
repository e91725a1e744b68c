"""A display: a number, the two addresses its server listens on, and the units that bear its name.

Addresses: X(7), "DISPLAY NAMES"; xtrans Xtranssock.c (the abstract name has the path's spelling).
"""

from typing import NamedTuple

MARK = "xorg@.socket"  # the unit file whose presence tells that ours are installed
FOLDER = "/tmp/.X11-unix"  # noqa: S108  the protocol's own place; systemd's x11.conf makes it


class Display(NamedTuple):
    """Display `:number`."""

    number: int

    @property
    def name(self) -> str:
        """What DISPLAY is set to."""
        return f":{self.number}"

    @property
    def path(self) -> str:
        """The listening address in the file system."""
        return f"{FOLDER}/X{self.number}"

    @property
    def abstract(self) -> str:
        """The listening address in the abstract namespace; libxcb tries it first."""
        return f"\0{FOLDER}/X{self.number}"

    @property
    def socket_unit(self) -> str:
        return f"xorg@{self.number}.socket"

    @property
    def service_unit(self) -> str:
        return f"xorg@{self.number}.service"

    @property
    def client_unit(self) -> str:
        return f"xsession-client@{self.number}.service"

    @property
    def managed_unit(self) -> str:
        return f"xsession-managed@{self.number}.service"

    @property
    def autostart_target(self) -> str:
        return f"xsession-autostart@{self.number}.target"

    @property
    def session_target(self) -> str:
        return f"xsession@{self.number}.target"

    @property
    def session_units(self) -> tuple[str, ...]:
        """What stands for the session that the user manager knows, and ends with it."""
        return (
            *(self.session_target, self.managed_unit, "wm.target"),
            *("xorg.target", "xorg-answers.service"),  # which may just be asking
        )
