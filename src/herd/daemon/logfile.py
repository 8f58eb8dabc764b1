"""A log's file: whole lines appended, moved aside when it is time, and no half line whatever the disk does.

Everything here blocks and is called in threads, one call at a time where the lock says so. A disk that takes no more
costs the lines that do not fit, counted, and nothing else; once it takes some again, a line says how many are missing.
Whatever is opened, renamed or removed is so in a directory that was opened first, through no link of another user.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from herd.daemon import files, rotation
from herd.daemon.lines import STAMP_LENGTH, Block, moment_of
from herd.daemon.logpolicy import LogPolicy
from herd.daemon.rotation import OpenFile

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT


class LogFile:
    """The file and its older ones. `lost` counts lines that could not be written; `reason` is why the last were not.

    `is_elsewhere` than among herdd's logs: there root writes only where nobody else can say what is there.
    """

    def __init__(self, path: Path, policy: LogPolicy, *, is_elsewhere: bool = False) -> None:
        self.path = path
        self._opened = files.opened_guarded if is_elsewhere else files.opened_directory
        # May be replaced at any time.
        self.policy = policy
        self.lost = 0
        self.reason = ""
        # Files were moved aside since it was last taken down.
        self.has_moved = False
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._identity: tuple[int, int] = (0, 0)
        self._size = 0
        self._began = 0.0
        self._is_tidy = False
        # Lost, and the file does not say so yet.
        self._missing = 0

    def append(self, blocks: Iterable[Block]) -> None:
        """Write the blocks in their order. What cannot be written is counted."""
        with self._lock:
            for block in blocks:
                for part in block.parts(self.policy.size):
                    self._append(part)

    def open_all(self) -> list[OpenFile]:
        """Open every file: see rotation.open_all. None where the directory cannot be read."""
        with self._lock, suppress(OSError), self._opened(self.path.parent) as directory:
            return rotation.open_all(directory, self.path.name)
        return []

    def compress_one(self, check: Callable[[], None]) -> bool:
        """Compress one older file; False where none is left to do, or it cannot or need not be done now."""
        if not self.policy.compress:
            return False
        with suppress(OSError), self._opened(self.path.parent) as directory:
            with self._lock:
                self._tidy(directory)
            return rotation.compress_one(directory, self.path.name, self._lock, check)
        return False

    @property
    def is_open(self) -> bool:
        """Whether there is a descriptor to let go of."""
        return self._descriptor is not None

    def close(self) -> None:
        """Let go of the descriptor; the next line opens the file again."""
        with self._lock:
            self._close()

    def _append(self, block: Block) -> None:
        buffers = block.buffers()
        size = sum(map(len, buffers))
        try:
            self._open()
            if self.policy.is_due(self._size, time.time() - self._began, size):
                self._move_aside()
            self._write([*self._notice(block.prefix), *buffers], size)
        except OSError as error:
            self._close()
            self._lose(block.line_count(), error)

    def _open(self) -> None:
        if self._descriptor is not None:
            if self._is_in_place():
                return
            self._close()
        with self._opened(self.path.parent) as directory:
            self._tidy(directory)
            descriptor = rotation.opened(directory, self.path.name, _FLAGS)
        info = os.fstat(descriptor)
        self._descriptor, self._size = descriptor, info.st_size
        self._recognise(info)
        if self._size and os.pread(descriptor, 1, self._size - 1) != b"\n":
            # A crash in the middle of a line: the next one begins its own.
            self._size += os.write(descriptor, b"\n")

    def _recognise(self, info: os.stat_result) -> None:
        """Find out when the file that was opened began."""
        assert self._descriptor is not None
        first = moment_of(os.pread(self._descriptor, STAMP_LENGTH, 0).decode("ascii", "replace"))
        identity = (info.st_dev, info.st_ino)
        if first is not None:
            self._began = first
        elif not info.st_size:
            self._began = time.time()
        elif identity != self._identity:
            # Without stamps nothing tells when it began: before it was last written.
            self._began = info.st_mtime
        self._identity = identity

    def _is_in_place(self) -> bool:
        """Whether somebody else has removed or replaced the file."""
        with suppress(OSError):
            info = os.stat(self.path, follow_symlinks=False)
            return (info.st_dev, info.st_ino) == self._identity
        return False

    def _tidy(self, directory: int) -> None:
        if not self._is_tidy:
            rotation.tidy(directory, self.path.name)
            self._is_tidy = True

    def _move_aside(self) -> None:
        # Where names cannot be changed, the file grows: better than losing lines.
        with suppress(OSError), self._opened(self.path.parent) as directory:
            rotation.move_aside(directory, self.path.name, self.policy.keep)
            self.has_moved = True
            self._close()
        self._open()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _notice(self, prefix: bytes) -> list[bytes]:
        if not self._missing:
            return []
        lines = "1 line is" if self._missing == 1 else f"{self._missing} lines are"
        return [prefix + f"herdd: {lines} missing here: {self.reason}\n".encode()]

    def _write(self, buffers: list[bytes | memoryview], size: int) -> None:
        """Write all of it, or the whole lines that fit, and count the others. Raises OSError if nothing was written."""
        assert self._descriptor is not None
        total = sum(map(len, buffers))
        done = os.writev(self._descriptor, buffers)
        if done < total:
            done = self._write_rest(b"".join(buffers), done, notice=total - size)
        else:
            self._missing = 0
        self._size += done

    def _write_rest(self, data: bytes, done: int, notice: int) -> int:
        """Go on after a short write; returns how much of the data is in the file, in whole lines."""
        assert self._descriptor is not None
        try:
            while done < len(data):
                done += os.write(self._descriptor, memoryview(data)[done:])
        except OSError as error:
            whole = data.rfind(b"\n", 0, done) + 1
            os.ftruncate(self._descriptor, self._size + whole)
            if whole >= notice:
                self._missing = 0
            self._lose(data.count(b"\n", max(whole, notice)), error)
            return whole
        self._missing = 0
        return done

    def _lose(self, lines: int, error: OSError) -> None:
        self.lost += lines
        self._missing += lines
        self.reason = error.strerror or str(error)
