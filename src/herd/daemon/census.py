"""Which living process has which parent, as /proc tells.

A look at every process costs the more the more there are, so those who ask at about the same time share one; each says
from when on it has to be.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Container
from contextlib import suppress

# Seconds.
_MOMENT = 0.01


class Census:
    """The last look."""

    def __init__(self, without: Container[int]) -> None:
        # Children of ours that are known to be what they are: nobody need look at them again.
        self._without = without
        # When it began, how long it took, and what was found; replaced as one, for threads ask too.
        self._last: tuple[float, float, dict[int, list[int]]] = (-math.inf, 0.0, {})

    def children(self, since: float) -> dict[int, list[int]]:
        """The living processes by their parent, as they were at a moment after `since` (time.monotonic)."""
        began, _, children = self._last
        if began <= since:
            began, children = time.monotonic(), {}
            for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
                if pid not in self._without and (parent := _living_parent(pid)):
                    children.setdefault(parent, []).append(pid)
            self._last = began, time.monotonic() - began, children
        return children

    def recent(self) -> dict[int, list[int]]:
        """As they were a moment ago; a longer one where a look takes long, for there is more to do than look."""
        _, took, _ = self._last
        return self.children(time.monotonic() - max(_MOMENT, 4 * took))


def _living_parent(pid: int) -> int | None:
    """The parent of a process; None for one that has ended."""
    # PID (COMMAND) STATE PARENT …, where the command may have anything in it.
    words = _beginning(f"/proc/{pid}/stat").rpartition(b")")[2].split(maxsplit=2)
    return int(words[1]) if words and words[0] not in (b"Z", b"X") else None


def _beginning(path: str) -> bytes:
    # Without a file object, which would take half as long again, for every process there is.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, 1024)
        finally:
            os.close(descriptor)
    return b""


def environment(pid: int) -> list[bytes]:
    """What a process was given when it was executed, NAME=value each; nothing for one that is not ours to look at."""
    with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return file.read().split(b"\0")
    return []
