"""The command line of startx and xinit: a server by its path, options without a client."""

import pytest
from container.session import said, start
from machine import Container


def test_a_server_by_its_path(container: Container, home: str) -> None:
    words = "start -- /usr/bin/Xvfb :3 -screen 0 800x600x24"
    rc = f"HOME={home} XDG_CONFIG_HOME={home}"
    container.run(f"echo 'xdpyinfo >{home}/seen; echo $DISPLAY' >{home}/.xinitrc", "alice")
    container.run(f"{rc} xsession {words}", "alice")
    assert "800x600 pixels" in container.output(f"cat {home}/seen")
    assert "name of display:    :3" in container.output(f"cat {home}/seen")


def test_options_without_a_client_are_xterms(container: Container, home: str) -> None:
    result = start(container, f"-fn fixed -e sh -c 'echo $WINDOWID >{home}/seen'")
    assert result.status == 0
    assert int(container.output(f"cat {home}/seen"))


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("/usr/bin/Xorg", "Xorg cannot be started here: this is not a login session"),
        ("/usr/bin/X", "Xorg cannot be started here: this is not a login session"),
        ("./X", "/home/alice/X is a script, and could lose the display's addresses"),
        ("/usr/bin/Xvnc", "/usr/bin/Xvnc is no server that xsession knows"),
        ("/no/Xvfb", "server '/no/Xvfb': not found"),
    ],
)
def test_a_server_that_is_refused(container: Container, server: str, reason: str) -> None:
    container.run("install -m 0755 /usr/bin/Xorg ~/X", "alice")
    result = container.run(f"xsession start true -- {server}", "alice", check=False)
    container.run("rm ~/X", "alice")
    assert (result.status, said(result).startswith(reason)) == (125, True), result.stderr
