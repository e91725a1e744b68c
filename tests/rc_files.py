"""Rc files of the shapes that people publish, and what is to be seen while they run.

Data only: tests/container runs them under xsession, and whoever compares can under startx.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """An rc file at `path` below the home folder, with its `text` and `mode`.

    `words`: what is typed after `start` (or `startx`). `programs`: those that run soon after, by
    name. `seen`: a command with the display that succeeds soon after. `end`: a command that makes
    the rc end, and `status`: its exit status then; without `end` it goes on for ever.
    """

    text: str
    programs: tuple[str, ...]
    seen: str = "true"
    end: str = ""
    status: int = 0
    path: str = ".xinitrc"
    mode: int = 0o644
    words: str = ""


OPENBOX = "openbox --exit"

SHAPES = {
    # xorg-xinit's own, which Arch installs as /etc/X11/xinit/xinitrc
    "template": Shape(
        """\
#!/bin/sh

userresources=$HOME/.Xresources
usermodmap=$HOME/.Xmodmap
sysresources=/etc/X11/xinit/.Xresources
sysmodmap=/etc/X11/xinit/.Xmodmap

# merge in defaults and keymaps

if [ -f $sysresources ]; then
    xrdb -merge $sysresources
fi
if [ -f $sysmodmap ]; then
    xmodmap $sysmodmap
fi
if [ -f "$userresources" ]; then
    xrdb -merge "$userresources"
fi
if [ -f "$usermodmap" ]; then
    xmodmap "$usermodmap"
fi

# start some nice programs

if [ -d /etc/X11/xinit/xinitrc.d ] ; then
 for f in /etc/X11/xinit/xinitrc.d/?*.sh ; do
  [ -x "$f" ] && . "$f"
 done
 unset f
fi

twm &
xclock -geometry 50x50-1+1 &
xterm -geometry 80x50+494+51 &
xterm -geometry 80x20+494-0 &
exec xterm -geometry 80x66+0+0 -name login
""",
        ("twm", "xclock", "xterm"),
        """xwininfo -root -tree | grep -F '("login" "XTerm")'""",
        end="pkill -o -f 'xterm .*-name login'",
        status=15,
    ),
    "settings and helpers": Shape(
        """\
#!/bin/sh
[[ -f ~/.Xresources ]] && xrdb -merge -I$HOME ~/.Xresources
xrandr --output eDP-1 --auto --output HDMI-1 --off
xset r rate 200 50
xset s off -dpms b off
xsetroot -solid '#222222' -cursor_name left_ptr
setxkbmap -option caps:escape
xinput set-prop "SynPS/2 Synaptics TouchPad" "libinput Tapping Enabled" 1
unclutter &
picom -b
sxhkd -c /dev/null &
xclock &
exec openbox
""",
        ("openbox", "xclock", "sxhkd"),
        "xset q | grep 'repeat delay: *200'",
        end=OPENBOX,
    ),
    "a loop": Shape(
        """\
while true; do
    xsetroot -name "$(date +'%F %R')"
    sleep 1m
done &

while true; do
    openbox 2>~/.openbox.log
done
""",
        ("openbox",),
        "xprop -root WM_NAME | grep -E '[0-9]{4}-'",
    ),
    "a wait": Shape(
        """\
#!/bin/sh
openbox &
wmpid=$!
xclock &
wait $wmpid
exit 3
""",
        ("openbox", "xclock"),
        end=OPENBOX,
        status=3,
        mode=0o755,
    ),
    "dbus-launch": Shape(
        """\
#!/bin/sh
xclock &
exec dbus-launch --exit-with-session openbox
""",
        ("openbox", "xclock", "dbus-daemon"),
        end=OPENBOX,
    ),
    "dbus-launch, evaluated": Shape(
        """\
#!/bin/sh
if test -z "$DBUS_SESSION_BUS_ADDRESS"; then
    eval $(dbus-launch --sh-syntax --exit-with-session)
fi
unset DBUS_SESSION_BUS_ADDRESS
eval "$(dbus-launch --sh-syntax --exit-with-session)"
export DBUS_SESSION_BUS_ADDRESS DBUS_SESSION_BUS_PID
systemctl --user import-environment
exec openbox
""",
        ("openbox", "dbus-daemon"),
        end=OPENBOX,
    ),
    "a case": Shape(
        """\
#!/bin/sh
session=${1:-xfce}

case $session in
    i3|i3wm           ) exec i3 -c /etc/i3/config;;
    openbox           ) exec openbox-session;;
    kde               ) exec startplasma-x11;;
    xfce|xfce4        ) exec startxfce4;;
    # No known session, try to run it as command
    *                 ) exec $1;;
esac
""",
        ("i3",),
        end="i3-msg exit",
        words="~/.xinitrc i3",
    ),
    "ssh-agent around": Shape(
        "#!/bin/sh\nxrdb -merge ~/.Xresources\nexec ssh-agent openbox-session\n",
        ("openbox", "ssh-agent"),
        end=OPENBOX,
        mode=0o755,
    ),
    "agents": Shape(
        """\
#!/bin/bash
. /etc/profile
[ -f ~/.bashrc ] && . ~/.bashrc

eval $(ssh-agent)
trap 'ssh-agent -k' EXIT
export GPG_TTY=$(tty)
gpg-connect-agent updatestartuptty /bye >/dev/null
export SSH_AUTH_SOCK

helpers=(xclock "sxhkd -c /dev/null")
for helper in "${helpers[@]}"; do
    $helper &
done
openbox
""",
        ("openbox", "xclock", "sxhkd", "ssh-agent"),
        end=OPENBOX,
        mode=0o755,
    ),
    "the manager is told": Shape(
        """\
#!/bin/sh
export XDG_SESSION_TYPE=x11 XDG_CURRENT_DESKTOP=bspwm _JAVA_AWT_WM_NONREPARENTING=1
systemctl --user import-environment DISPLAY XAUTHORITY
if command -v dbus-update-activation-environment >/dev/null 2>&1; then
    dbus-update-activation-environment --systemd --all
fi
exec >~/.xsession-errors 2>&1
sxhkd -c /dev/null &
exec bspwm
""",
        ("bspwm", "sxhkd"),
        "grep -qs . ~/.xsession-errors || true",
        end="bspc quit",
    ),
    "nothing is left": Shape(
        """\
#!/bin/sh
unset DBUS_SESSION_BUS_ADDRESS SESSION_MANAGER XDG_RUNTIME_DIR XDG_SESSION_ID
unset LANG LC_ALL
export PATH=/usr/bin:/bin HOME=/tmp
cd /
(sleep 0.2; setsid -f xclock) &
nohup openbox >/dev/null 2>&1
exit 0
""",
        ("openbox", "xclock"),
        end=OPENBOX,
    ),
    "sxrc": Shape(
        """\
#!/bin/sh
# sx runs it with the display and authority set, and ends the server when it has ended
xsetroot -solid black &
xclock &
until [ -e ~/.stop ]; do
    openbox
done
rm ~/.stop
""",
        ("openbox", "xclock"),
        end="touch ~/.stop; openbox --exit",
        path=".config/sx/sxrc",
        mode=0o755,
    ),
    # Debian's own way: Xsession runs it, after its parts
    "xsession": Shape(
        "xclock &\nopenbox\nexit 4\n",
        ("openbox", "xclock"),
        "grep -q 'Xsession: X session started for' ~/.xsession-errors",
        end=OPENBOX,
        status=4,
        path=".xsession",
    ),
}
