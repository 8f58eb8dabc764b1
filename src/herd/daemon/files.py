"""Files and directories in places where another user may have laid links.

Rule: a link is followed only where nobody but root and ourselves could have put it; everywhere else it is refused,
or removed where something is to be cleared. All of it blocks: call it in a thread.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# On the way, where a directory may be one to pass through and not to look around in.
_STEP = _DIRECTORY | os.O_PATH
# Not blocking: to open a FIFO must not wait for its writer. And no terminal becomes herdd's own, which systemd starts
# without one: whoever hangs it up would end herdd.
_READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_MAX_LINKS = 40


@contextmanager
def opened_directory(path: Path) -> Iterator[int]:
    """A descriptor of the directory. Raises OSError, ELOOP for a link that others could have laid."""
    descriptor = _walk(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_guarded(path: Path) -> Iterator[int]:
    """As opened_directory(), but for root only one that is_guarded(): else PermissionError.

    A name in it means the same file to us as to whoever chose it, and root makes none where another could have it lie.
    """
    with opened_directory(path) as directory:
        if os.geteuid() == 0 and not is_guarded(path):
            raise PermissionError(errno.EPERM, "others than root can change what is in its directory, or on the way")
        yield directory


def _walk(path: Path) -> int:
    here = os.open("/", _STEP)
    parts = deque(Path(os.path.abspath(path)).parts[1:])
    links = 0
    try:
        while parts:
            name = parts.popleft()
            try:
                step = os.open(name, _STEP, dir_fd=here)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR) or not _is_link(name, here):
                    raise
                links += 1
                if links > _MAX_LINKS or not _is_ours(name, here):
                    raise OSError(errno.ELOOP, "a symbolic link that is not followed", str(path)) from error
                target = os.readlink(name, dir_fd=here)
                parts.extendleft(reversed([part for part in target.split("/") if part]))
                step = os.open("/" if target.startswith("/") else ".", _STEP, dir_fd=here)
            os.close(here)
            here = step
        return os.open(".", _DIRECTORY, dir_fd=here)
    finally:
        os.close(here)


def _is_link(name: str, directory: int) -> bool:
    with suppress(OSError):
        return stat.S_ISLNK(os.lstat(name, dir_fd=directory).st_mode)
    return False


def _is_ours(name: str, directory: int) -> bool:
    """Whether the entry can have been made only by root or by ourselves."""
    trusted = (0, os.geteuid())
    parent, entry = os.fstat(directory), os.lstat(name, dir_fd=directory)
    writable = parent.st_mode & 0o022 and not parent.st_mode & stat.S_ISVTX
    return parent.st_uid in trusted and entry.st_uid in trusted and not writable


def is_guarded(directory: Path) -> bool:
    """Whether only root and we can say what bears a name in it, or in any directory on the way. Raises OSError."""
    trusted = (0, os.geteuid())
    for place in (directory, *directory.parents):
        found = os.lstat(place)
        if found.st_uid not in trusted:
            return False
        if stat.S_ISLNK(found.st_mode):
            if not is_guarded(place.parent / os.readlink(place)):
                return False
        elif found.st_mode & 0o022 and (place == directory or not found.st_mode & stat.S_ISVTX):
            # On the way, a sticky one keeps the entries of others from those who share it.
            return False
    return True


def make_directory(path: Path, mode: int, uid: int, gid: int) -> None:
    """The directory with that owner and mode; parents that are missing become ours, open to pass through."""
    if not path.parent.exists():
        make_directory(path.parent, 0o755, os.geteuid(), os.getegid())
    with opened_directory(path.parent) as parent:
        with suppress(FileExistsError):
            os.mkdir(path.name, 0o700, dir_fd=parent)
        made = os.open(path.name, _DIRECTORY, dir_fd=parent)
    try:
        owner = os.fstat(made).st_uid
        if owner not in (uid, os.geteuid()):
            raise PermissionError(errno.EPERM, f"it belongs to uid {owner}", str(path))
        os.fchown(made, uid, gid)
        os.fchmod(made, mode)
    finally:
        os.close(made)


def write_file(path: Path, content: bytes, mode: int, uid: int, gid: int) -> None:
    """The file with that content, owner and mode; whatever bore its name is replaced, all at once."""
    temporary = f".{path.name}.{secrets.token_hex(8)}"
    with opened_directory(path.parent) as parent:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600, dir_fd=parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                os.fchown(descriptor, uid, gid)
                os.fchmod(descriptor, mode)
            os.rename(temporary, path.name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=parent)
            raise


def remove_file(path: Path) -> None:
    """Remove a name, never what a link of that name points to."""
    with suppress(FileNotFoundError), opened_directory(path.parent) as parent:
        os.unlink(path.name, dir_fd=parent)


def read_file(path: Path, limit: int) -> bytes:
    """A regular file's bytes. Raises OSError, EFBIG for more than `limit` bytes."""
    return _content(os.open(path, _READING), path, limit)


def read_head(path: Path, size: int) -> bytes:
    """As many of a regular file's first bytes. Raises OSError."""
    with _regular(os.open(path, _READING), path) as file:
        return file.read(size)


def read_guarded(path: Path, limit: int) -> bytes:
    """As read_file(), where others may have laid links: theirs are refused (ELOOP), ours and root's followed."""
    for _ in range(_MAX_LINKS):
        with opened_directory(path.parent) as parent:
            if not (_is_link(path.name, parent) and _is_ours(path.name, parent)):
                return _content(_open_entry(path, parent), path, limit)
            path = path.parent / os.readlink(path.name, dir_fd=parent)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _open_entry(path: Path, parent: int) -> int:
    try:
        return os.open(path.name, _READING | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "a symbolic link that is not followed", str(path)) from error
        raise


def _content(descriptor: int, path: Path, limit: int) -> bytes:
    with _regular(descriptor, path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def _regular(descriptor: int, path: Path) -> BinaryIO:
    """The file behind the descriptor, which is closed where it is none to be read."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return open(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def names(directory: Path) -> list[str]:
    """What is in a directory; nothing if it is not there. Raises OSError for a link that others could have laid."""
    try:
        with opened_directory(directory) as top:
            return os.listdir(top)
    except FileNotFoundError:
        return []


def clear(directory: Path, names: tuple[str, ...]) -> None:
    """Remove trees below `directory`; a link on the way is removed itself, nothing behind it."""
    try:
        with opened_directory(directory) as top:
            for name in names:
                _clear_below(top, Path(name).parts)
    except FileNotFoundError:
        return


def _clear_below(directory: int, parts: tuple[str, ...]) -> None:
    name, *rest = parts
    try:
        below = os.open(name, _DIRECTORY, dir_fd=directory)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        os.unlink(name, dir_fd=directory)
        return
    try:
        if rest:
            _clear_below(below, tuple(rest))
    finally:
        os.close(below)
    if not rest:
        shutil.rmtree(name, dir_fd=directory)
