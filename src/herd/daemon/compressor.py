"""Compresses what logs have moved aside: one file at a time for the whole daemon, and with rests.

Under a flood files are moved aside faster than any could be compressed, and most would be gone before they were read
again. So it works a quarter of the time at most and leaves the processor to the services; it catches up later.
"""

from __future__ import annotations

import trio

from herd.daemon.logfile import LogFile

# Rest after a file, in times that it took.
_REST = 3.0


class Compressor:
    """The queue of logs with files to compress, and the task that does it."""

    def __init__(self) -> None:
        self._waiting: dict[LogFile, None] = {}
        self._news = trio.Event()

    def add(self, file: LogFile) -> None:
        """Let the log's older files be compressed some time."""
        self._waiting[file] = None
        self._news.set()

    def forget(self, file: LogFile) -> None:
        """Leave the log's older files as they are."""
        self._waiting.pop(file, None)

    async def run(self) -> None:
        """Compress until cancelled, which ends the file under way and leaves it as it was."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            while self._waiting:
                file = next(iter(self._waiting))
                del self._waiting[file]
                await self._compress(file)

    async def _compress(self, file: LogFile) -> None:
        begun = trio.current_time()
        while await trio.to_thread.run_sync(file.compress_one, trio.from_thread.check_cancelled):
            await trio.sleep(_REST * (trio.current_time() - begun))
            begun = trio.current_time()
