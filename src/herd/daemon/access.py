"""Who asks, and whether they may: the one place that decides, from the socket's peer credentials (unix(7)).

A role is looked up for each call, so that a reload counts for those who are connected already.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import socket
import struct
from collections.abc import Callable

import trio
from attrs import frozen

from herd.core.errors import HerdError, NotAllowed
from herd.core.role import Access, Role
from herd.daemon.users import user_name

_CREDENTIALS = struct.Struct("3i")
# socket(7) has no name for it in Python: the supplementary groups at the time of connecting.
_SO_PEERGROUPS = 59
# Python gives getsockopt no more; and as many bytes as the groups of a process may take (NGROUPS_MAX).
_USUAL_GROUPS, _MOST_GROUPS = 1024, 65536 * 4
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


@frozen
class Peer:
    """The process at the other end when it connected."""

    pid: int
    uid: int
    gid: int
    # The other groups.
    groups: tuple[int, ...] = ()


def peer_of(connection: socket.socket | trio.socket.SocketType) -> Peer:
    """The peer's credentials, as the kernel has them."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    groups = _groups(connection)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return Peer(pid, uid, gid, struct.unpack(f"{len(groups) // 4}I", groups))


def _groups(connection: socket.socket | trio.socket.SocketType) -> bytes:
    try:
        return connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _USUAL_GROUPS)
    except OSError as error:
        if error.errno != errno.ERANGE:
            # A kernel before 4.13: the main group alone counts.
            return b""
    buffer, size = ctypes.create_string_buffer(_MOST_GROUPS), ctypes.c_uint(_MOST_GROUPS)
    libc = ctypes.CDLL(None)
    failed = libc.getsockopt(connection.fileno(), socket.SOL_SOCKET, _SO_PEERGROUPS, buffer, ctypes.byref(size))
    return b"" if failed else buffer.raw[: size.value]


class Client:
    """Whoever is connected; it may speak for somebody elsewhere, and then has less."""

    def __init__(self, peer: Peer, access: Callable[[], Access]) -> None:
        self.peer = peer
        self._access = access
        self._cap: Role | None = Role.ADMIN
        self._user: str | None = None
        # For whom it speaks, as it says.
        self.person: str | None = None
        # It reads no files but its descriptors, and writes none.
        self.is_remote = False

    @property
    def role(self) -> Role | None:
        """What it has now."""
        peer = self.peer
        role = self._access().role(peer.uid, (peer.gid, *peer.groups))
        return None if role is None or self._cap is None else min(role, self._cap)

    @property
    def sees_people(self) -> bool:
        """Whether it may be told of people: in notes, and in lines of logs, which hold names and addresses."""
        role = self.role
        return role is not None and role >= Role.MODERATOR

    @property
    def who(self) -> tuple[int, str | None]:
        """The user, and for whom it speaks: people who share a user are told apart."""
        return self.peer.uid, self.person

    @property
    def is_own(self) -> bool:
        """Whether it is root, or herdd's own user, and speaks for nobody else."""
        return self.peer.uid in (0, os.geteuid()) and not self.is_remote

    def represent(self, role: Role, person: str | None) -> None:
        """Speak for somebody elsewhere from now on, with no more than that role. Nothing takes it back."""
        if person is not None and not _NAME.fullmatch(person):
            raise HerdError(f"cannot speak for {person!r}: a name has letters, digits and . _ @ + - in it, 64 at most")
        if self.person is not None:
            raise HerdError(f"cannot speak for another: this connection is {self.person}'s; make one of its own")
        self._cap = None if self._cap is None else min(role, self._cap)
        self.person, self.is_remote = person, True

    def renounce(self) -> None:
        """Have no role from now on."""
        self._cap = None

    async def user(self) -> str:
        """The user's name, looked up in a thread: that may ask a network."""
        if self._user is None:
            name = await trio.to_thread.run_sync(user_name, self.peer.uid)
            self._user = f"uid {name}" if name.isdigit() else name
        return self._user

    async def author(self) -> str:
        """Whose doing it is: the user, and the person that it says it speaks for."""
        user = await self.user()
        return user if self.person is None else f"{user} ({self.person})"

    async def check(self, role: Role, what: str) -> None:
        """Raise NotAllowed unless the client has the role."""
        has = self.role
        if has is not None and has >= role:
            return
        owned = "no role" if has is None else has.word
        raise NotAllowed(
            f"cannot {what}: it needs the role {role.word}, and {await self.author()} has {owned}; "
            "ask an admin, or for the role: [access] in herd.toml gives it"
        )
