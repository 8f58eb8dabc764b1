"""A service's output, captured line by line into its log file, a time stamp a line.

One task reads the pipe, so lines keep their order. A quiet service's lines are read in its turn of the main loop, shown
at once to whoever follows, and written a moment later, many in one go. A flood is read, stamped and written in a
thread, a bounded part at a time, so that others have their turns. Whoever follows gets the lines from here, so
following needs neither a look at the file nor access to it.
"""

from __future__ import annotations

import fcntl
import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar, TypeVarTuple, Unpack

import trio

from herd.daemon.compressor import Compressor
from herd.daemon.follower import Follower
from herd.daemon.lines import Block, Splitter
from herd.daemon.logfile import LogFile
from herd.daemon.logread import ROOM, not_before, read_last
from herd.daemon.recent import Recent
from herd.daemon.rotation import OpenFile, RotationPolicy

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

# What is read in a turn of the main loop; whoever fills it is a flood.
GLANCE = 64 * 1024
# What is stamped at once, in a thread.
CHUNK = 256 * 1024
# The pipe's size (the most that pipe(7) gives without privileges), and what a thread reads in a turn.
TURN = 1024 * 1024
# Seconds that lines may wait for others before they are written.
LINGER = 0.05
# Threads for all logs together: floods and readers leave the others to those who start services.
_WRITERS, _READERS = 4, 2


class ServiceLog:
    """The log of one service: its file, its last lines, its followers.

    `log` is another file than DIRECTORY/NAME.log, or False for none: then lines are shown and thrown away.
    """

    writers, readers = trio.CapacityLimiter(_WRITERS), trio.CapacityLimiter(_READERS)

    def __init__(
        self,
        name: str,
        directory: Path,
        log: Path | Literal[False] | None = None,
        *,
        policy: RotationPolicy | None = None,
        compressor: Compressor | None = None,
    ) -> None:
        self.name = name
        self.path = log or directory / f"{name}.log"
        self._file = None if log is False else LogFile(self.path, policy or RotationPolicy())
        self._compressor = compressor
        if self._file is not None and compressor is not None:
            # An earlier herdd may have left it something to do.
            compressor.add(self._file)
        self._recent = Recent()
        self._followers: set[Follower] = set()
        # Shown, and not written yet.
        self._pending: list[Block] = []
        self._pending_bytes = 0
        self._due = math.inf
        self._order = trio.Lock()

    @property
    def lost(self) -> int:
        """Lines that could not be written to the file."""
        return self._file.lost if self._file else 0

    @property
    def recent(self) -> list[str]:
        """The last lines that came, stamped."""
        return self._recent.lines()

    async def write(self, lines: list[bytes]) -> None:
        """Stamp and keep whole lines, in the order of the calls."""
        if lines:
            self._take(Block.now(b"".join(line + b"\n" for line in lines)))
        await self._flush()

    async def capture(self, output: int, seen: Callable[[str], None]) -> None:
        """Read `output` to its end; when cancelled, what is there is still taken.

        `seen` is called with what came: the text of one or more whole lines, joined by newlines.
        """
        with suppress(OSError):
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, TURN)
        splitter = Splitter()
        try:
            while await self._turn(output, splitter, seen):
                pass
        finally:
            # The end must not lose lines: what lies in the pipe and an unfinished last line.
            with trio.CancelScope(shield=True):
                await self._drain(output, splitter, seen)
                if rest := splitter.rest():
                    self._take(Block.now(rest), seen)
                await self._flush()
                if self._file:
                    await self._in_thread(self._file.close)

    async def _turn(self, output: int, splitter: Splitter, seen: Callable[[str], None]) -> bool:
        """Take what there is, once there is something; False at the end."""
        with trio.CancelScope(deadline=self._due) as patience:
            await trio.lowlevel.wait_readable(output)
        if patience.cancelled_caught:
            await self._flush()
            return True
        data = os.read(output, GLANCE)
        if body := splitter.feed(data):
            self._take(Block.now(body), seen)
        if len(data) == GLANCE:
            await self._drain(output, splitter, seen)
        elif trio.current_time() >= self._due:
            await self._flush()
        return bool(data)

    async def _drain(self, output: int, splitter: Splitter, seen: Callable[[str], None]) -> None:
        """Read, write and show what lies in the pipe, as much as a turn allows."""
        # What was taken from the pipe is kept and shown, even if the end comes meanwhile.
        async with self._order:
            with trio.CancelScope(shield=True):
                blocks = await self._in_thread(self._pump, output, splitter, self._take_pending())
            for block in blocks:
                self._show(block, seen)

    def _pump(self, output: int, splitter: Splitter, pending: list[Block]) -> list[Block]:
        """The blocking part of _drain."""
        self._append(pending)
        blocks: list[Block] = []
        left = TURN
        while left > 0:
            data = _read(output, CHUNK)
            if body := splitter.feed(data):
                blocks.append(Block.now(body))
                self._append(blocks[-1:])
            # Less than was asked for: the writer is slower than this.
            left -= CHUNK if len(data) == CHUNK else left
        return blocks

    def _show(self, block: Block, seen: Callable[[str], None] | None = None) -> None:
        """Tell all who look on."""
        self._recent.add(block)
        for follower in self._followers:
            follower.put(self.name, block)
        if seen is not None:
            seen(block.text())

    def _take(self, block: Block, seen: Callable[[str], None] | None = None) -> None:
        """Show the block, and let it be written soon."""
        self._show(block, seen)
        if self._file is None:
            return
        self._pending.append(block)
        self._pending_bytes += len(block.body)
        self._due = min(self._due, trio.current_time() + LINGER)
        if self._pending_bytes >= CHUNK:
            self._due = -math.inf

    def _take_pending(self) -> list[Block]:
        pending, self._pending = self._pending, []
        self._pending_bytes, self._due = 0, math.inf
        return pending

    async def _flush(self) -> None:
        """Write what waits to be written."""
        async with self._order:
            if self._pending:
                with trio.CancelScope(shield=True):
                    await self._in_thread(self._append, self._take_pending())

    def _append(self, blocks: list[Block]) -> None:
        if self._file is not None:
            self._file.append(blocks)

    async def _in_thread(self, work: Callable[[Unpack[Arguments]], T], *arguments: *Arguments) -> T:
        result = await trio.to_thread.run_sync(work, *arguments, limiter=self.writers)
        if self._compressor is not None and self._file is not None and self._file.has_moved:
            self._file.has_moved = False
            self._compressor.add(self._file)
        return result

    # What others ask.

    async def tail(
        self, count: int, since: float | None = None, *, follower: Follower | None = None, room: int = ROOM
    ) -> list[str]:
        """The last `count` lines, oldest first, none from before `since`; of memory where there is no file.

        `since` is in seconds since the epoch. `room` bounds the bytes. `follower` gets all that comes after them, until
        leave().
        """
        async with self._order:
            # Without an await in between: each line is either here or comes to the follower.
            recent, pending = self.recent, self._take_pending()
            if follower is not None:
                self._followers.add(follower)
            with trio.CancelScope(shield=True):
                files = await self._in_thread(self._open_all, pending)
        lines = not_before(recent[-count:] if count else [], since)
        if files:
            # It closes the files, so it has to begin.
            with trio.CancelScope(shield=True):
                lines = await trio.to_thread.run_sync(read_last, files, count, since, room, limiter=self.readers)
        return lines

    def _open_all(self, pending: list[Block]) -> list[OpenFile]:
        return self._file.snapshot(pending) if self._file else []

    def leave(self, follower: Follower) -> None:
        """Let the follower get no more."""
        self._followers.discard(follower)


@contextmanager
def following(logs: Iterable[ServiceLog]) -> Iterator[Follower]:
    """A follower to be given to tail(), which leaves the logs at the end."""
    follower = Follower()
    try:
        yield follower
    finally:
        for log in logs:
            log.leave(follower)


def _read(output: int, most: int) -> bytes:
    """What lies in a pipe, in as many reads as it takes."""
    parts: list[bytes] = []
    left = most
    with suppress(OSError):
        while left and (data := os.read(output, left)):
            parts.append(data)
            left -= len(data)
    return b"".join(parts)
