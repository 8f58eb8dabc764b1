"""What a service says of itself to $NOTIFY_SOCKET: the receiving side of sd_notify(3).

The socket has an abstract name, so it needs no file that the service's user could reach; but such names are public
(/proc/net/unix), so what counts is only what the kernel says a process of the service has sent (unix(7), SO_PASSCRED).
One that ended before its message was read cannot be told to be the service's; systemd-notify(1) waits for that reason
until the descriptor it sends along has been closed (sd_notify_barrier(3)).
"""

from __future__ import annotations

import array
import os
import secrets
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Self

import trio
from attrs import frozen

# As systemd's own limit for one message is one page.
MAX_SIZE = 4096
# What shows in one line of a status.
MAX_STATUS = 300
_MAX_DESCRIPTORS = 253  # SCM_MAX_FD of the kernel
_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_ANCILLARY = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(_MAX_DESCRIPTORS * 4)


@frozen
class Notice:
    """One message: what it says of the service as a whole, None or False for what it leaves out."""

    ready: bool = False
    reloading: bool = False
    stopping: bool = False
    watchdog: bool = False
    status: str | None = None
    main_pid: int | None = None


def parse(message: bytes) -> Notice:
    """The message's lines NAME=value; what is not known, or not well formed, is passed over."""
    lines = message.decode("utf-8", "replace").split("\n")
    said = dict(line.split("=", 1) for line in lines if "=" in line)
    status, main_pid = said.get("STATUS"), said.get("MAINPID", "")
    return Notice(
        ready=said.get("READY") == "1",
        reloading=said.get("RELOADING") == "1",
        stopping=said.get("STOPPING") == "1",
        watchdog=said.get("WATCHDOG") == "1",
        status=None if status is None else _printable(status),
        main_pid=int(main_pid) if main_pid.isascii() and main_pid.isdecimal() and len(main_pid) < 10 else None,
    )


def _printable(text: str) -> str:
    """Text of a service's, which a terminal may show."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text.strip())[:MAX_STATUS]


class NotifySocket:
    """The socket of one start: open from entry to exit, iterated over for the notices of the service's processes.

    `belongs` is asked about the sender's pid. `environment` is for the service.
    """

    def __init__(self, belongs: Callable[[int], bool]) -> None:
        self._belongs = belongs
        name = f"org.herdctl/notify/{secrets.token_hex(16)}"
        self.environment = {"NOTIFY_SOCKET": f"@{name}"}
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # Before it has a name: otherwise a message could come without its sender.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        listening.bind(f"\0{name}")
        self._socket = trio.socket.from_stdlib_socket(listening)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Notice:
        """The next notice of the service's; it never ends of itself."""
        while True:
            message, ancillary, flags, _ = await self._socket.recvmsg(MAX_SIZE, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
            descriptors = _descriptors(ancillary)
            try:
                pid = _sender(ancillary)
                if not flags & socket.MSG_TRUNC and pid > 0 and self._belongs(pid):
                    return parse(message)
            finally:
                # Only now: the sender of a barrier lives until they are closed.
                for descriptor in descriptors:
                    with suppress(OSError):
                        os.close(descriptor)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> array.array[int]:
    found = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return found


def _sender(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The pid that the kernel vouches for; 0: none of this namespace."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and len(data) == _CREDENTIALS.size:
            return int(_CREDENTIALS.unpack(data)[0])
    return 0
