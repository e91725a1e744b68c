"""Sockets: packets of words and descriptors, garbage, and the addresses of a display."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xsession import display, sockets
from xsession.display import Display


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        right.settimeout(10)
        yield left, right


Pair = tuple[socket.socket, socket.socket]


# -- packets --


@pytest.mark.parametrize(
    "words",
    [["stop"], ["failed", "no screens found"], ["ended", "0", ""], ["run", "ä", "--", "-fp", "\n"]],
)
def test_words_arrive_as_they_were_sent(pair: Pair, words: list[str]) -> None:
    left, right = pair
    assert sockets.send(left, *words)
    assert sockets.receive(right) == (words, [])


def test_packets_keep_their_bounds(pair: Pair) -> None:
    left, right = pair
    for number in range(3):
        sockets.send(left, "ended", str(number))
    assert [sockets.receive(right) for _ in range(3)] == [
        (["ended", str(number)], []) for number in range(3)
    ]


def test_descriptors_arrive_and_are_not_inherited(pair: Pair) -> None:
    left, right = pair
    end, other_end = os.pipe()
    assert sockets.send(left, "serve", fds=[other_end])
    packet = sockets.receive(right)
    assert packet is not None
    words, (copy,) = packet
    assert words == ["serve"]
    assert copy != other_end and not os.get_inheritable(copy)
    os.write(copy, b"through")
    assert os.read(end, 99) == b"through"
    sockets.close([copy, end, other_end])


def test_the_other_end_has_gone(pair: Pair) -> None:
    left, right = pair
    left.close()
    assert sockets.receive(right) is None
    assert not sockets.send(right, "ended", "0")


def test_nobody_reads_and_the_sender_is_not_held_up(pair: Pair) -> None:
    left, _ = pair
    left.setblocking(False)
    assert not all(sockets.send(left, "x" * 4000) for _ in range(1000))


def open_fds() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("data", "fds"),
    [
        (b"x" * (sockets.PACKET + 1), 0),
        (b"serve", sockets.MOST_FDS + 1),
        (b"x" * (sockets.PACKET + 1), 3),
    ],
    ids=["too long", "too many descriptors", "both"],
)
def test_too_much_is_refused_and_no_descriptor_stays(pair: Pair, data: bytes, fds: int) -> None:
    left, right = pair
    before = open_fds()
    socket.send_fds(left, [data], [0] * fds)
    with pytest.raises(ValueError):
        sockets.receive(right)
    assert open_fds() == before


def test_an_empty_packet_is_an_end_and_no_descriptor_stays(pair: Pair) -> None:
    left, right = pair
    before = open_fds()
    socket.send_fds(left, [b""], [0])
    assert sockets.receive(right) is None
    assert open_fds() == before


@pytest.mark.parametrize("data", [b"\0", b"\0\0\0", b"\xff\xfe", b"serve\n", os.urandom(4096)])
def test_garbage_is_words_that_mean_nothing_or_a_value_error(pair: Pair, data: bytes) -> None:
    left, right = pair
    left.send(data)
    with contextlib.suppress(ValueError):
        packet = sockets.receive(right)
        assert packet is not None
        assert packet[0][0] not in ("serve", "stop", "ready")


# -- listeners --


def test_a_listener_is_private_and_tells_who_called(tmp_path: Path) -> None:
    path = str(tmp_path / "holder")
    mask = os.umask(0o022)
    with sockets.listen(path) as listener:
        assert os.umask(mask) == 0o022, "the mask is as it was"
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        line = sockets.connect(path)
        assert line is not None
        with line, listener.accept()[0] as accepted:
            assert sockets.peer(accepted) == (os.getpid(), os.getuid())


def test_a_path_that_is_too_long_is_told_so(tmp_path: Path) -> None:
    path = f"{tmp_path}/".ljust(107, "x")
    sockets.listen(path).close()
    with pytest.raises(OSError, match="longer than 107 bytes"):
        sockets.listen(path + "x")


def test_the_caller_s_pid_is_another_process_s(tmp_path: Path) -> None:
    path = str(tmp_path / "holder")
    call = "import socket, sys; s = socket.socket(1, 5); s.connect(sys.argv[1]); s.recv(1)"
    with sockets.listen(path) as listener:
        caller = subprocess.Popen([sys.executable, "-c", call, path])
        listener.settimeout(10)
        with listener.accept()[0] as accepted:
            assert sockets.peer(accepted) == (caller.pid, os.getuid())
        caller.wait(10)


def test_nobody_listens(tmp_path: Path) -> None:
    path = str(tmp_path / "holder")
    assert sockets.connect(path) is None
    sockets.listen(path).close()
    assert os.path.exists(path)
    assert sockets.connect(path) is None


# -- the addresses of a display --


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The addresses' folder, elsewhere than in /tmp, where servers live."""
    folder = tmp_path / "X11"
    folder.mkdir()
    folder.chmod(0o1777)
    for module in (display, sockets):
        monkeypatch.setattr(module, "FOLDER", str(folder))
    return folder


@contextlib.contextmanager
def bound(address: str, *, listening: bool = True) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        if listening:
            server.listen()
        yield


def test_a_display_that_is_free(folder: Path) -> None:
    assert sockets.taken(Display(5)) == ""
    assert list(folder.iterdir()) == [], "looking leaves nothing"
    assert sockets.taken(Display(5)) == ""


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("listening", [True, False])
def test_somebody_has_the_abstract_address(listening: bool) -> None:
    with bound(Display(5).abstract, listening=listening):
        assert sockets.taken(Display(5)) == "its abstract address is in use: Address already in use"
        assert sockets.taken(Display(6)) == ""
    assert sockets.taken(Display(5)) == ""


def test_the_real_abstract_address() -> None:
    far = Display(900 + os.getpid() % 90)
    with bound(f"\0/tmp/.X11-unix/X{far.number}"):
        assert sockets.taken(far) == "its abstract address is in use: Address already in use"


def test_somebody_answers_on_the_path(folder: Path) -> None:
    with bound(str(folder / "X5")):
        assert sockets.taken(Display(5)) == f"somebody answers on {folder}/X5"


def test_a_path_whose_server_has_died_is_ours_to_replace(folder: Path) -> None:
    with bound(str(folder / "X5")):
        pass
    assert (folder / "X5").is_socket()
    assert sockets.taken(Display(5)) == ""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_dead_path_of_somebody_else_is_not(folder: Path) -> None:
    with bound(str(folder / "X5")):
        pass
    os.chown(folder / "X5", 65534, 65534)
    assert sockets.taken(Display(5)) == f"{folder}/X5 belongs to uid 65534"


@pytest.mark.usefixtures("folder")
@pytest.mark.skipif(os.getuid() != 0, reason="the folder must belong to root")
def test_the_folder_is_trusted_as_it_should_be() -> None:
    assert sockets.folder_objection() == ""


@pytest.mark.parametrize(
    ("mode", "said"), [(0o0777, "0777"), (0o1755, "1755"), (0o1770, "1770"), (0o1377, "1377")]
)
@pytest.mark.skipif(os.getuid() != 0, reason="the folder must belong to root")
def test_a_folder_with_another_mode(folder: Path, mode: int, said: str) -> None:
    folder.chmod(mode)
    assert sockets.folder_objection() == f"{folder} has mode {said}, not 1777"
    folder.chmod(0o1777)


def test_a_folder_that_is_none(folder: Path) -> None:
    folder.rmdir()
    assert sockets.folder_objection() == f"{folder}: No such file or directory"
    folder.touch()
    assert sockets.folder_objection() == f"{folder} is not a folder"
    folder.unlink()
    folder.symlink_to(folder.parent)
    assert sockets.folder_objection() == f"{folder} is a symbolic link"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else(folder: Path) -> None:
    os.chown(folder, 65534, 65534)
    assert sockets.folder_objection() == f"{folder} belongs to uid 65534, not to root"


def test_a_path_that_is_served_is_not_removed(folder: Path) -> None:
    with bound(str(folder / "X5")):
        sockets.remove(Display(5))
        assert (folder / "X5").exists()
    sockets.remove(Display(5))
    assert not (folder / "X5").exists()
    sockets.remove(Display(5))


def test_the_path_of_a_start_that_is_about_to_listen_is_not_removed(folder: Path) -> None:
    with bound(Display(5).abstract), bound(Display(5).path, listening=False):
        sockets.remove(Display(5))
        assert (folder / "X5").exists()
    sockets.remove(Display(5))
    assert not (folder / "X5").exists()


# -- the abstract address in our network namespace --


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[str]:
    """A runtime folder in which somebody in our network namespace listens as a user manager."""
    with bound(str(tmp_path / "bus")):
        yield str(tmp_path)


@pytest.mark.usefixtures("folder")
def test_a_free_address_is_reserved_and_nobody_is_served_there(manager: str) -> None:
    reserved = sockets.reserve(Display(5), manager)
    assert reserved is not None
    with reserved, socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(ConnectionRefusedError):
            client.connect(Display(5).abstract)
        with pytest.raises(OSError, match="in use"), bound(Display(5).abstract):
            pass


@pytest.mark.usefixtures("folder")
def test_the_manager_has_it_for_us(manager: str) -> None:
    with bound(Display(5).abstract):
        assert sockets.reserve(Display(5), manager) is None


@pytest.mark.usefixtures("folder")
def test_no_manager_that_could_have_it_for_us(tmp_path: Path) -> None:
    with bound(Display(5).abstract), pytest.raises(OSError):
        sockets.reserve(Display(5), str(tmp_path))


@pytest.mark.usefixtures("folder", "manager")
def test_a_manager_in_another_network_namespace_is_not_in_our_table(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "bus").symlink_to(tmp_path / "bus")
    with bound(Display(5).abstract), pytest.raises(OSError, match="in use"):
        sockets.reserve(Display(5), str(elsewhere))


def test_a_queue_that_is_full_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of a holder that stands still; connect(2) itself says EAGAIN at once."""
    monkeypatch.setattr(sockets, "CONNECT", 0.2)
    path = str(tmp_path / "holder")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(0)
        first = sockets.connect(path)
        assert first
        with first, pytest.raises(TimeoutError):
            sockets.connect(path)


def test_what_was_said_before_the_end_is_heard_though_something_was_not_read() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        sockets.send(ours, "never read")
        sockets.send(theirs, "ended", "0")
        theirs.close()
        assert sockets.receive(ours) == (["ended", "0"], [])
        assert sockets.receive(ours) is None
