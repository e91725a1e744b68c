"""The autologin of a person: who is logged in at boot, on which seat and VT, with which session.

A drop-in is written where xlogin@.service as it stands will not do. The unit with all its drop-ins,
also those of an administrator, is what the other verbs read.
"""

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xsession import account, files, logind, server, system, tty, xlogin
from xsession.errors import Failure
from xsession.logind import LoginSession, Seat
from xsession.xlogin import SEAT, TEMPLATE, VT, Autologin, getty_on

DROP_IN = "autologin.conf"
WRITTEN_BY = "# Written by: xsession autologin enable"  # removed when the package is purged
FILE = "FragmentPath"
FREE = -1  # as a VT: the first that is free


# -- look, decide --


@dataclass(frozen=True)
class Wish:
    """What was typed. `vt`: None if nothing was said of it."""

    user: str
    seat: str = SEAT
    vt: int | None = None
    words: tuple[str, ...] = ()
    once: bool = False


@dataclass(frozen=True)
class Facts:
    """What was seen. `objection`: to the account (see account.objection). `gettys`: VTs with a
    getty of their own; `automatic`: how many, from the first on, get one when they are looked at;
    `reserved`: the one that logind keeps for one. `allocated`: those that the kernel holds.
    """

    objection: tuple[str, str] = ("", "")
    uid: int = -1
    seats: Sequence[Seat] = ()
    sessions: Sequence[LoginSession] = ()
    others: Sequence[Autologin] = ()
    gettys: Sequence[int] = ()
    automatic: int = 0
    reserved: int = 0
    allocated: Sequence[int] = ()


def decide(wish: Wish, facts: Facts) -> Autologin:
    """The autologin that was wished for. Raises Failure with the way out."""
    what, hint = facts.objection
    if what:
        raise Failure(f"{wish.user} would not be logged in: {what}", hint)
    arguments = wish.words[wish.words.index("--") + 1 :] if "--" in wish.words else ()
    if objection := server.objection(arguments):
        raise Failure(objection, "leave it out")
    seat = _seat(wish.seat, facts)
    if not seat.tty:
        if wish.vt is not None:
            raise Failure(f"{seat.name} has no VTs", "leave --vt out; only seat0 has them")
        for other in facts.others:
            if other.seat == seat.name:
                raise Failure(
                    f"{seat.name} has an autologin already: {other.user}'s",
                    f"end that one: xsession autologin disable {other.user}",
                )
        vt = 0
    elif wish.vt == FREE:
        vt = _free_vt(facts)
    else:
        vt = VT if wish.vt is None else wish.vt
        if objection := _objection_to_vt(vt, facts):
            raise Failure(f"VT {vt} {objection}", "another one: --vt N, or the first: --vt free")
    return Autologin(wish.user, seat.name, vt, wish.words, wish.once)


def _seat(name: str, facts: Facts) -> Seat:
    for seat in facts.seats:
        if seat.name == name:
            if not seat.graphical:
                hint = f"look at it: loginctl seat-status {name}"
                raise Failure(f"{name} has no graphics device (CanGraphical=no)", hint)
            return seat
    there = ", ".join(seat.name for seat in facts.seats) or "none"
    raise Failure(f"there is no seat {name!r}", f"there are: {there}")


def _objection_to_vt(vt: int, facts: Facts) -> str:
    """Why an autologin cannot have a VT, or nothing. A getty there makes room for it."""
    if vt == facts.reserved:
        return "is kept by logind for a login prompt (ReserveVT=), which would end the session"
    for other in facts.others:
        if other.vt == vt:
            return f"has an autologin already: {other.user}'s"
    return xlogin.in_use(vt, facts.uid, facts.sessions)


def _free_vt(facts: Facts) -> int:
    """The first VT from the usual one on that nobody has or gets."""
    own = {it.vt for it in facts.sessions if it.uid == facts.uid}
    busy = {*facts.gettys, *(set(facts.allocated) - own)}
    for vt in range(max(VT, facts.automatic + 1), tty.LAST_VT + 1):
        if vt not in busy and not _objection_to_vt(vt, facts):
            return vt
    raise Failure(f"no VT from {VT} to {tty.LAST_VT} is free", "see: xsession seats")


def look(wish: Wish) -> Facts:
    """See all that `decide` depends on."""
    who = account.look(wish.user)
    gettys = {getty_on(vt): vt for vt in range(1, tty.LAST_VT + 1)}
    users = [user for user in system.instances(TEMPLATE) if user != wish.user]
    return Facts(
        objection=account.objection(who, account.today()),
        uid=who.uid if who else -1,
        seats=logind.seats(),
        sessions=logind.sessions(),
        others=tuple(it for it in map(xlogin.of, users) if it and _is_enabled(it)),
        gettys=tuple(gettys[unit] for unit, on in system.is_enabled(gettys).items() if on),
        automatic=logind.gettys(),
        reserved=system.reserved_vt(),
        allocated=tty.allocated(),
    )


def _is_enabled(autologin: Autologin) -> bool:
    return system.is_enabled((autologin.unit,)).get(autologin.unit, False)


# -- the verbs --


def enable(wish: Wish) -> int:
    """`xsession autologin enable`: decide, write the drop-in, enable the unit."""
    _need_root(f"xsession autologin enable {wish.user}")
    _refuse_name(wish.user)
    if xlogin.of(wish.user) is None:
        raise Failure("xlogin@.service is not installed", "install the package of xsession")
    autologin = decide(wish, look(wish))
    path = _drop_in(wish.user)
    if autologin.drop_in:
        _write(path, f"{WRITTEN_BY}\n{autologin.drop_in}")
        print(f"wrote {path}:")
        print("\n".join(f"    {line}" for line in autologin.drop_in.splitlines()))
    elif _remove(path):
        print(f"removed {path}: {autologin.unit} does without")
    system.must("enable", "--quiet", autologin.unit)
    print(f"enabled {autologin.unit}: {wish.user} is logged in at boot, on {autologin.where}")
    for note in notes(autologin):
        print(f"note: {note}")
    print(f"at once: systemctl start {autologin.unit}")
    return 0


def notes(autologin: Autologin) -> list[str]:
    """What may keep an autologin from what is expected of it."""
    said = []
    target = system.systemctl("get-default").output
    if target != "graphical.target":
        said.append(
            f"this machine boots to {target}, which does not start it;"
            " to change that: systemctl set-default graphical.target"
        )
    others = system.show("display-manager.service", ("Id", "UnitFileState"))
    if autologin.vt and others.get("UnitFileState") == "enabled":
        said.append(
            f"{others.get('Id', 'a display manager')} is enabled too, and both want the screen;"
            " to end that: systemctl disable display-manager.service"
        )
    return said


def disable(user: str) -> int:
    """`xsession autologin disable`: undo `enable`. What runs goes on."""
    _need_root(f"xsession autologin disable {user}")
    _refuse_name(user)
    autologin = Autologin(user)
    there = user in system.instances(TEMPLATE)
    if _remove(_drop_in(user)):
        print(f"removed {_drop_in(user)}")
        there = True
    if not there:
        raise Failure(f"{user} has no autologin", "see: xsession autologin status")
    system.must("disable", "--quiet", autologin.unit)
    system.must("daemon-reload")
    print(f"disabled {autologin.unit}")
    if system.show(autologin.unit, ("ActiveState",)).get("ActiveState") == "active":
        print(f"it still runs; to end it: systemctl stop {autologin.unit}")
    return 0


def status(user: str) -> int:
    """`xsession autologin status [USER]`: what is configured, how it goes; 3 for nothing."""
    users = [user] if user else system.instances(TEMPLATE)
    lines: list[str] = []
    for autologin in filter(None, map(xlogin.of, users)):
        states = ("ActiveState", "SubState", "Result")
        now = system.show(autologin.unit, states)
        enabled = _is_enabled(autologin)
        if user and not enabled and now["ActiveState"] == "inactive":
            continue
        drop_ins = system.show(autologin.unit, ("DropInPaths",)).get("DropInPaths", "")
        lines += [
            f"{autologin.user}: {autologin.where}, {'enabled' if enabled else 'not enabled'}",
            f"  session  {shlex.join(autologin.words) or 'the default of xsession start'}",
            f"  then     {'a login prompt' if autologin.once else 'logged in again'}",
            f"  now      {now['ActiveState']} ({now['SubState']})",
            *(f"  reason   {line}" for line in xlogin.reason(autologin).splitlines()),
            *(f"  drop-in  {path}" for path in drop_ins.split()),
        ]
    if not lines:
        tty.say(f"{user} has no autologin" if user else "nobody has an autologin")
        return 3
    tty.say(tty.folded("\n".join(lines), 11))
    return 0


def by(folder: Path) -> list[str]:
    """The users who have an autologin by the unit file in that folder."""
    return [
        user
        for user in system.instances(TEMPLATE)
        if Path(system.show(Autologin(user).unit, (FILE,)).get(FILE, "")).parent == folder
    ]


def _need_root(command: str) -> None:
    if os.geteuid() != 0:
        what = f"an autologin is a matter of {system.UNITS}, which root alone may change"
        raise Failure(what, f"try: sudo {command}")


def _refuse_name(user: str) -> None:
    """A user's name is part of unit names and paths: systemd.unit(5)."""
    if not re.fullmatch(r"[A-Za-z0-9_:.\\][A-Za-z0-9_:.\\@-]*", user) or user in (".", ".."):
        raise Failure(f"{user!r} cannot be part of a unit's name", "see: getent passwd")


def _drop_in(user: str) -> Path:
    return Path(system.UNITS, f"{Autologin(user).unit}.d", DROP_IN)


def _write(path: Path, text: str) -> None:
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise Failure(f"could not write {path}: {text!a} is not UTF-8") from None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(str(path), content)
    except OSError as error:
        raise Failure(f"could not write {path}: {error.strerror}") from None


def _remove(path: Path) -> bool:
    """Remove our drop-in, and its folder if nothing else is in it; whether it was there."""
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Failure(f"could not remove {path}: {error.strerror}") from None
    if not any(path.parent.iterdir()):
        path.parent.rmdir()
    return True
