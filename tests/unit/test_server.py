"""The servers: which of the person's arguments are refused, and what a server's words mean."""

import pytest

from xsession import server


@pytest.mark.parametrize(
    ("words", "objection"),
    [
        ([], ""),
        (["-dpi", "96", "-terminate"], ""),
        (["-auth", "/tmp/x"], "server option -auth: the authority is written by xsession"),
        (["-ac", "-seat", "seat1"], "server option -seat: the seat is the login session's"),
        (["-reset"], "server option -reset: a reset destroys the display's addresses"),
        (["-dpi", "96", ":1"], "':1' must stand only once, right after --"),
        (["-dpi", "96", "vt7"], "'vt7' must stand only once, right after --"),
    ],
)
def test_what_only_xsession_may_say(words: list[str], objection: str) -> None:
    assert server.objection(words) == objection


@pytest.mark.parametrize(
    ("path", "interpreter", "wrapper"),
    [
        ("/usr/bin/Xorg", "/bin/sh", True),
        ("/usr/lib/xorg/Xorg.wrap", "", True),
        ("/usr/lib/xorg/Xorg", "", False),  # setuid or not
        ("/usr/local/bin/X", "/bin/sh", False),
        ("/home/alice/X", "/bin/sh", False),
    ],
)
def test_a_distributions_wrapper(path: str, interpreter: str, wrapper: bool) -> None:
    assert server.is_wrapper(path, interpreter) is wrapper


# Words of real servers: Xorg and Xvfb 21.1.7, on standard error and in the log file.
UNKNOWN_OPTION = """\
-keeptty               don't detach controlling tty (for debugging only)
-masterfd <fd>         use the specified fd as the DRM master fd (not if setuid/gid)

(EE)\x20
Fatal server error:
(EE) Unrecognized option: -foo
(EE)\x20
(EE)\x20
Please consult the The X.Org Foundation support\x20
\t at http://wiki.x.org
 for help.\x20
(EE)\x20
"""
NO_SCREENS = """\
(EE) open /dev/dri/card0: No such file or directory
(EE) No devices detected.
(EE)\x20
Fatal server error:
(EE) no screens found(EE)\x20
(EE)\x20
Please consult the The X.Org Foundation support\x20
\t at http://wiki.x.org
 for help.\x20
(EE) Please also check the log file at "/run/user/1000/xsession/Xorg.0.log" for additional information.
(EE)\x20
(EE) Server terminated with error (1). Closing log file.
"""  # noqa: E501
NO_CONSOLE = """\
[  2715.334] (EE) Failed to load module "vesa" (module does not exist, 0)
[  2715.335] (II) modesetting: Driver for Modesetting Kernel Drivers: kms
[  2715.335] (EE)\x20
Fatal server error:
[  2715.335] (EE) xf86OpenConsole: Cannot open virtual console 9 (Permission denied)
[  2715.335] (EE)\x20
[  2715.335] (EE)\x20
Please consult the The X.Org Foundation support\x20
[  2715.335] (WW) xf86CloseConsole: KDSETMODE failed: Bad file descriptor
[  2715.335] (EE) Server terminated with error (1). Closing log file.
"""
UNREADABLE = """\
(==) Using config directory: "/etc/X11/xorg.conf.d"
Parse error on line 2 of section Device in file /etc/X11/xorg.conf.d/99-wrong.conf
\t"Nosuch" is not a valid keyword in this section.
(EE) Problem parsing the config file
"""
NOT_FATAL = """\
(EE) Failed to load module "fbdev" (module does not exist, 0)
(II) LoadModule: "vesa"
(EE) Failed to load module "vesa" (module does not exist, 0)
(WW) Falling back to old probe method for modesetting
"""


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("", ""),
        ("(II) all is well\n", ""),
        ("Fatal server error:\n", ""),
        (UNKNOWN_OPTION, "Unrecognized option: -foo"),
        (NO_SCREENS, "no screens found"),
        (NO_CONSOLE, "xf86OpenConsole: Cannot open virtual console 9 (Permission denied)"),
        (UNKNOWN_OPTION + NO_CONSOLE, NO_CONSOLE.splitlines()[4].split("(EE) ")[1]),
        (
            UNREADABLE + NO_SCREENS,
            "Parse error on line 2 of section Device in file /etc/X11/xorg.conf.d/99-wrong.conf"
            ' "Nosuch" is not a valid keyword in this section.',
        ),
        (
            "(EE) Error systemd-logind returned paused fd for drm node\n" + NO_SCREENS,
            "it asked for its graphics device before logind saw its VT on the screen",
        ),
        (NOT_FATAL, 'Failed to load module "vesa" (module does not exist, 0)'),
    ],
    ids=[
        "nothing",
        "no error",
        "cut off",
        "option",
        "screens",
        "console",
        "the last",
        "a file",
        "a device",
        "not fatal",
    ],
)
def test_what_a_server_said_was_wrong(words: str, error: str) -> None:
    assert server.errors(words) == error
