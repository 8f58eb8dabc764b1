"""How often, and how fast: what is said of those who ask again and again, and when they may go on.

All of it is counted for each user and, where several people share one, for each of them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable

import trio
from attrs import define

# Keys that are remembered; whoever comes when there are so many makes the one that came last the longest ago forgotten.
_KEYS = 1024
# Seconds.
_WHILE = 60.0


@define
class _Count:
    """Of one key, since a moment."""

    since: float
    told: int = 0
    untold: int = 0


class Tally:
    """What was told in the last minute."""

    def __init__(self) -> None:
        self._counts: dict[Hashable, _Count] = {}

    def tell(self, *bounds: tuple[Hashable, int]) -> int | None:
        """Whether to tell of something, counted for each of these keys, so often a minute.

        None: not now. Else how many were not told since the last one with the first key.
        """
        counts = [self._count(key) for key, _ in bounds]
        if any(count.told >= most for count, (_, most) in zip(counts, bounds, strict=True)):
            counts[0].untold += 1
            return None
        for count in counts:
            count.told += 1
        untold, counts[0].untold = counts[0].untold, 0
        return untold

    def _count(self, key: Hashable) -> _Count:
        now = trio.current_time()
        count = self._counts.pop(key, None) or _Count(now)
        if now - count.since > _WHILE:
            count.since, count.told = now, 0
        self._counts[key] = count
        if len(self._counts) > _KEYS:
            del self._counts[next(iter(self._counts))]
        return count


class Pace:
    """When each may go on: `burst` at once, then one after the other, `interval` seconds apart."""

    def __init__(self, burst: int, interval: float) -> None:
        self._burst, self._interval = burst, interval
        # When each would be due had it never gone faster.
        self._due: dict[Hashable, float] = {}

    async def wait(self, key: Hashable) -> None:
        """Wait for the next turn."""
        now = trio.current_time()
        due = max(self._due.pop(key, -math.inf), now - self._burst * self._interval) + self._interval
        self._due[key] = due
        if len(self._due) > _KEYS:
            del self._due[next(iter(self._due))]
        await trio.sleep_until(due)
