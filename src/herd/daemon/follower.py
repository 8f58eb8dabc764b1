"""Whoever reads lines as they come: what was not read yet is held, up to a bound, and then skipped and counted.

A flood is faster than any reader of the socket. It is neither slowed down for one, nor is the reader sent away: it
misses lines, is told how many, and finds them in the log.
"""

from __future__ import annotations

from collections import deque

import trio

from herd.daemon.lines import Block

# Bytes held for one reader.
HELD = 4 * 1024 * 1024


class Follower:
    """The lines to come of one or more services, each with its service's name."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[str, Block]] = deque()
        self._held = 0
        self._skipped: dict[str, int] = {}
        self._news = trio.Event()

    def put(self, name: str, block: Block) -> None:
        """Lines that came; skipped where too many wait, or were skipped before them."""
        if self._skipped or (self._blocks and self._held + len(block.body) > HELD):
            self._skipped[name] = self._skipped.get(name, 0) + block.line_count()
            return
        self._blocks.append((name, block))
        self._held += len(block.body)
        self._news.set()

    async def next(self) -> list[tuple[str, str]]:
        """At least one line, waited for."""
        if not self._blocks and not self._skipped:
            self._news = trio.Event()
            await self._news.wait()
        if not self._blocks:
            return self._tell()
        name, block = self._blocks.popleft()
        self._held -= len(block.body)
        return [(name, line) for line in block.lines()]

    def _tell(self) -> list[tuple[str, str]]:
        skipped, self._skipped = self._skipped, {}
        text = "herdd: {} lines came faster than they were read; they are in the log\n"
        return [(name, Block.now(text.format(count).encode()).lines()[0]) for name, count in skipped.items()]
