"""Files that somebody else writes anew, told by the kernel (inotify(7)); no library on trio does that.

What is watched are directories: a certificate is renewed by putting another file, or link, in the place of its name.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import trio

_CLOSE_WRITE, _MOVED_TO, _CREATE, _DELETE, _ATTRIB = 0x8, 0x80, 0x100, 0x200, 0x4
_WANTED = _CLOSE_WRITE | _MOVED_TO | _CREATE | _DELETE | _ATTRIB
_BLOCK = 64 * 1024
_LIBC = ctypes.CDLL(None, use_errno=True)


@asynccontextmanager
async def watching(paths: Iterable[Path]) -> AsyncIterator[AsyncIterator[None]]:
    """Tells, from entry to exit, when something next to one of the files has changed. Raises OSError."""
    descriptor = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    try:
        for directory in await trio.to_thread.run_sync(_directories, tuple(paths)):
            if _LIBC.inotify_add_watch(descriptor, os.fsencode(directory), _WANTED) < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(directory))
        async with aclosing(_changes(descriptor)) as changes:
            yield changes
    finally:
        os.close(descriptor)


def _directories(paths: tuple[Path, ...]) -> set[Path]:
    """Where their names are, and where the files are that links lead to."""
    return {path.parent for path in paths} | {path.resolve().parent for path in paths}


async def _changes(descriptor: int) -> AsyncGenerator[None, None]:
    while True:
        await trio.lowlevel.wait_readable(descriptor)
        # Whatever it says: who asks looks at the files.
        os.read(descriptor, _BLOCK)
        yield
