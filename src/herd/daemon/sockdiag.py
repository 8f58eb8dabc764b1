"""What the tables of /proc/net do not tell of sockets: the kernel answers over netlink (sock_diag(7))."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

_NETLINK_SOCK_DIAG, _BY_FAMILY, _REQUEST_DUMP = 4, 20, 0x301
_DONE, _ERROR = 3, 2
_PROTOCOLS = {"stream": socket.IPPROTO_TCP, "datagram": socket.IPPROTO_UDP}
# The states in which a socket waits for others, as bits: of TCP it listens, of UDP it has no other end.
_WAITING = {"stream": 1 << 10, "datagram": 1 << 7}
_MESSAGE, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=HH")
# struct inet_diag_req_v2, and where in a struct inet_diag_msg the inode is and its attributes begin.
_REQUEST, _INODE, _ATTRIBUTES = struct.Struct("=BBBxI48x"), 68, 72
_SKV6ONLY = 11
_BLOCK = 64 * 1024


def ipv6_only(style: Literal["stream", "datagram"]) -> set[int]:
    """The inodes of IPv6 sockets that wait for others and take nothing by IPv4; none where the kernel does not tell.

    Those of herdd's own network namespace. Blocks.
    """
    found: set[int] = set()
    with suppress(OSError), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        request = _REQUEST.pack(socket.AF_INET6, _PROTOCOLS[style], 0, _WAITING[style])
        kernel.sendto(_MESSAGE.pack(_MESSAGE.size + len(request), _BY_FAMILY, _REQUEST_DUMP, 1, 0) + request, (0, 0))
        for body in _answers(kernel):
            if _attribute(body, _SKV6ONLY) == b"\1":
                found.add(int.from_bytes(body[_INODE : _INODE + 4], sys.byteorder))
    return found


def _answers(kernel: socket.socket) -> Iterator[bytes]:
    """The body of each message up to the last."""
    while data := kernel.recv(_BLOCK):
        while data:
            length, kind, *_ = _MESSAGE.unpack_from(data)
            if kind in (_DONE, _ERROR):
                return
            yield data[_MESSAGE.size : length]
            data = data[_aligned(length) :]


def _attribute(body: bytes, wanted: int) -> bytes | None:
    at = _ATTRIBUTES
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if kind == wanted:
            return body[at + _ATTRIBUTE.size : at + length]
        at += _aligned(length)
    return None


def _aligned(length: int) -> int:
    return (length + 3) & ~3
