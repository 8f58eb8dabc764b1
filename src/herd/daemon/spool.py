"""What was read of a program's output and is not in its log yet, kept where the next herdd finds it.

Between a pipe and a log, lines wait for others, and an unfinished line for its end. A herdd that is killed, or executed
anew, leaves them in a file of the runtime directory, which is memory: to add to it costs less than anything else that
is done with a line. The file begins with the pipe's number, for an unfinished line goes on only in the same pipe.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Spool:
    """The file of one service. Bytes are added by the task that reads them and dropped in the threads that write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._head = b""
        self._held = bytearray()
        # The file has what is held.
        self._is_whole = True

    @property
    def size(self) -> int:
        """Bytes that are held."""
        return len(self._held)

    @property
    def is_open(self) -> bool:
        """Whether there is a file."""
        return self._descriptor is not None

    @property
    def is_whole(self) -> bool:
        """Whether the next herdd would find all that is held."""
        return self._is_whole

    def begin(self, pipe: int) -> tuple[bytes, bool]:
        """Take in what an earlier herdd left, and say whether it came out of this same pipe. Blocks."""
        self._head = b"%d\n" % os.fstat(pipe).st_ino
        try:
            head, newline, left = self._path.read_bytes().partition(b"\n")
        except OSError:
            return b"", False
        if left:
            # From here on it is this pipe's.
            self._held[:] = left
            self._rewrite()
        return left, head + newline == self._head

    def add(self, data: bytes) -> None:
        """Hold more. Where the file does not take it, it is not kept: that is no reason to lose it now."""
        with self._lock:
            is_new = self._descriptor is None
            self._held += data
            if is_new:
                self._rewrite()
            elif self._is_whole:
                self._write(data)

    def drop(self, count: int) -> None:
        """So many of the first bytes are in the log. Blocks."""
        with self._lock:
            if count:
                del self._held[:count]
                self._rewrite()

    def keep(self, data: bytes) -> None:
        """Hold this alone. Blocks."""
        with self._lock:
            if data or self._held:
                self._held[:] = data
                self._rewrite()

    def close(self) -> None:
        """Leave the file to the next herdd if there is anything in it, else nothing. Blocks."""
        with self._lock, suppress(OSError):
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            if not self._held:
                self._path.unlink(missing_ok=True)

    def _rewrite(self) -> None:
        """Put what is held in the place of all that the file has."""
        try:
            if self._descriptor is None:
                self._descriptor, self._is_whole = os.open(self._path, _FLAGS, 0o600), False
            os.ftruncate(self._descriptor, len(self._head) if self._is_whole else 0)
        except OSError:
            self._is_whole = False
            return
        if self._held or not self._is_whole:
            self._write(self._held if self._is_whole else self._head + self._held)

    def _write(self, data: bytes | bytearray) -> None:
        assert self._descriptor is not None
        try:
            self._is_whole = os.write(self._descriptor, data) == len(data)
        except OSError:
            self._is_whole = False
        if not self._is_whole:
            # Half a line would be taken for a whole one.
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
