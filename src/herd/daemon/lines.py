"""Lines on their way into a log: cut out of what a pipe gives, and stamped many at a time.

A flood has millions of lines a second, so nothing here touches a line by itself until somebody wants to see it: a
block is all whole lines of one read, and gets its stamps by one replacement.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

# A longer line is cut, for it has to be held until its end.
MAX_LINE = 1024 * 1024
# As many characters as every stamp has.
STAMP_LENGTH = 29


def stamp(moment: float) -> str:
    """A moment (seconds since the epoch) in local time, to the millisecond, with its offset (ISO 8601)."""
    local = time.localtime(moment)
    offset = time.strftime("%z", local)
    milliseconds = int(moment * 1000) % 1000
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{milliseconds:03d}{offset[:3]}:{offset[3:]}"


def moment_of(line: str) -> float | None:
    """The moment a line begins with, in seconds since the epoch; None for a line without a stamp."""
    try:
        return datetime.fromisoformat(line[:STAMP_LENGTH]).timestamp()
    except (ValueError, OverflowError):
        return None


def readable(data: bytes) -> str:
    """Text as it goes over the socket; bytes that are no UTF-8 as escapes."""
    return data.decode("utf-8", "backslashreplace")


class Block(NamedTuple):
    """Whole lines that came at one moment: the stamp, a space, or nothing at all; the lines, each with its newline."""

    prefix: bytes
    # A view is good until its buffer gets other content.
    body: bytes | memoryview

    @classmethod
    def now(cls, body: bytes | memoryview) -> Block:
        """Lines that come now."""
        return cls(stamp(time.time()).encode() + b" ", body)

    def buffers(self) -> list[bytes | memoryview]:
        """The stamped lines, in pieces for writev(2)."""
        if not self.prefix:
            return [self.body]
        stamped = bytes(self.body).replace(b"\n", b"\n" + self.prefix)
        # The last newline got a stamp too, of a line that is not there.
        return [self.prefix, memoryview(stamped)[: -len(self.prefix)]]

    def text(self) -> str:
        """The lines without stamps, joined by newlines."""
        return readable(bytes(self.body[:-1]))

    def lines(self) -> list[str]:
        """The stamped lines."""
        prefix = self.prefix.decode()
        return [prefix + line for line in self.text().split("\n")]

    def line_count(self) -> int:
        """How many lines."""
        return bytes(self.body).count(b"\n")

    def parts(self, most: int) -> Iterator[Block]:
        """The same lines in blocks of so many bytes at most, stamps not counted, or one line."""
        if len(self.body) <= most:
            yield self
            return
        body, start = bytes(self.body), 0
        while start < len(body):
            end = body.rfind(b"\n", start, start + most) + 1 or body.find(b"\n", start) + 1
            yield self._replace(body=body[start:end])
            start = end

    def copy(self) -> Block:
        """The same lines, where nothing changes them."""
        return self._replace(body=bytes(self.body))

    def end(self, most: int) -> Block:
        """As copy(), but no more of the last lines than have so many bytes, though at least one."""
        if len(self.body) <= most:
            return self.copy()
        body = bytes(self.body[-most:])
        start = body.find(b"\n") + 1
        return self._replace(body=body[start:]) if start < most else self.copy()


class Splitter:
    """Bytes in, whole lines out; the unfinished one waits for its end."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        # Bytes of the unfinished line.
        self.size = 0

    def feed(self, data: bytes) -> bytes:
        """The whole lines that `data` completes, each with its newline; empty where there is none."""
        end = data.rfind(b"\n") + 1
        if not end:
            return self._hold(data)
        whole = b"".join((*self._parts, data[:end]))
        self._parts, self.size = [], 0
        return whole + self._hold(data[end:]) if end < len(data) else whole

    def held(self) -> bytes:
        """The unfinished line."""
        return b"".join(self._parts)

    def hold(self, data: bytes) -> bytes:
        """Let this be the unfinished line; returns as much of it as a line may have, if it is longer."""
        self._parts, self.size = [], 0
        return self._hold(data)

    def rest(self) -> bytes:
        """The unfinished line with a newline, no longer waited for; empty where there is none."""
        whole = b"".join((*self._parts, b"\n")) if self.size else b""
        self._parts, self.size = [], 0
        return whole

    def _hold(self, data: bytes) -> bytes:
        self._parts.append(data)
        self.size += len(data)
        if self.size <= MAX_LINE:
            return b""
        held = self.held()
        self._parts, self.size = [held[MAX_LINE:]], len(held) - MAX_LINE
        return held[:MAX_LINE] + b"\n"
