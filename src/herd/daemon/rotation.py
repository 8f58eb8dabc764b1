"""Old logs: NAME.log becomes NAME.log.1, .2 and so on, which are compressed by and by (NAME.log.1.gz).

Moving aside is a few renames and keeps nobody waiting; compressing takes its time and happens beside it. Whatever
step a crash comes after, each line is in some file with a number: a file is removed only once its compressed form
has its name, and where both are there the first is the one that counts.
All functions block, and raise OSError. They are given a directory's descriptor and a name in it: whatever is laid on
the way to the directory meanwhile leads none of them astray.
"""

from __future__ import annotations

import errno
import gzip
import itertools
import os
import re
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import NamedTuple

PIECE = 256 * 1024
# Never through a symbolic link, and no terminal in its place becomes herdd's own.
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# Created for root and its group alone.
_MODE = 0o640


class OpenFile(NamedTuple):
    """A log's file, or an older one, open to be read up to the size that it had."""

    descriptor: int
    # Bytes.
    size: int
    packed: bool


def rotated(directory: int, name: str) -> list[tuple[int, str]]:
    """The numbers and names of a log's older files, the newest first."""
    form = re.compile(re.escape(name) + r"\.([1-9]\d*)(\.gz)?")
    found = ((form.fullmatch(each), each) for each in os.listdir(directory))
    return sorted((int(match[1]), each) for match, each in found if match)


def opened(directory: int, name: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor of an ordinary file."""
    descriptor = os.open(name, flags | _FLAGS, _MODE, dir_fd=directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no ordinary file", name)
    return descriptor


def tidy(directory: int, name: str) -> None:
    """Remove what a crash may have left: an unfinished compressed file, one beside the file it was made from."""
    _remove(directory, _temporary(name))
    for (number, plain), (other, packed) in itertools.pairwise(rotated(directory, name)):
        if number == other:
            assert (_is_packed(plain), _is_packed(packed)) == (False, True)
            os.unlink(packed, dir_fd=directory)


def move_aside(directory: int, name: str, keep: int) -> None:
    """Give the log the number 1 and each older one the next, up to the first number that is free."""
    taken = dict(rotated(directory, name))
    free = next(number for number in itertools.count(1) if number not in taken)
    for number in range(free - 1, 0, -1):
        _rename(directory, taken[number], _numbered(name, number + 1, packed=_is_packed(taken[number])))
    _rename(directory, name, _numbered(name, 1))
    for number, old in rotated(directory, name):
        if number > keep:
            os.unlink(old, dir_fd=directory)


def compress_one(directory: int, name: str, lock: AbstractContextManager[object], check: Callable[[], None]) -> bool:
    """Compress the newest of the older files that is not; False where there is none.

    The lock is held while names change; `check` is called from time to time and may raise.
    """
    with lock:
        plain = [old for _, old in rotated(directory, name) if not _is_packed(old)]
        if not plain:
            return False
        source = opened(directory, plain[0])
    try:
        if _compress(directory, source, _temporary(name), check):
            with lock:
                _replace(directory, name, source)
    finally:
        os.close(source)
        _remove(directory, _temporary(name))
    return True


def _compress(directory: int, source: int, target: str, check: Callable[[], None]) -> bool:
    """False where the file was removed meanwhile."""
    info = os.fstat(source)
    with (
        os.fdopen(opened(directory, target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=info.st_mtime) as packed,
    ):
        while data := os.read(source, PIECE):
            check()
            if not os.fstat(source).st_nlink:
                return False
            packed.write(data)
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns), dir_fd=directory, follow_symlinks=False)
    return True


def _replace(directory: int, name: str, source: int) -> None:
    """Put the compressed file where its source is by now, which may have got another number."""
    for number, old in rotated(directory, name):
        if os.path.samestat(os.stat(old, dir_fd=directory, follow_symlinks=False), os.fstat(source)):
            _rename(directory, _temporary(name), _numbered(name, number, packed=True))
            os.unlink(old, dir_fd=directory)


def open_all(directory: int, name: str) -> list[OpenFile]:
    """A log and its older files, the newest first. Whoever gets them closes them."""
    found: list[OpenFile] = []
    for each in (name, *(old for _, old in rotated(directory, name))):
        with suppress(OSError):
            descriptor = opened(directory, each)
            found.append(OpenFile(descriptor, os.fstat(descriptor).st_size, _is_packed(each)))
    return found


def _rename(directory: int, name: str, other: str) -> None:
    os.rename(name, other, src_dir_fd=directory, dst_dir_fd=directory)


def _remove(directory: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


def _is_packed(name: str) -> bool:
    return name.endswith(".gz")


def _numbered(name: str, number: int, *, packed: bool = False) -> str:
    return f"{name}.{number}{'.gz' if packed else ''}"


def _temporary(name: str) -> str:
    # No log and no older one is called that: they end with log, a number, or a number and gz.
    return f"{name}.gz.new"
