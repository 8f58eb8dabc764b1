"""Old logs: NAME.log becomes NAME.log.1, .2 and so on, which are compressed by and by (NAME.log.1.gz).

Moving aside is a few renames and keeps nobody waiting; compressing takes its time and happens beside it. Whatever
step a crash comes after, each line is in some file with a number: a file is removed only once its compressed form
has its name, and where both are there the first is the one that counts.
All functions block, and raise OSError.
"""

from __future__ import annotations

import gzip
import itertools
import os
import re
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import NamedTuple

PIECE = 256 * 1024
# Never through a symbolic link, and no terminal in its place becomes herdd's own.
FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# Created for root and its group alone.
MODE = 0o640


class OpenFile(NamedTuple):
    """A log's file, or an older one, open to be read up to the size that it had."""

    descriptor: int
    # Bytes.
    size: int
    packed: bool


def rotated(path: Path) -> list[tuple[int, Path]]:
    """The numbers and names of a log's older files, the newest first."""
    form = re.compile(re.escape(path.name) + r"\.([1-9]\d*)(\.gz)?")
    found = ((form.fullmatch(name), name) for name in os.listdir(path.parent))
    return sorted((int(match[1]), path.parent / name) for match, name in found if match)


def tidy(path: Path) -> None:
    """Remove what a crash may have left: an unfinished compressed file, one beside the file it was made from."""
    _temporary(path).unlink(missing_ok=True)
    for (number, plain), (other, packed) in itertools.pairwise(rotated(path)):
        if number == other:
            assert (plain.suffix, packed.suffix) == (f".{number}", ".gz")
            packed.unlink()


def move_aside(path: Path, keep: int) -> None:
    """Give the log the number 1 and each older one the next, up to the first number that is free."""
    taken = dict(rotated(path))
    free = next(number for number in itertools.count(1) if number not in taken)
    for number in range(free - 1, 0, -1):
        os.rename(taken[number], _numbered(path, number + 1, taken[number].suffix))
    os.rename(path, _numbered(path, 1))
    for number, old in rotated(path):
        if number > keep:
            old.unlink()


def compress_one(path: Path, lock: AbstractContextManager[object], check: Callable[[], None]) -> bool:
    """Compress the newest of the older files that is not; False where there is none.

    The lock is held while names change; `check` is called from time to time and may raise.
    """
    with lock:
        plain = [old for _, old in rotated(path) if old.suffix != ".gz"]
        if not plain:
            return False
        source = os.open(plain[0], os.O_RDONLY | FLAGS)
    temporary = _temporary(path)
    try:
        if _compress(source, temporary, check):
            with lock:
                _replace(path, source, temporary)
    finally:
        os.close(source)
        temporary.unlink(missing_ok=True)
    return True


def _compress(source: int, target: Path, check: Callable[[], None]) -> bool:
    """False where the file was removed meanwhile."""
    info = os.fstat(source)
    with (
        os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | FLAGS, MODE), "wb") as file,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=info.st_mtime) as packed,
    ):
        while data := os.read(source, PIECE):
            check()
            if not os.fstat(source).st_nlink:
                return False
            packed.write(data)
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))
    return True


def _replace(path: Path, source: int, packed: Path) -> None:
    """Put the compressed file where its source is by now, which may have got another number."""
    for number, old in rotated(path):
        if os.path.samestat(old.stat(follow_symlinks=False), os.fstat(source)):
            os.rename(packed, _numbered(path, number, ".gz"))
            old.unlink()


def open_all(path: Path) -> list[OpenFile]:
    """A log and its older files, the newest first. Whoever gets them closes them."""
    opened: list[OpenFile] = []
    for each in (path, *(old for _, old in rotated(path))):
        with suppress(OSError):
            descriptor = os.open(each, os.O_RDONLY | FLAGS)
            info = os.fstat(descriptor)
            if stat.S_ISREG(info.st_mode):
                opened.append(OpenFile(descriptor, info.st_size, each.suffix == ".gz"))
            else:
                os.close(descriptor)
    return opened


def _numbered(path: Path, number: int, suffix: str = "") -> Path:
    return path.with_name(f"{path.name}.{number}{'.gz' if suffix == '.gz' else ''}")


def _temporary(path: Path) -> Path:
    # No log and no older one is called that: they end with log, a number, or a number and gz.
    return path.with_name(f"{path.name}.gz.new")
