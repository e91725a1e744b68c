"""The display as a client sees it: the only place that knows python-xlib.

These run as short-lived programs of their own: a question to a display may
block for ever, and a process can be killed; and the import is large. What only
asks speaks the protocol; Xlib.display imports and asks twice as much.
"""

import os
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from Xlib import X, error
from Xlib.protocol import display as protocol
from Xlib.protocol import request

from xsession.process import Deadline, readable

RESOURCE = ("X-Resource", "res")
CHECK = "_NET_SUPPORTING_WM_CHECK"
AGAIN = 0.25  # seconds until a window manager that has not answered is asked again


class Protocol(protocol.Display):  # type: ignore[misc]
    """A connection that does no more than to speak the protocol."""

    resource_classes: Mapping[str, Any] = MappingProxyType({})  # a window is its number


def version(vendor: str, release: int) -> str:
    """Name and version of a server, from its connection reply: `X.Org 21.1.7`."""
    if "X.Org" not in vendor:
        return f"{vendor} {release}"
    # xorg-server's configure.ac: 1MMmmppp since 21.1, MMmmppsss before
    if release < 12100000:
        return f"X.Org {release // 10000000}.{release // 100000 % 100}.{release // 1000 % 100}"
    release -= 10000000
    return f"X.Org {release // 100000}.{release // 1000 % 100}.{release % 1000}"


def connect(kind: Callable[[], Any]) -> Any:
    """A connection to $DISPLAY with $XAUTHORITY; None, and the reason said, where there is none."""
    sys.stdout = sys.stderr  # python-xlib prints warnings where an answer of ours goes
    if not os.environ.get("DISPLAY"):
        print("no display: DISPLAY is not set (xsession start, or listen, sets it)")
        return None
    try:
        return kind()
    except (error.DisplayError, error.XError, error.ConnectionClosedError, OSError) as refusal:
        print(refusal)
        return None


def answers(admit: bool = False) -> int:
    """Connect, print server and screen size. Status 1 if refused.

    `admit`: whoever runs under our uid needs no cookie from now on, so that what was started
    before the session, and knows DISPLAY alone, reaches it too. The uid is the kernel's word
    (Xsecurity(7), "localuser"; os/access.c: `#` before a number), and could read the cookie anyway.
    It then also waits for a byte on standard input before it asks.
    """
    if admit and not os.read(0, 1):  # nobody wants to know any more
        return 1
    connection = connect(Protocol)
    if connection is None:
        return 1
    info = connection.info
    screen = info.roots[connection.default_screen]
    text = version(info.vendor, info.release_number)
    size = f"{screen.width_in_pixels}x{screen.height_in_pixels}"
    try:
        if admit:
            _admit(connection)
        connection.close()
    except (error.ConnectionClosedError, OSError):
        print("the server has gone")
        return 1
    print(f"{text}\t{size}", file=sys.__stdout__, flush=True)
    return 0


def _admit(connection: Any) -> None:
    request.ChangeHosts(
        display=connection,
        mode=X.HostInsert,
        host_family=X.FamilyServerInterpreted,
        host=list(f"localuser\0#{os.getuid()}".encode()),
    )
    request.GetInputFocus(display=connection)  # whose answer comes after that


def managed(seconds: float, client: int) -> tuple[int, bool]:
    """Wait until a window manager shows itself, or for `seconds`; say which. Status 1 if refused.

    It is there once it does what it is asked to: until then nobody's window is seen.

    The second value: it is another one than process `client`, which is on the display too. So that
    is a desktop's session program, which has started its window manager and all else itself.

    Extended Window Manager Hints, "_NET_SUPPORTING_WM_CHECK": the root window's property names
    a window of the window manager's, on which the same property names itself. A dead one's
    property may still be there; then its window is not.
    """
    from Xlib import display, ext

    ext.__extensions__[:] = [RESOURCE]  # of 15, each to be imported and asked for
    connection = connect(display.Display)
    if connection is None:
        return 1, False
    name = connection.get_display_name()
    deadline = Deadline(seconds)
    try:
        root = connection.screen().root
        check = connection.intern_atom(CHECK)
        root.change_attributes(event_mask=X.PropertyChangeMask)
        while (window := _manager(connection, root, check)) is None:
            # What has come is looked at, not read: it may only say that it is time to look again.
            while not connection.pending_events():
                if not readable(connection.fileno(), deadline.left):
                    print(f"no window manager on {name} after {seconds:g} s: {_why(root)}")
                    return 0, False
            while connection.pending_events():
                connection.next_event()
        title, pid = window
        heard = _hears(connection, root, deadline)
        late = "" if heard else f", and has not answered in {seconds:g} s"
        print(f"{title} manages {name}{late}")
        return 0, client != pid and client in _pids(connection, 0)
    except (error.ConnectionClosedError, OSError):
        print(f"the server on {name} has gone")
        return 1, False


def _hears(connection: Any, root: Any, deadline: Deadline) -> bool:
    """Wait until the window manager has done what it was asked to; False if it has not in time.

    ICCCM 4.1.5: the server hands a program's wish to move its window on to whoever has redirected
    the root window's; the move itself is the answer. Ours is never mapped: nobody sees it.
    Asked again and again, as Openbox 3.6 leaves what came while it started, a program's wish to
    be seen among it, until something else comes (obt/xqueue.c, x_source_prepare).
    """
    window = root.create_window(0, 0, 1, 1, 0, X.CopyFromParent, event_mask=X.StructureNotifyMask)
    x = 0
    while deadline.left:
        x += 1  # to where it is already would be no move
        window.configure(x=x)
        soon = Deadline(min(AGAIN, deadline.left))
        while connection.pending_events() or readable(connection.fileno(), soon.left):
            if not connection.pending_events():
                continue
            event = connection.next_event()
            if event.type == X.ConfigureNotify and event.window == window:
                return True
    return False


def _pids(connection: Any, resource: int) -> list[int]:
    """The PIDs of who is connected, of all or of the owner of `resource`, by the server's word.

    X-Resource 1.2 (resproto.txt), QueryClientIds; all servers of xorg-server have it.
    """
    if not connection.has_extension(RESOURCE[0]):
        return []
    from Xlib.ext import res

    asked = connection.res_query_client_ids([{"client": resource, "mask": res.LocalClientPIDMask}])
    return [pid for client in asked.ids for pid in client.value]


def _manager(connection: Any, root: Any, check: int) -> tuple[str, int] | None:
    """Name and PID (0: not known) of the window manager that is there; None while there is none."""
    try:
        named = root.get_full_property(check, X.AnyPropertyType)
        if named is None or not len(named.value):
            return None
        window = connection.create_resource_object("window", named.value[0])
        window.change_attributes(
            event_mask=X.PropertyChangeMask, onerror=error.CatchError(error.BadWindow)
        )
        itself = window.get_full_property(check, X.AnyPropertyType)
        if itself is None or list(itself.value[:1]) != [window.id]:
            return None
        name = window.get_full_property(connection.intern_atom("_NET_WM_NAME"), X.AnyPropertyType)
    except error.BadWindow:
        return None
    value = name.value if name is not None else b""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    title = "".join(it for it in text if it.isprintable()) or "a window manager"
    return title, next(iter(_pids(connection, window.id)), 0)


def _why(root: Any) -> str:
    """What kind of session goes on without it: ICCCM 4.1 has one client redirect the root's."""
    redirected = root.get_attributes().all_event_masks & X.SubstructureRedirectMask
    return "the one that is there does not say so (EWMH)" if redirected else "none is there"
