"""When the program of a service on demand runs: at a moment of its schedule, or when a connection comes.

Its sockets are open from the start until the stop, so that no connection is lost between two runs.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import trio

from herd.core.schedule import Schedule
from herd.core.service import Service
from herd.daemon.activation import open_sockets, remove_socket_files, wait_for_connection
from herd.daemon.identity import Identity
from herd.daemon.zone import now

# A clock that is set meanwhile is noticed at the latest then. Seconds.
_LONGEST_SLEEP = 3600.0


class Occasions:
    """Those of one definition; `moved` is called when the next moment is known.

    Sockets of a `former` definition stay open until these are needed, or none.
    """

    def __init__(self, service: Service, moved: Callable[[], None], former: Occasions | None = None) -> None:
        # Wall-clock seconds; None where none is known.
        self.next_run: float | None = None
        self._service = service
        self._moved = moved
        self._former = former
        self._sockets: list[socket.socket] = []

    @property
    def descriptors(self) -> list[int]:
        """The sockets that a program is given."""
        return [each.fileno() for each in self._sockets]

    @property
    def held(self) -> list[int]:
        """All sockets that are open for the service, those of a former definition included."""
        return [*self.descriptors, *(self._former.held if self._former is not None else ())]

    async def listen(self, who: Identity) -> None:
        """Open the sockets, once for all runs until release(). Raises OSError."""
        await self._release_former()
        if self._service.endpoints and not self._sockets:
            self._sockets = await trio.to_thread.run_sync(open_sockets, self._service.endpoints, who)

    async def release(self) -> None:
        """Listen no more: the service has stopped and does not come back by itself."""
        await self._release_former()
        if self._sockets:
            for each in self._sockets:
                each.close()
            self._sockets = []
            await trio.to_thread.run_sync(remove_socket_files, self._service.endpoints)

    async def _release_former(self) -> None:
        if self._former is not None:
            await self._former.release()
            self._former = None

    async def next(self) -> None:
        """Return when the program is to run again."""
        if self._service.schedule is not None:
            await self._until_due(self._service.schedule)
        else:
            await wait_for_connection(self._sockets)

    async def _until_due(self, schedule: Schedule) -> None:
        due = schedule.next(await trio.to_thread.run_sync(now))
        self.next_run = None if due is None else due.timestamp()
        self._moved()
        if self.next_run is None:
            # The last moment is over.
            await trio.sleep_forever()
        # Again and again, for the clock may be set meanwhile.
        while (left := self.next_run - time.time()) > 0:  # noqa: ASYNC110
            await trio.sleep(min(left, _LONGEST_SLEEP))
