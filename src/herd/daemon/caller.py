"""Who asked for an action, and that one's files: read and written with that one's rights, as if `herd` had done it.

A name is the caller's: it counts from the caller's working directory, and /dev/stdin and /dev/fd/N are the caller's
descriptors, so that a secret can come from a pipe. (Bash makes one of `<(pass show jami)`.)
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeVar

import trio

from herd.core.errors import HerdError
from herd.daemon.access import Client, Peer
from herd.daemon.rights import with_rights_of

T = TypeVar("T")

_OWN_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/([0-9]+)")
_STANDARD_INPUT = "/dev/stdin"
# Seconds that whoever writes into a pipe has for all of it.
_PATIENCE = 60.0


class PeerCaller:
    """The process at the other end of the socket (core/action.py, Caller)."""

    def __init__(self, peer: Peer, name: str, *, is_remote: bool = False) -> None:
        self.name = name
        self._peer = peer
        self._is_remote = is_remote

    @classmethod
    async def of(cls, client: Client) -> PeerCaller:
        """The client's process, and whose doing it is."""
        return cls(client.peer, await client.author(), is_remote=client.is_remote)

    async def read_file(self, name: str, limit: int) -> bytes:
        """The content of a file, or of a pipe up to its end. Raises HerdError."""
        try:
            content = await _read(await self._with_rights(name, _open), limit)
        except OSError as error:
            raise HerdError(f"cannot read {name}: {error.strerror}; name a file that {self.name} may read") from error
        if len(content) > limit:
            raise HerdError(f"cannot read {name}: it has more than {limit} bytes; name another file")
        return content

    async def write_new_files(self, files: Mapping[str, bytes]) -> None:
        """Files of the caller's that were not there, readable by the caller alone; all or none. Raises HerdError."""
        made: list[str] = []
        with trio.CancelScope(shield=True):
            for name, content in files.items():
                try:
                    await self._with_rights(name, partial(_write, content=content))
                    made.append(name)
                except OSError as error:
                    for each in made:
                        await self._with_rights(each, _remove)
                    reason = f"{error.strerror}; name a file that is not there yet"
                    raise HerdError(f"cannot write {name}: {reason}") from error

    async def _with_rights(self, name: str, work: Callable[[str, int], T]) -> T:
        peer = self._peer
        if os.geteuid() not in (0, peer.uid):
            raise HerdError(
                f"cannot open {name}: herdd is not root and has no rights of {self.name}'s; ask as its user"
            )
        if self._is_remote and name != _STANDARD_INPUT and not _OWN_DESCRIPTOR.fullmatch(name):
            # Files of this host, opened with rights that are not those of whoever is elsewhere.
            raise HerdError(f"cannot open {name}: from elsewhere only /dev/stdin can be read; send it there")
        return await trio.to_thread.run_sync(self._do, name, work)

    def _do(self, name: str, work: Callable[[str, int], T]) -> T:
        """Find its place with our own rights, for some callers' /proc/PID are root's; open it with the caller's."""
        own = _OWN_DESCRIPTOR.fullmatch("/dev/fd/0" if name == _STANDARD_INPUT else name)
        found = os.open(f"/proc/{self._peer.pid}/{f'fd/{own[1]}' if own else 'cwd'}", os.O_PATH | os.O_CLOEXEC)
        try:
            place = f"/proc/self/fd/{found}" if own else name
            return with_rights_of(self._peer.uid, self._peer.gid, lambda: work(place, found))
        finally:
            os.close(found)


def _open(place: str, directory: int) -> int:
    # Not blocking: to open a pipe must not wait for its writer. And a terminal must not become herdd's own, or whoever
    # hangs it up would end herdd.
    descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=directory)
    if os.fstat(descriptor).st_dev == os.stat("/proc").st_dev:
        # Whatever leads to /proc/self would be about herdd, which may see all of itself.
        os.close(descriptor)
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    return descriptor


async def _read(descriptor: int, limit: int) -> bytes:
    """Up to one byte more than `limit`; closes the descriptor. Raises OSError."""
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return await trio.to_thread.run_sync(_read_file, descriptor, limit)
        with trio.move_on_after(_PATIENCE):
            return await _read_pipe(descriptor, limit)
        raise OSError(errno.ETIMEDOUT, "its end did not come")
    finally:
        os.close(descriptor)


def _read_file(descriptor: int, limit: int) -> bytes:
    content = bytearray()
    while len(content) <= limit and (part := os.read(descriptor, limit + 1 - len(content))):
        content += part
    return bytes(content)


async def _read_pipe(descriptor: int, limit: int) -> bytes:
    content = bytearray()
    while len(content) <= limit:
        await trio.lowlevel.wait_readable(descriptor)
        if not (part := os.read(descriptor, limit + 1 - len(content))):
            break
        content += part
    return bytes(content)


def _remove(place: str, directory: int) -> None:
    with suppress(OSError):
        os.unlink(place, dir_fd=directory)


def _write(place: str, directory: int, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(place, flags, 0o600, dir_fd=directory)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        # A half of it would be taken for the whole.
        _remove(place, directory)
        raise
