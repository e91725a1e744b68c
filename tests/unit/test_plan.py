"""The plan: what is decided from a request and the facts, compared as whole values."""

import pytest

from xsession import plan, seat, server, systemd, xorgconf
from xsession.client import Client
from xsession.display import Display
from xsession.environment import Entry
from xsession.errors import CANNOT_EXECUTE, FAILED, Failure
from xsession.logind import LoginSession
from xsession.placement import Place
from xsession.plan import Facts, Kind, Plan, Request, Step
from xsession.udev import Connector, Gpu
from xsession.variables import Variable

XORG = "/usr/lib/xorg/Xorg"
XVFB = "/usr/bin/Xvfb"
RUNTIME = "/run/user/1000"
AUTHORITY = f"{RUNTIME}/xsession/0/authority"
CARD = Gpu("card0", "virtio_gpu", boot_vga=True, seat="seat0", path="/sys/2/card0")
SECOND = Gpu(
    *("card1", "amdgpu", False, "seat0", "/sys/3/card1", "pci-0000:00:03.0"),
    connectors=(Connector("DP-1", "connected"),),
)
ALONE = seat.Choice(CARD, "the only one of seat0", CARD)
ON_VT1 = LoginSession("1", 1000, "seat0", 1, active=True, type="tty")
ON_SEAT1 = LoginSession("c2", 1000, "seat1", 0, active=True, type="tty")
BY_SSH = LoginSession("3", 1000, "", 0, active=True, type="tty")

# Alice at the prompt of tty1.
FACTS = Facts(
    uid=1000,
    environ={"HOME": "/home/alice", "PATH": "/usr/bin"},
    runtime=RUNTIME,
    manager={"PATH": "/usr/bin"},
    login=ON_VT1,
    vt=1,
    text=True,
    gpus=(CARD,),
    x11_folder="",
    taken={0: ""},
    programs={"xorg": XORG},
    client=Client(("/usr/bin/openbox",)),
    running=(),
    units=True,
)
SEAT1 = FACTS._replace(login=ON_SEAT1, vt=None, gpus=(CARD, CARD._replace(seat="seat1")))
XVFB_FACTS = FACTS._replace(login=None, vt=None, gpus=(), programs={"xvfb": XVFB})
COMMON = ("-auth", AUTHORITY, "-nolisten", "tcp", "-noreset", "-displayfd", "5")
LOG = ("-logfile", f"{RUNTIME}/xsession/Xorg.0.log")
OURS = {"DISPLAY": ":0", "XAUTHORITY": AUTHORITY, "XDG_SESSION_TYPE": "x11"}
SHARED = {name: Variable(value, "xsession") for name, value in OURS.items()}
VT1_PRIVATE = {"XDG_SESSION_ID": "1", "XDG_SEAT": "seat0", "XDG_VTNR": "1"}


def test_a_start_on_vt1() -> None:
    assert plan.make(Request(), FACTS) == Plan(
        display=Display(0),
        kind=server.SERVERS["xorg"],
        place=Place.SESSION,
        login=ON_VT1,
        runtime=RUNTIME,
        folder=f"{RUNTIME}/xsession/0",
        authority=AUTHORITY,
        server=(XORG, ":0", "vt1", "-keeptty", "-novtswitch", *LOG, *COMMON, "-verbose", "3"),
        client=Client(("/usr/bin/openbox",)),
        home="/home/alice",
        timeout=30.0,
        managed=10.0,
        stopping=5.0,
        write_units=False,
        private=False,
        shared=SHARED,
        journal=(
            *(Entry(name, None, value, "xsession") for name, value in OURS.items()),
            Entry("HOME", None, "/home/alice", ""),
            Entry("PATH", "/usr/bin", "/usr/bin", ""),
            *(Entry(name, None, value, "") for name, value in VT1_PRIVATE.items()),
        ),
        own={**VT1_PRIVATE, **OURS},
        passed=FACTS.environ,
        server_environment={},
        gpu=ALONE,
        gpus=(CARD,),
        configuration="",
    )


def test_xorg_is_told_of_a_graphics_device_that_it_would_not_take_itself() -> None:
    facts = FACTS._replace(gpus=(CARD, SECOND))
    choice = seat.Choice(SECOND, "a monitor is plugged in (DP-1)", CARD)
    made = plan.make(Request(), facts)
    assert (made.gpu, made.configuration) == (choice, xorgconf.device_section(SECOND))
    assert made.gpus == (CARD, SECOND)  # a monitor at the other one is the hook's affair as well
    folder = f"{RUNTIME}/xsession/0/xorg.conf.d"
    assert made.server[5:9] == (*LOG, "-configdir", folder)
    lines = str(made).splitlines()
    assert lines[1] == f"# {choice}"
    assert f"# written to {folder}, for that graphics device:" in lines
    assert '# \tBusID "platform:/sys/3/card1"' in lines

    asked = plan.make(Request(gpu="pci-0000:00:03.0"), facts)
    assert asked.configuration == made.configuration

    left = plan.make(Request(), facts._replace(chooser="/etc/X11/xorg.conf"))
    assert left.gpu == choice._replace(left_to="/etc/X11/xorg.conf")
    assert "-configdir" not in left.server


def test_where_udev_knows_no_graphics_device_xorg_is_left_to_its_configuration() -> None:
    made = plan.make(Request(), FACTS._replace(gpus=(CARD._replace(seat="seat1"),)))
    assert (made.gpu, made.configuration) == (None, "")
    assert made.graphics in str(made)


def test_a_start_on_a_seat_without_vts() -> None:
    made = plan.make(Request(), SEAT1)
    assert made.server == (XORG, ":0", "-seat", "seat1", *LOG, *COMMON, "-verbose", "3")
    assert made.own == {"XDG_SESSION_ID": "c2", "XDG_SEAT": "seat1", **OURS}
    assert made.where == "seat1"


def test_a_start_of_xvfb_needs_no_login_session() -> None:
    made = plan.make(Request(server="xvfb", arguments=("-dpi", "96")), XVFB_FACTS)
    assert (made.place, made.login, made.own, made.where) == (Place.UNIT, None, OURS, "")
    assert made.server == (
        *(XVFB, ":0", *COMMON),
        *("-screen", "0", "1280x1024x24", "-dpi", "96"),  # the person's word is the last
    )


def test_a_nested_server_is_given_the_display_that_it_shows_itself_on() -> None:
    outer = {"HOME": "/home/alice", "DISPLAY": ":7", "XAUTHORITY": "/x", "LANG": "C"}
    facts = XVFB_FACTS._replace(environ=outer, programs={"xephyr": "/usr/bin/Xephyr"})
    made = plan.make(Request(server="xephyr"), facts)
    assert made.server_environment == {"DISPLAY": ":7", "XAUTHORITY": "/x"}
    assert made.shared == SHARED


@pytest.mark.parametrize(
    ("request_", "taken", "number"),
    [
        (Request(), {0: ""}, 0),
        (Request(), {0: "in use", 1: "in use", 2: ""}, 2),
        (Request(display=7), {7: ""}, 7),
    ],
)
def test_the_display_is_the_one_asked_for_or_the_first_that_is_free(
    request_: Request, taken: dict[int, str], number: int
) -> None:
    assert plan.make(request_, FACTS._replace(taken=taken)).display == Display(number)


REFUSALS = {
    "no runtime folder": (
        *(Request(), FACTS._replace(runtime="", manager=None)),
        "XDG_RUNTIME_DIR is not set, so there is no user manager to start units with",
        "log in on a VT or by ssh (su and sudo do not make a login session)",
    ),
    "no user manager": (
        *(Request(), FACTS._replace(manager=None)),
        "the user manager does not answer (uid 1000, /run/user/1000)",
        "look at it: systemctl status user@1000.service; if it has failed, log in again,"
        " or as root: systemctl restart user@1000.service",
    ),
    "a second session": (
        *(Request(), FACTS._replace(running=(Display(3),))),
        "a graphical session of this user is running already, on :3",
        "end it: xsession stop; or a second display, apart from it: xsession start --private",
    ),
    "somebody else's graphical session": (
        *(Request(), FACTS._replace(graphical=True)),
        "a graphical session of this user is running already: graphical-session.target is active,"
        " and not by xsession",
        "end it, or a second display, apart from it: xsession start --private",
    ),
    "no login session": (
        *(Request(), FACTS._replace(login=None)),
        "Xorg cannot be started here: this is not a login session",
        "log in on a VT (Ctrl-Alt-F1 to F6) and try there",
    ),
    "ssh": (
        *(Request(), FACTS._replace(login=BY_SSH, vt=None)),
        "Xorg cannot be started here: login session 3 has no seat (an ssh login?)",
        "log in on a VT, or try: xsession start --server xvfb CLIENT",
    ),
    "standard input redirected": (
        *(Request(), FACTS._replace(vt=None)),
        "Xorg cannot be started here: standard input is not the VT of login session 1 (tty1)",
        "type it at the prompt on tty1, with nothing redirected to it",
    ),
    "another VT's terminal": (
        *(Request(), FACTS._replace(vt=4)),
        "Xorg cannot be started here: standard input is tty4, but login session 1 is on tty1",
        "log in on tty4, or type it on tty1",
    ),
    "another's login session": (
        *(Request(), FACTS._replace(uid=1001)),
        "Xorg cannot be started here:"
        " login session 1 is of uid 1000, and this is uid 1001 (su, sudo?)",
        "log in as whom the session is to be of",
    ),
    "root's": (
        *(Request(), FACTS._replace(uid=0, login=ON_VT1._replace(uid=0))),
        "Xorg cannot be started here: Xorg would have root's rights, and needs none",
        "log in as yourself",
    ),
    "seat0 without a VT": (
        *(Request(), FACTS._replace(login=ON_VT1._replace(vt=0), vt=None)),
        "Xorg cannot be started here: login session 1 on seat0 has no VT",
        "log in on a VT",
    ),
    "another VT asked for": (
        *(Request(vt=7), FACTS),
        "VT 7 was asked for, but login session 1 has VT 1"
        " and an unprivileged server can use no other",
        "log in on VT 7 (Ctrl-Alt-F7) and start it there;"
        " or, as root: xsession autologin enable USER --vt 7",
    ),
    "a VT asked for on a seat without": (
        *(Request(vt=7), SEAT1),
        "VT 7 was asked for, but login session c2 has no VT"
        " and an unprivileged server can use no other",
        "leave it out; only seat0 has VTs",
    ),
    "another XDG_VTNR in the manager": (
        *(Request(), FACTS._replace(manager={"XDG_VTNR": "2"})),
        "XDG_VTNR is 2 in the user manager, but this login session has VT 1",
        "log in on VT 2, or: systemctl --user unset-environment XDG_VTNR",
    ),
    "a VT in graphics mode": (
        *(Request(), FACTS._replace(text=False)),
        "VT 1 is in graphics mode: a server runs on it already",
        "find it: ps -t tty1 -o pid,args; or log in on another VT",
    ),
    "no graphics device": (
        *(Request(), SEAT1._replace(gpus=(CARD,))),
        "seat1 has no graphics device (udev knows none with tag master-of-seat)",
        "look at the seat: xsession seats; loginctl seat-status seat1",
    ),
    "a graphics device that is not there": (
        *(Request(gpu="nouveau"), FACTS),
        "seat0 has no graphics device 'nouveau'",
        "it has: card0 (virtio_gpu)",
    ),
    "a graphics device asked for twice": (
        *(Request(gpu="virtio_gpu"), FACTS._replace(chooser="/etc/X11/xorg.conf")),
        "graphics device virtio_gpu was asked for, but /etc/X11/xorg.conf chooses one itself",
        "leave out one of the two",
    ),
    "a graphics device for a server without": (
        *(Request(server="xvfb", gpu="virtio_gpu"), XVFB_FACTS),
        "Xvfb has no graphics device, but one was asked for",
        "leave it out",
    ),
    "a server option that is ours": (
        *(Request(arguments=("-dpi", "96", "-auth", "/x")), FACTS),
        "server option -auth: the authority is written by xsession",
        "leave it out",
    ),
    "another desktop": (
        *(Request(), FACTS._replace(desktop="c2")),
        "a desktop of this user is running already, in login session c2, and has DISPLAY in the"
        " user manager",
        "log out there, or a second display, apart from it: xsession start --private",
    ),
    "logind does not answer": (
        *(Request(), FACTS._replace(login=None, untold="5")),
        "Xorg cannot be started here: logind does not answer for login session 5",
        "look at it: systemctl status systemd-logind",
    ),
    "no server installed": (
        *(Request(), FACTS._replace(programs={"xorg": ""})),
        "Xorg is not installed",
        "as root: apt install xserver-xorg",
    ),
    "a setuid server": (
        *(Request(), FACTS._replace(setuid=True)),
        "/usr/lib/xorg/Xorg would have root's rights, and needs none",
        "as root: chmod u-s /usr/lib/xorg/Xorg",
    ),
    "nothing to show a nested server on": (
        *(Request(server="xephyr"), XVFB_FACTS._replace(programs={"xephyr": "/usr/bin/Xephyr"})),
        "Xephyr cannot be started here: Xephyr shows itself on another display,"
        " and DISPLAY is not set",
        "type it in a terminal on that display, or: export DISPLAY=:0",
    ),
    "a folder of addresses that others can change": (
        *(Request(), FACTS._replace(x11_folder="/tmp/.X11-unix is a symbolic link")),
        "/tmp/.X11-unix is a symbolic link: a display there would not be safe",
        "as root: rm -rf /tmp/.X11-unix; mkdir -m 1777 /tmp/.X11-unix",
    ),
    "the display asked for is taken": (
        *(Request(display=0), FACTS._replace(taken={0: "somebody answers on /tmp/.X11-unix/X0"})),
        "display :0 is taken: somebody answers on /tmp/.X11-unix/X0",
        "leave the number out, and a free one is chosen",
    ),
    "all displays are taken": (
        *(Request(), FACTS._replace(taken={0: "in use", 1: "in use"})),
        "all displays from :0 to :1 are taken (:0: in use)",
        "see who has them: ss -lxp | grep X11-unix",
    ),
    "no client": (
        *(Request(), FACTS._replace(client=None)),
        "no client was named, and there is no rc file and no xterm",
        "try: xsession start PROGRAM, or as root: apt install xterm",
    ),
}


@pytest.mark.parametrize(("request_", "facts", "what", "hint"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_says_why_and_what_to_do(
    request_: Request, facts: Facts, what: str, hint: str
) -> None:
    with pytest.raises(Failure) as refused:
        plan.make(request_, facts)
    assert (refused.value.what, refused.value.hint) == (what, hint)
    assert refused.value.status == FAILED
    assert str(refused.value) == f"{what}\n  {hint}"


def test_a_client_that_cannot_be_started() -> None:
    facts = FACTS._replace(client=Client(objection=("rc is a folder", "move it away")))
    with pytest.raises(Failure) as refused:
        plan.make(Request(), facts)
    assert str(refused.value) == "rc is a folder\n  move it away"
    assert refused.value.status == CANNOT_EXECUTE
    assert plan.make(Request(listen=True), facts).client is None


# -- steps --

PRE, MANAGED = "graphical-session-pre.target", "xsession-managed@0.service"
CLIENT = systemd.run_client(
    "xsession-client@0.service",
    ("/usr/bin/openbox",),
    description="Client of :0: openbox",
    folder="/home/alice",
    variables=("DISPLAY", "HOME", "PATH", "XAUTHORITY", *VT1_PRIVATE, "XDG_SESSION_TYPE"),
    properties=(
        *(f"Wants={PRE}", f"Wants={MANAGED}", f"After=xorg@0.socket xorg.target {PRE}"),
        *("Before=graphical-session.target", "TimeoutStopSec=5s", "KillMode=process"),
    ),
)
UNITS = ("xorg@0.socket", "xorg@0.service")
TARGETS = (
    *("xsession@0.target", "xsession-managed@0.service", "wm.target"),
    *("xorg.target", "xorg-answers.service"),
)
EXPORT = (
    Step(Kind.MAY, systemd.activation_environment(OURS), OURS),
    Step(Kind.MUST, systemd.import_environment(OURS), OURS),
)


def unordered(step: Step) -> Step:
    """A step to be compared: the order of the variables' names is of no account."""
    return step._replace(argv=tuple(sorted(step.argv)))


def test_up_server_environment_client() -> None:
    """The addresses first; the server is begun, and not waited for."""
    made = plan.make(Request(), FACTS)
    expected = (
        Step(Kind.MUST, systemd.start("xorg@0.socket")),
        Step(Kind.SERVER, systemd.start("xorg@0.service")),
        *EXPORT,
        Step(Kind.CLIENT, CLIENT, {**OURS, **VT1_PRIVATE}),
    )
    assert list(map(unordered, made.up)) == list(map(unordered, expected))


def test_down_client_first_then_server_and_addresses_in_one() -> None:
    client = "xsession-client@0.service"
    assert plan.make(Request(), FACTS).down == (
        Step(Kind.PARTS, systemd.stop(*TARGETS, client)),
        Step(Kind.END, systemd.kill(client, "SIGTERM")),
        Step(Kind.LAST, systemd.stop(*UNITS)),
        Step(Kind.LAST, systemd.reset_failed(client)),
    )


def test_listen_starts_no_server_and_no_client() -> None:
    made = plan.make(Request(listen=True), FACTS)
    assert made.client is None
    assert made.up == (Step(Kind.MUST, systemd.start("xorg@0.socket")), *EXPORT)
    assert [step.argv for step in made.down[:2]] == [systemd.stop(*TARGETS), systemd.stop(*UNITS)]


def test_a_script_ends_with_its_helpers_and_a_program_does_not() -> None:
    script = FACTS._replace(client=Client(("/home/alice/.xinitrc",), script=True))
    assert "--property=KillMode=control-group" in plan.make(Request(), script).up[4].argv
    assert "--property=KillMode=process" in plan.make(Request(), FACTS).up[4].argv


@pytest.mark.parametrize(
    ("client", "request_", "prepared"),
    [
        (Client(("/usr/bin/openbox",)), Request(), True),
        (Client(("/home/alice/.xinitrc",), script=True), Request(), False),
        (Client(("/usr/bin/xterm",)), Request(safe=True), False),
    ],
)
def test_resources_come_before_a_client_that_does_not_load_them_itself(
    client: Client, request_: Request, prepared: bool
) -> None:
    facts = FACTS._replace(client=client, prepared_by=("xsession-resources@{number}.service",))
    argv = plan.make(request_, facts).up[4].argv
    assert ("--property=Wants=xsession-resources@0.service" in argv) is prepared


def test_units_as_the_client() -> None:
    client = Client(units=("awesome.service", "dunst.service"), target="wm.target")
    made = plan.make(Request(), FACTS._replace(client=client))
    assert made.up[4:] == (
        Step(Kind.CLIENT, systemd.watch("awesome.service", "dunst.service")),
        Step(Kind.MAY, systemd.start("--no-block", "wm.target", MANAGED)),
    )
    assert made.down[0].argv == systemd.stop(*TARGETS, "awesome.service", "dunst.service")


def test_a_private_display_is_in_no_environment_but_its_clients() -> None:
    facts = FACTS._replace(running=(Display(3),), graphical=True)
    made = plan.make(Request(private=True), facts)
    assert made.shared == {}
    assert [step.kind for step in made.up] == [Kind.MUST, Kind.SERVER, Kind.CLIENT]
    assert made.up[2].variables == {**OURS, **VT1_PRIVATE}
    assert made.down[0].argv == systemd.stop("xsession-client@0.service")


def test_what_the_manager_has_already_is_not_set_again() -> None:
    lang, path = Variable("C.UTF-8", "login shell"), Variable("/usr/bin", "login shell")
    made = plan.make(Request(), FACTS._replace(variables={"LANG": lang, "PATH": path}))
    assert made.shared == {"LANG": lang, **SHARED}


def test_the_desktop_is_told_to_all() -> None:
    client = Client(("/usr/bin/i3",), desktop={"XDG_CURRENT_DESKTOP": "i3"})
    made = plan.make(Request(), FACTS._replace(client=client))
    assert made.shared["XDG_CURRENT_DESKTOP"] == Variable("i3", "xsession")


def test_the_dry_run_of_a_start_with_our_own_unit_files() -> None:
    client = Client(("/bin/sh", "-c", "echo $HOME"), script=True)
    facts = FACTS._replace(units=False, client=client)
    ours = f"DISPLAY=:0 XAUTHORITY={AUTHORITY} XDG_SESSION_TYPE=x11"
    names = "DISPLAY XAUTHORITY XDG_SESSION_TYPE"
    assert str(plan.make(Request(), facts)).splitlines() == [
        "# display :0, seat0, vt1; the server is forked by this process, in its login session",
        f"# {ALONE}",
        "install -d -m 0700 /run/user/1000/xsession/0",
        f"# a new MIT-MAGIC-COOKIE-1 is written to {AUTHORITY}, mode 0600",
        "# unit files are written to /run/user/1000/systemd/user",
        "systemctl --user daemon-reload",
        "systemctl --user start xorg@0.socket",
        "# with both addresses of :0 as LISTEN_FDS, when xorg@0.service asks for it:",
        f"{XORG} :0 vt1 -keeptty -novtswitch -logfile {RUNTIME}/xsession/Xorg.0.log"
        f" -auth {AUTHORITY} -nolisten tcp -noreset -displayfd 5 -verbose 3",
        "systemctl --user start xorg@0.service",
        f"env {ours} dbus-update-activation-environment {names}",
        f"env {ours} systemctl --user import-environment {names}",
        f"env DISPLAY=:0 XAUTHORITY={AUTHORITY} XDG_SEAT=seat0 XDG_SESSION_ID=1"
        " XDG_SESSION_TYPE=x11 XDG_VTNR=1"
        " systemd-run --user --wait --unit=xsession-client@0.service"
        " '--description=Client of :0: sh' --slice=session.slice --service-type=exec"
        " --property=WorkingDirectory=-/home/alice --property=Wants=graphical-session-pre.target"
        " --property=Wants=xsession-managed@0.service"
        " '--property=After=xorg@0.socket xorg.target graphical-session-pre.target'"
        " --property=Before=graphical-session.target --property=TimeoutStopSec=5s"
        " --property=KillMode=control-group --setenv=DISPLAY --setenv=HOME --setenv=PATH"
        " --setenv=XAUTHORITY --setenv=XDG_SEAT --setenv=XDG_SESSION_ID --setenv=XDG_SESSION_TYPE"
        " --setenv=XDG_VTNR -- /bin/sh -c 'echo $$HOME'",
        "# when a window manager is there: systemctl --user start --no-block xsession@0.target"
        " xsession-autostart@0.target",
        "# at the end:",
        "systemctl --user stop xsession@0.target xsession-managed@0.service wm.target xorg.target"
        " xorg-answers.service xsession-client@0.service",
        "systemctl --user kill --kill-who=all --signal=SIGTERM xsession-client@0.service",
        "systemctl --user stop xorg@0.socket xorg@0.service",
        "systemctl --user reset-failed xsession-client@0.service",
        "# what DISPLAY, XAUTHORITY, XDG_SESSION_TYPE were in the user manager is restored",
        "rm -r /run/user/1000/xsession/0",
    ]


def test_the_dry_run_of_listen_names_the_server_only_after_the_addresses() -> None:
    lines = str(plan.make(Request(listen=True), FACTS)).splitlines()
    assert lines.index("systemctl --user start xorg@0.socket") + 2 == next(
        number for number, line in enumerate(lines) if line.startswith(XORG)
    )
    assert "# at the end (Ctrl-C):" in lines
