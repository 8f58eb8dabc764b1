"""A service's output, captured line by line into its log file, a time stamp a line.

One task reads the pipe, so lines keep their order. A quiet service's lines are read in its turn of the main loop, shown
at once to whoever follows, and written a moment later, many in one go; until then the spool has them for the next
herdd, should this one be killed. A flood is read, stamped and written in a thread, a bounded part at a time, so that
others have their turns. Whoever follows gets the lines from here, so following needs neither a look at the file nor
access to it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar, TypeVarTuple, Unpack

import trio

from herd.daemon.compressor import Compressor
from herd.daemon.follower import Follower
from herd.daemon.intake import CHUNK, TURN, Intake
from herd.daemon.journal import Journal
from herd.daemon.lines import Block
from herd.daemon.logfile import LogFile
from herd.daemon.logpolicy import LogPolicy
from herd.daemon.logread import ROOM, not_before, read_last
from herd.daemon.recent import BYTES, Recent
from herd.daemon.rotation import OpenFile
from herd.daemon.spool import Spool

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

# Seconds that lines may wait for others before they are written.
LINGER = 0.05
# What a thread reads in a turn if somebody wants to see it, and how many bytes of each part are shown if nobody does.
_WATCHED_TURN, _END = 1024 * 1024, 4096
# Threads for all logs together: floods and readers leave the others to those who start services.
_WRITERS, _READERS = 4, 2


class _Pending(NamedTuple):
    """Blocks to write, and how many bytes the spool can drop then."""

    blocks: list[Block]
    spooled: int


class ServiceLog:
    """The log of one service: its file, its last lines, its followers.

    `place` is another file than DIRECTORY/NAME.log, or False for none: then lines are shown and thrown away.
    `time_stamps` prevails over the policy's. Without a `spool` lines are lost with a herdd that is killed.
    """

    writers, readers = trio.CapacityLimiter(_WRITERS), trio.CapacityLimiter(_READERS)

    def __init__(
        self,
        name: str,
        directory: Path,
        place: Path | Literal[False] | None = None,
        *,
        time_stamps: bool | None = None,
        policy: LogPolicy | None = None,
        compressor: Compressor | None = None,
        spool: Path | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.name = name
        self._directory = directory
        self._policy = policy or LogPolicy()
        self._compressor = compressor
        self._spool = spool
        self._journal = journal
        self.path = directory
        self._file: LogFile | None = None
        # Of the process whose output is captured.
        self._intake: Intake | None = None
        self._recent = Recent()
        self._followers: set[Follower] = set()
        # Shown, and not written yet.
        self._pending: list[Block] = []
        self._pending_bytes = 0
        self._due = math.inf
        self._order = trio.Lock()
        self._loss = trio.Event()
        self.settle(place, time_stamps=time_stamps)

    def settle(self, place: Path | Literal[False] | None, *, time_stamps: bool | None) -> None:
        """Be kept in that place and manner from now on. Asked only while nothing is captured."""
        # As the way to it is walked (files.py): by what is written, not by where links lead.
        path = Path(os.path.abspath(place or self._directory / f"{self.name}.log"))
        self._time_stamps = time_stamps
        if self._file is not None and (place is False or path != self.path):
            self._forsake(self._file)
        self.path = path
        if place is not False and self._file is None:
            self._file = LogFile(path, self._policy, is_elsewhere=path.parent != self._directory)
        self._compress()

    def _forsake(self, file: LogFile) -> None:
        # Another service may take the place.
        if self._compressor is not None:
            self._compressor.forget(file)
        self._file = None

    def follow(self, policy: LogPolicy) -> None:
        """Be kept by another policy from the next line on."""
        self._policy = policy
        if self._file is not None:
            self._file.policy = policy
        self._compress()

    def _compress(self) -> None:
        # An earlier herdd, or policy, may have left something to do.
        if self._file is not None and self._compressor is not None:
            self._compressor.add(self._file)

    @property
    def has_stamps(self) -> bool:
        """Whether lines are kept with the moments they came at."""
        return self._policy.time_stamps if self._time_stamps is None else self._time_stamps

    def last_written(self) -> float:
        """When the file was last written to, in seconds since the epoch; 0 where there is none. Blocks."""
        with suppress(OSError):
            return os.stat(self.path, follow_symlinks=False).st_mtime
        return 0.0

    @property
    def lost(self) -> int:
        """Lines that could not be written to the file."""
        return self._file.lost if self._file else 0

    async def lossy(self) -> str:
        """Wait until a line could not be written to the file; why, a clause."""
        await self._loss.wait()
        return self._file.reason if self._file else ""

    @property
    def recent(self) -> list[str]:
        """The last lines that came, stamped."""
        return self._recent.lines()

    async def write(self, lines: list[bytes]) -> None:
        """Stamp and keep whole lines, in the order of the calls."""
        self._take(b"".join(line + b"\n" for line in lines))
        await self._flush()

    async def capture(
        self,
        output: int,
        seen: Callable[[str], None],
        *,
        waits: Callable[[], bool] = lambda: True,
        is_over: Callable[[], bool] = lambda: True,
    ) -> None:
        """Read `output` to its end; when cancelled, what is there is still taken.

        `seen` is called with what came: the text of one or more whole lines, joined by newlines; of a flood perhaps
        only with the last ones, unless it `waits` for one. When cancelled before it `is_over` with the program, an
        unfinished line is left to the next herdd.
        """
        self._intake = intake = Intake(output, Spool(self._spool) if self._spool and self._file else None)
        self._take(intake.resume())
        is_closed = False
        try:
            while await self._turn(output, intake, seen, waits):
                pass
            is_closed = True
        finally:
            # The end must not lose lines: what lies in the pipe and an unfinished last line.
            with trio.CancelScope(shield=True):
                if not is_closed:
                    await self._drain(intake, seen, waits)
                self._take(intake.rest(is_over=is_closed or is_over()), seen)
                await self._flush()
                # Who never said anything has nothing to close, and a thread would take longer than all the rest.
                if intake.is_spooled or (self._file and self._file.is_open):
                    await self._in_thread(self._close, intake)
            self._intake = None

    async def _turn(self, output: int, intake: Intake, seen: Callable[[str], None], waits: Callable[[], bool]) -> bool:
        """Take what there is, once there is something; False at the end."""
        with trio.CancelScope(deadline=self._due) as patience:
            await trio.lowlevel.wait_readable(output)
        if patience.cancelled_caught:
            await self._flush()
            return True
        if not intake.floods:
            body, size = intake.glance()
            self._take(body, seen)
            if not intake.floods:
                if trio.current_time() >= self._due:
                    await self._flush()
                return size > 0
        await self._drain(intake, seen, waits)
        return True

    async def _drain(self, intake: Intake, seen: Callable[[str], None], waits: Callable[[], bool]) -> None:
        """Read, write and show what lies in the pipe, as much as a turn allows."""
        # What was taken from the pipe is kept and shown, even if the end comes meanwhile.
        async with self._order:
            with trio.CancelScope(shield=True):
                blocks = await self._in_thread(self._pump, intake, self._take_pending(), waits)
            for block in blocks:
                self._show(block, seen)

    def _pump(self, intake: Intake, pending: _Pending, waits: Callable[[], bool]) -> list[Block]:
        """The blocking part of _drain; returns what is to be shown."""
        self._write(pending)
        blocks: list[Block] = []
        is_watched = bool(self._followers) or waits()
        taken = 0
        for _ in range((_WATCHED_TURN if is_watched else TURN) // CHUNK):
            body, size = intake.gulp()
            taken += size
            if body:
                block = self._block(body)
                self._append([block])
                # Where nobody looks at all of it, it need not be copied.
                blocks.append(block.copy() if is_watched else block.end(_END if self._file else BYTES))
            if not size:
                break
        intake.hold(taken)
        return blocks

    def _block(self, body: bytes | memoryview) -> Block:
        return Block.now(body) if self.has_stamps else Block(b"", body)

    def _show(self, block: Block, seen: Callable[[str], None] | None = None) -> None:
        """Tell all who look on."""
        self._recent.add(block)
        for follower in self._followers:
            follower.put(self.name, block)
        if seen is not None:
            seen(block.text())

    def _take(self, body: bytes, seen: Callable[[str], None] | None = None) -> None:
        """Show whole lines, if any, and let them be written soon."""
        if not body:
            return
        block = self._block(body)
        self._show(block, seen)
        if self._file is None:
            return
        self._pending.append(block)
        self._pending_bytes += len(block.body)
        self._due = min(self._due, trio.current_time() + LINGER)
        if self._pending_bytes >= CHUNK:
            self._due = -math.inf

    def _take_pending(self) -> _Pending:
        pending, self._pending = self._pending, []
        self._pending_bytes, self._due = 0, math.inf
        return _Pending(pending, 0 if self._intake is None else self._intake.spooled)

    async def _flush(self) -> None:
        """Write what waits to be written."""
        async with self._order:
            if self._pending:
                with trio.CancelScope(shield=True):
                    await self._in_thread(self._write, self._take_pending())

    def _write(self, pending: _Pending) -> None:
        self._append(pending.blocks)
        if self._intake is not None:
            self._intake.written(pending.spooled)

    def _append(self, blocks: list[Block]) -> None:
        if self._file is not None:
            self._file.append(blocks)
            if self._journal is not None and self._policy.journal:
                self._journal.append(blocks)

    def _close(self, intake: Intake) -> None:
        if self._file is not None:
            self._file.close()
        if self._journal is not None:
            self._journal.close()
        intake.close()

    async def _in_thread(self, work: Callable[[Unpack[Arguments]], T], *arguments: *Arguments) -> T:
        result = await trio.to_thread.run_sync(work, *arguments, limiter=self.writers)
        if self._file is not None:
            if self._file.lost:
                self._loss.set()
            if self._file.has_moved:
                self._file.has_moved = False
                self._compress()
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

    def _open_all(self, pending: _Pending) -> list[OpenFile]:
        self._write(pending)
        return self._file.open_all() if self._file else []

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
