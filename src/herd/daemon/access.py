"""Who asks, and whether they may: the one place that decides, from the socket's peer credentials (unix(7))."""

from __future__ import annotations

import os
import socket
import struct

import trio
from attrs import frozen

from herd.core.action import Access
from herd.core.errors import NotAllowed

_CREDENTIALS = struct.Struct("3i")


@frozen
class Peer:
    """The process at the other end when it connected."""

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket | trio.socket.SocketType) -> Peer:
    """The peer's credentials, as the kernel has them."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Peer(*_CREDENTIALS.unpack(raw))


def check(peer: Peer, access: Access, what: str) -> None:
    """Raise NotAllowed unless the peer may; whoever can connect may read, root and herdd's own user change."""
    if access is Access.READ or peer.uid in (0, os.geteuid()):
        return
    raise NotAllowed(f"cannot {what}: uid {peer.uid} may only read; ask as root or as the user that runs herdd")
