"""Sockets that herdd opens for a service: where, whose, and who is in the way."""

from __future__ import annotations

import errno
import os
import pwd
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from herd.core.endpoint import Endpoint, parse_endpoint
from herd.core.service import Program
from herd.daemon.activation import activation_environment, open_sockets, remove_socket_files, wait_for_connection
from herd.daemon.identity import Identity, identity
from ports import free_port

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can play another user")
ME = identity(Program(("true",)))
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    # What another test left may be collected meanwhile.
    assert set(os.listdir("/proc/self/fd")) <= before


@pytest.fixture
def nobody() -> Identity:
    return identity(Program(("true",), user="nobody"))


def opened(stack: ExitStack, *endpoints: Endpoint, who: Identity = ME) -> list[socket.socket]:
    return [stack.enter_context(each) for each in open_sockets(endpoints, who)]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of root's that every user may pass through, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


# Internet sockets.


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("[::1]", ["::1"]),
        ("0.0.0.0", ["127.0.0.1"]),
        ("[::]", ["::1"]),
        ("*", ["127.0.0.1", "::1"]),
    ],
)
@pytest.mark.parametrize("style", ["stream", "datagram"])
def test_where_it_listens(address: str, reached: list[str], style: str) -> None:
    with ExitStack() as stack:
        endpoint = parse_endpoint(f"{address}:{free_port()}", "stream" if style == "stream" else "datagram")
        (listening,) = opened(stack, endpoint)
        assert not listening.get_inheritable()
        for host in ("127.0.0.1", "::1"):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            client = stack.enter_context(socket.socket(family, listening.type))
            # A datagram that nobody takes is refused only afterwards.
            result = client.connect_ex((host, endpoint.address[1]))  # type: ignore[index]
            if style == "datagram":
                client.setblocking(False)
                client.send(b"x")
                result = client.connect_ex((host, endpoint.address[1])) or client.getsockopt(  # type: ignore[index]
                    socket.SOL_SOCKET, socket.SO_ERROR
                )
            assert (result == 0) == (host in reached)


def test_both_families_beside_each_other() -> None:
    port = free_port()
    with ExitStack() as stack:
        opened(stack, parse_endpoint(f"0.0.0.0:{port}"), parse_endpoint(f"[::]:{port}"))


def test_a_port_is_free_again_at_once() -> None:
    port = free_port()
    for _ in range(2):
        with ExitStack() as stack:
            (listening,) = opened(stack, parse_endpoint(f"127.0.0.1:{port}"))
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            # Closed by the server first, the connection lingers on its side.
            listening.accept()[0].close()
            assert client.recv(1) == b""


@pytest.mark.parametrize("style", ["stream", "datagram"])
def test_who_has_the_port(style: str) -> None:
    kind = f"socket.{'SOCK_STREAM' if style == 'stream' else 'SOCK_DGRAM'}"
    code = (
        f"import socket; s = socket.socket(type={kind}); s.bind(('127.0.0.1', 0)); {style == 'stream'} and s.listen()"
    )
    code += "; print(s.getsockname()[1], flush=True); input()"
    with subprocess.Popen((sys.executable, "-c", code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        endpoint = parse_endpoint(f"127.0.0.1:{port}", "stream" if style == "stream" else "datagram")
        # The first is closed again.
        with pytest.raises(OSError, match=rf"\(pid {child.pid}\) listens there") as caught:
            open_sockets((parse_endpoint(f"127.0.0.1:{free_port()}"), endpoint), ME)
        assert (caught.value.errno, caught.value.filename) == (errno.EADDRINUSE, f"127.0.0.1:{port}")
        child.communicate(b"\n")


def test_an_address_of_another_machine() -> None:
    with pytest.raises(OSError, match="Cannot assign requested address") as caught:
        open_sockets((parse_endpoint("192.0.2.1:80"),), ME)
    assert caught.value.filename == "192.0.2.1:80"


# Unix sockets.


def test_a_unix_socket_bears_its_real_path(tmp_path: Path) -> None:
    path = tmp_path / "run/socket"
    with ExitStack() as stack:
        (listening,) = opened(stack, Endpoint(path, mode=0o666))
        assert listening.getsockname() == str(path)
        found = os.lstat(path)
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o666, os.geteuid())
        stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
    assert path.exists()
    remove_socket_files((Endpoint(path), Endpoint(path), Endpoint(("*", 80))))
    assert not path.exists()


def test_datagrams(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with ExitStack() as stack:
        (receiving,) = opened(stack, Endpoint(path, "datagram"))
        stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)).sendto(b"x", str(path))
        assert receiving.recv(2) == b"x"


@as_root
@pytest.mark.parametrize("owner", [0, NOBODY.pw_uid])
def test_its_file_is_the_users(place: Path, nobody: Identity, owner: int) -> None:
    os.chown(place, owner, owner)
    before = os.umask(0o077)
    try:
        with ExitStack() as stack:
            opened(stack, Endpoint(place / "socket", mode=0o660), who=nobody)
            found = os.lstat(place / "socket")
    finally:
        os.umask(before)
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (nobody.uid, nobody.gid, 0o660)
    # The other threads, this one among them, have the rights they had.
    assert os.access("/root", os.W_OK)
    (place / "still root").mkdir()
    assert os.lstat(place / "still root").st_uid == 0


@as_root
def test_nobody_is_let_in_before_it_has_its_owner(
    place: Path, nobody: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []

    def chown(path: Path, *arguments: int, **options: bool) -> None:
        modes.append(stat.S_IMODE(os.lstat(path).st_mode))

    monkeypatch.setattr(os, "chown", chown)
    with ExitStack() as stack:
        opened(stack, Endpoint(place / "socket", mode=0o666), who=nobody)
    assert modes == [0]


@as_root
def test_a_users_directory_leads_nowhere_that_the_user_cannot_go(place: Path, nobody: Identity) -> None:
    theirs, secret = place / "theirs", place / "secret"
    theirs.mkdir()
    os.chown(theirs, nobody.uid, nobody.gid)
    secret.mkdir(0o700)
    (theirs / "link").symlink_to(secret)
    with pytest.raises(PermissionError) as caught:
        open_sockets((Endpoint(theirs / "link/socket"),), nobody)
    assert caught.value.filename == str(theirs / "link/socket")
    assert list(secret.iterdir()) == []
    # Root has no lesser rights to make it with.
    with pytest.raises(PermissionError, match="others can write"):
        open_sockets((Endpoint(theirs / "socket"),), ME)


@pytest.mark.parametrize("style", ["stream", "datagram"])
def test_a_file_that_nobody_answers_for_is_replaced(tmp_path: Path, style: str) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if style == "stream" else socket.SOCK_DGRAM) as left:
        left.bind(str(path))
    inode = os.lstat(path).st_ino
    with ExitStack() as stack:
        (listening,) = opened(stack, Endpoint(path))
        stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
        assert listening.getsockname() == str(path)
    assert inode


@pytest.mark.parametrize("style", ["stream", "datagram"])
def test_one_that_somebody_answers_for_is_left(tmp_path: Path, style: str) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if style == "stream" else socket.SOCK_DGRAM) as theirs:
        theirs.bind(str(path))
        if style == "stream":
            theirs.listen(0)
        for _ in range(3):
            with pytest.raises(OSError, match="listens there") as caught:
                open_sockets((Endpoint(path),), ME)
            assert (caught.value.errno, caught.value.filename) == (errno.EADDRINUSE, str(path))
    assert path.is_socket()


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_what_is_no_socket_is_left(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "socket"
    if kind == "file":
        path.touch()
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.mkdir()
    with pytest.raises(FileExistsError, match="no socket has that name"):
        open_sockets((Endpoint(path),), ME)
    assert [each.name for each in tmp_path.iterdir()] == ["socket"]


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="path too long") as caught:
        open_sockets((Endpoint(tmp_path / ("x" * 108)),), ME)
    assert caught.value.filename == str(tmp_path / ("x" * 108))


# Handing over, and waiting.


def test_what_the_program_is_told() -> None:
    assert activation_environment((Endpoint(("*", 1), name="a"), Endpoint(("*", 2)))) == {
        "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:unknown",
    }  # fmt: skip
    assert activation_environment(()) == {}


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_it_waits_for_whoever_comes_first(tmp_path: Path, which: int) -> None:
    port = free_port()
    unix, datagram = tmp_path / "stream", tmp_path / "datagram"
    with ExitStack() as stack:
        endpoints = (Endpoint(("127.0.0.1", port)), Endpoint(unix), Endpoint(datagram, "datagram"))
        sockets = opened(stack, *endpoints)
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait_for_connection, sockets)
                await wait_all_tasks_blocked()
                assert nursery.child_tasks
                if which == 0:
                    stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                elif which == 1:
                    stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(unix))
                else:
                    stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)).sendto(b"x", str(datagram))
            # Nothing was taken: it is there for the program.
            await wait_for_connection(sockets)
            if which < 2:
                sockets[which].setblocking(False)
                sockets[which].accept()[0].close()
