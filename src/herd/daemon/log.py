"""A service's output, captured line by line into its log file, a time stamp a line.

One task reads the pipe, so lines keep their order; the file is written in a thread. Whoever follows gets the lines
from here, so following needs neither a look at the file nor access to it. A line of any length stays whole up to
MAX_LINE; bytes that are no UTF-8 are kept in the file as they are.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

CHUNK = 64 * 1024
MAX_LINE = 1024 * 1024
# Lines kept for the callers of a failed start and for those who begin to follow.
RECENT = 200
FOLLOWER_BUFFER = 1000


def stamp(moment: float) -> str:
    """A moment (seconds since the epoch) in local time, to the millisecond, with its offset (ISO 8601)."""
    local = time.localtime(moment)
    offset = time.strftime("%z", local)
    milliseconds = int(moment * 1000) % 1000
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{milliseconds:03d}{offset[:3]}:{offset[3:]}"


class ServiceLog:
    """The log of one service: its file, its last lines, its followers."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.path = directory / f"{name}.log"
        self.recent: deque[str] = deque(maxlen=RECENT)
        # Lines that could not be written to the file.
        self.lost = 0
        self._followers: set[trio.MemorySendChannel[str]] = set()
        self._order = trio.Lock()

    async def write(self, lines: list[bytes]) -> None:
        """Stamp and keep whole lines, in the order of the calls."""
        prefix = stamp(time.time()) + " "
        for line in lines:
            self._publish(prefix + line.decode("utf-8", "backslashreplace"))
        head = prefix.encode()
        data = b"".join(head + line + b"\n" for line in lines)
        async with self._order:
            try:
                await trio.to_thread.run_sync(self._append, data)
            except OSError:
                self.lost += len(lines)

    async def capture(self, output: int, seen: Callable[[str], None]) -> None:
        """Read `output` to its end, showing each line to `seen`; when cancelled, what is there is still taken."""
        rest = b""
        try:
            while True:
                await trio.lowlevel.wait_readable(output)
                data = os.read(output, CHUNK)
                if not data:
                    break
                # What was taken from the pipe is kept, even if the end comes meanwhile.
                with trio.CancelScope(shield=True):
                    rest = await self._take(rest + data, seen)
        finally:
            # The end must not lose lines: what lies in the pipe and an unfinished last line.
            with trio.CancelScope(shield=True):
                rest = await self._take(rest + _read_available(output), seen)
                if rest:
                    await self._take(rest + b"\n", seen)

    async def _take(self, data: bytes, seen: Callable[[str], None]) -> bytes:
        """Keep the whole lines of `data`; return the unfinished rest."""
        *lines, rest = data.split(b"\n")
        if len(rest) > MAX_LINE:
            lines, rest = [*lines, rest], b""
        if lines:
            await self.write(lines)
            for line in lines:
                seen(line.decode("utf-8", "backslashreplace"))
        return rest

    def _append(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o640)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)

    def _publish(self, line: str) -> None:
        self.recent.append(line)
        for follower in list(self._followers):
            try:
                follower.send_nowait(line)
            except trio.WouldBlock:
                # A reader that cannot keep up is let go, not waited for.
                self._followers.discard(follower)
                follower.close()

    async def tail(self, count: int) -> list[str]:
        """The last `count` lines of the file, oldest first; of memory where there is no file."""
        try:
            return await trio.to_thread.run_sync(last_lines, self.path, count)
        except OSError:
            return list(self.recent)[-count:] if count else []

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[trio.MemoryReceiveChannel[str]]:
        """The lines that come from now on; ends early for a reader that falls far behind."""
        send, receive = trio.open_memory_channel[str](FOLLOWER_BUFFER)
        self._followers.add(send)
        try:
            # Not async: between its end and the next line no other task may publish.
            with receive:
                yield receive
        finally:
            self._followers.discard(send)
            send.close()


def _read_available(output: int) -> bytes:
    parts = []
    # No more than a pipe holds: one that got away might never cease to write.
    with suppress(OSError):
        for _ in range(MAX_LINE // CHUNK):
            parts.append(os.read(output, CHUNK))
    return b"".join(parts)


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a file, read from its end. Raises OSError. Blocks."""
    if count <= 0:
        return []
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        tail = b""
        while position > 0 and tail.count(b"\n") <= count:
            step = min(CHUNK, position)
            position -= step
            file.seek(position)
            tail = file.read(step) + tail
    lines = tail.split(b"\n")[:-1]
    return [line.decode("utf-8", "backslashreplace") for line in lines[-count:]]
