"""The pid file of a program that forks and ends its first process (daemon(7), "SysV Daemons").

The kernel tells of changes in the file's directory (inotify(7)), so nothing is polled. The file is the service's
user's: no link is followed, and a number counts only if it is that of a process of the service.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from herd.daemon.census import living_parent
from herd.daemon.files import opened_directory, read_guarded, remove_file

MAX_SIZE = 64
# inotify(7): a file was written to or got the name; the directory got another name. That it has gone always tells.
_MODIFY, _MOVED_TO, _CREATE, _MOVE_SELF = 0x002, 0x080, 0x100, 0x800
_WANTED = _MODIFY | _MOVED_TO | _CREATE | _MOVE_SELF


def forget(path: Path) -> None:
    """Remove what an earlier run left, before the start; never what a link points to. Raises OSError. Blocks."""
    remove_file(path)


async def main_pid(path: Path, belongs: Callable[[int], bool]) -> int:
    """The pid in the file, once it is that of a living process that belongs. To be cancelled at a time limit.

    The file may come late, empty at first, or with half a number. Raises OSError where it cannot be looked at.
    """
    while True:
        with _watched(path.parent) as changes:
            # The watch comes first, so no change is missed.
            pid = await trio.to_thread.run_sync(_read, path)
            if pid is not None and living_parent(pid) is not None and belongs(pid):
                return pid
            await trio.lowlevel.wait_readable(changes)


def _read(path: Path) -> int | None:
    try:
        content = read_guarded(path, MAX_SIZE).strip()
    except FileNotFoundError:
        return None
    # No process has number 0, and no number more digits.
    return int(content) or None if content.isdigit() and len(content) < 10 else None


@contextmanager
def _watched(directory: Path) -> Iterator[int]:
    """A descriptor that is readable after a change in the directory; in the nearest above while there is none."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = _checked(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    try:
        # Again if the directory was made while one above it came under watch.
        while not _watch(libc, descriptor, directory):
            pass
        yield descriptor
    finally:
        os.close(descriptor)


def _watch(libc: ctypes.CDLL, descriptor: int, directory: Path) -> bool:
    """Watch the directory or the nearest one above it that exists; return whether that still is the nearest."""
    missing = None
    for place in (directory, *directory.parents):
        try:
            with opened_directory(place) as opened:
                # Through /proc: this very directory, whatever its name leads to by now.
                name = os.fsencode(f"/proc/self/fd/{opened}")
                _checked(libc.inotify_add_watch(descriptor, name, _WANTED))
            break
        except FileNotFoundError:
            missing = place
    return missing is None or not missing.exists()


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "inotify")
    return result
