"""The last lines that came, for whoever asks where there is no file."""

from __future__ import annotations

from collections import deque

from herd.daemon.lines import Block

RECENT = 200
# Bytes after which they are fewer, though never none.
BYTES = 64 * 1024


class Recent:
    """Up to RECENT lines, kept in the blocks they came in: taking one in costs no more for many lines than for one."""

    def __init__(self) -> None:
        self._blocks: deque[Block] = deque()
        self._bytes = 0

    def add(self, block: Block) -> None:
        """Take in a block and drop what is no longer needed."""
        self._blocks.append(block)
        self._bytes += len(block.body)
        while len(self._blocks) > RECENT or self._bytes - len(self._blocks[0].body) > BYTES:
            self._bytes -= len(self._blocks.popleft().body)

    def lines(self) -> list[str]:
        """The lines with their stamps, oldest first."""
        return [line for block in self._blocks for line in block.lines()][-RECENT:]
