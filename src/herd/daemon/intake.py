"""A program's output on its way out of the pipe: whole lines at once, the unfinished one once it has come to its end.

What a quiet program writes is in the spool until it is said to be in the log; of a flood only the unfinished line is,
for its lines are written as soon as they were read.
"""

from __future__ import annotations

import fcntl
import os
import select
import threading
from contextlib import suppress

from herd.daemon.lines import MAX_LINE, Splitter
from herd.daemon.spool import Spool

# What is read in a turn of the main loop; whoever fills it is a flood.
GLANCE = 64 * 1024
# The pipe's size: the most that pipe(7) gives without privileges.
_PIPE = 1024 * 1024
# What is stamped and written at once, in a thread; and how much of that a thread does in a turn.
CHUNK = 512 * 1024
TURN = 8 * 1024 * 1024
# Milliseconds for which a thread waits for more of a flood: to come back to it would cost two switches of threads.
_MOMENT = 5
_thread = threading.local()


def _buffer() -> bytearray:
    """This thread's: a flood that had to have memory found for each part of it would be half as fast."""
    if not hasattr(_thread, "buffer"):
        _thread.buffer = bytearray(MAX_LINE + CHUNK)
    buffer: bytearray = _thread.buffer
    return buffer


class Intake:
    """The reading end of a pipe, which does not block. `spool` None: what is not written is lost with herdd."""

    def __init__(self, output: int, spool: Spool | None) -> None:
        self._output = output
        self._spool = spool
        self._splitter = Splitter()
        # It writes faster than the main loop should read.
        self.floods = False
        self._poll = select.poll()
        self._poll.register(output, select.POLLIN)
        with suppress(OSError):
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, _PIPE)

    def resume(self) -> bytes:
        """The whole lines that an earlier herdd had read and not written; an unfinished one of this pipe goes on."""
        if self._spool is None:
            return b""
        left, is_same = self._spool.begin(self._output)
        body = self._splitter.feed(left)
        return body if is_same else body + self._splitter.rest()

    def glance(self) -> tuple[bytes, int]:
        """The whole lines of one read, and how much was read: 0 at the end. Raises BlockingIOError."""
        data = os.read(self._output, GLANCE)
        if self._spool is not None and data:
            self._spool.add(data)
        self.floods = len(data) == GLANCE
        return self._splitter.feed(data), len(data)

    def gulp(self) -> tuple[bytes | memoryview, int]:
        """The whole lines of up to CHUNK bytes that lie in the pipe, and how much was read. Blocks.

        They are good until this thread takes a gulp again, and are to be written at once; after the last comes hold().
        """
        buffer = _buffer()
        view, held = memoryview(buffer), self._splitter.held()
        end = start = len(held)
        buffer[:start] = held
        if self.floods:
            self._poll.poll(_MOMENT)
        with suppress(OSError):
            while end < start + CHUNK and (count := os.readv(self._output, [view[end : start + CHUNK]])):
                end += count
        whole = buffer.rfind(b"\n", 0, end) + 1
        # Only where nothing is whole the rest may be too long.
        return self._splitter.hold(bytes(view[whole:end])) or view[:whole], end - start

    def hold(self, taken: int) -> None:
        """So much was taken in gulps, and all of it is written but the unfinished line. Blocks."""
        self.floods = taken >= GLANCE
        if self._spool is not None:
            self._spool.keep(self._splitter.held())

    def rest(self, *, is_over: bool) -> bytes:
        """The unfinished line, with a newline, where no more of it comes, or the next herdd would not find it."""
        if is_over or self._spool is None or not self._spool.is_whole:
            return self._splitter.rest()
        return b""

    @property
    def spooled(self) -> int:
        """Bytes in the spool that whole lines are made of."""
        return 0 if self._spool is None else self._spool.size - self._splitter.size

    @property
    def is_spooled(self) -> bool:
        """Whether there is a file to close."""
        return self._spool is not None and self._spool.is_open

    def written(self, count: int) -> None:
        """So many of those bytes are in the log. Blocks."""
        if self._spool is not None:
            self._spool.drop(count)

    def close(self) -> None:
        """Leave to the next herdd what is not written. Blocks."""
        if self._spool is not None:
            self._spool.close()
