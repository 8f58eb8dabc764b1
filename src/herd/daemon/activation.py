"""Sockets that herdd opens for a service and hands to its program (sd_listen_fds(3), systemd.socket(5)).

A Unix socket's file gets its owner and mode while it still refuses every connection. It is made by its real path, for
getsockname(2) tells that path to the program; so that nobody can lay a link on the way, it is made by root only where
root alone can write, and everywhere else with no more rights than the service's user has.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import trio

from herd.core.endpoint import Endpoint
from herd.daemon import files
from herd.daemon.identity import Identity
from herd.daemon.listeners import described, named, shown, taking
from herd.daemon.rights import with_rights_of

_KINDS = {"stream": socket.SOCK_STREAM, "datagram": socket.SOCK_DGRAM}


def open_sockets(endpoints: Sequence[Endpoint], who: Identity) -> list[socket.socket]:
    """A listening socket for each, closed on exec; all or none. Blocks: call it in a thread.

    Raises OSError; its `filename` is the address, its `strerror` says who is in the way if that can be found.
    """
    opened: list[socket.socket] = []
    try:
        for endpoint in endpoints:
            opened.append(_open(endpoint, who))
    except BaseException:
        for each in opened:
            each.close()
        raise
    return opened


def activation_environment(endpoints: Sequence[Endpoint]) -> Mapping[str, str]:
    """What tells the program of its sockets, but for $LISTEN_PID, which daemon/execution.py adds."""
    if not endpoints:
        return {}
    return {"LISTEN_FDS": str(len(endpoints)), "LISTEN_FDNAMES": ":".join(each.name for each in endpoints)}


def remove_socket_files(endpoints: Sequence[Endpoint]) -> None:
    """Remove the files of Unix sockets that are no longer listened to, as far as possible. Blocks."""
    for endpoint in endpoints:
        if isinstance(endpoint.address, Path):
            with suppress(OSError):
                files.remove_file(endpoint.address)


async def wait_for_connection(sockets: Sequence[socket.socket]) -> None:
    """Return once there is something to accept, or to receive, on one of them; nothing is taken."""
    async with trio.open_nursery() as nursery:

        async def wait(one: socket.socket) -> None:
            await trio.lowlevel.wait_readable(one)
            nursery.cancel_scope.cancel()

        for each in sockets:
            nursery.start_soon(wait, each)


def _open(endpoint: Endpoint, who: Identity) -> socket.socket:
    if isinstance(endpoint.address, Path):
        return _open_unix(endpoint, endpoint.address, who)
    return _open_internet(endpoint, *endpoint.address)


def _open_internet(endpoint: Endpoint, host: str, port: int) -> socket.socket:
    every = host == "*"
    six = ":" in host or (every and socket.has_dualstack_ipv6())
    listening = socket.socket(socket.AF_INET6 if six else socket.AF_INET, _KINDS[endpoint.style])
    try:
        if endpoint.style == "stream":
            # Connections of the last run that are still being closed are not in the way.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if six:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not every)
        listening.bind(("" if every else host, port))
        return _listen(listening, endpoint)
    except OSError as error:
        listening.close()
        raise _refusal(error, endpoint, host, port) from error


def _listen(bound: socket.socket, endpoint: Endpoint) -> socket.socket:
    bound.setblocking(endpoint.blocks)
    if endpoint.style == "stream":
        bound.listen(endpoint.backlog)
    return bound


def _refusal(error: OSError, endpoint: Endpoint, host: str, port: int) -> OSError:
    number = error.errno or errno.EINVAL
    reason = os.strerror(number)
    if number == errno.EADDRINUSE and (inodes := taking(host, port, endpoint.style)):
        reason = f"{described(inodes)} listens there"
    return OSError(number, reason, shown(host, port))


def _open_unix(endpoint: Endpoint, path: Path, who: Identity) -> socket.socket:
    if not path.parent.exists():
        files.make_directory(path.parent, 0o755, os.geteuid(), os.getegid())
    bound = socket.socket(socket.AF_UNIX, _KINDS[endpoint.style])
    try:
        # The mode that its file begins with, so that nobody connects or sends before it is the service's.
        os.fchmod(bound.fileno(), 0)
        if files.is_guarded(path.parent):
            _bind(bound, path, endpoint, who)
        elif os.geteuid() == 0 == who.uid:
            raise OSError(errno.EPERM, "others can write to its directory or one above")
        else:
            with_rights_of(who.uid, who.gid, lambda: _bind(bound, path, endpoint, who))
        return _listen(bound, endpoint)
    except OSError as error:
        bound.close()
        number = error.errno or errno.EINVAL
        raise OSError(number, error.strerror or str(error), str(path)) from error


def _bind(bound: socket.socket, path: Path, endpoint: Endpoint, who: Identity) -> None:
    _clear_stale(path)
    bound.bind(str(path))
    if os.geteuid() == 0:
        os.chown(path, who.uid, who.gid, follow_symlinks=False)
    os.chmod(path, endpoint.mode)


def _clear_stale(path: Path) -> None:
    """Remove a socket's file that nobody listens to. Raises OSError for one in use, and for all that is no socket."""
    with suppress(FileNotFoundError), socket.socket(socket.AF_UNIX) as asking:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "something that is no socket has that name")
        # A full queue is EAGAIN, a socket for datagrams EPROTOTYPE: somebody is there.
        asking.setblocking(False)
        result = asking.connect_ex(str(path))
        if result in (0, errno.EAGAIN, errno.EPROTOTYPE):
            peer = struct.unpack("=iII", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            raise OSError(errno.EADDRINUSE, f"{named(peer) if peer > 0 else 'another process'} listens there")
        if result != errno.ECONNREFUSED:
            raise OSError(result, os.strerror(result))
        os.unlink(path)
