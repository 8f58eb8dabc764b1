"""Whoever reads the past of logs: what was read is held until the client has taken it, so only a few do at a time.

A client that takes nothing keeps its turn, but not from everybody: each user has one, and so has each person for whom
a user speaks, of a few for that user; root and herdd's own user have some of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

import trio

from herd.core.errors import HerdError
from herd.daemon.access import Client

# Of root and herdd's own user, of all others, and of all people who share one user.
_OWN, _OTHERS, _SHARED = 4, 3, 2
# Seconds.
_PATIENCE = 10.0


class Readers:
    """One for all clients; each that reads may hold logread.ROOM bytes."""

    def __init__(self) -> None:
        self._own, self._others = trio.CapacityLimiter(_OWN), trio.CapacityLimiter(_OTHERS)
        # By user, and by whom one speaks for.
        self._few: WeakValueDictionary[Hashable, trio.CapacityLimiter] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, client: Client) -> AsyncIterator[None]:
        """Hold what was read. Raises HerdError for a client whose turn does not come."""
        async with AsyncExitStack() as stack:
            limiters = self._limiters(client)
            with trio.move_on_after(_PATIENCE) as patience:
                for limiter in limiters:
                    await limiter.acquire_on_behalf_of(client)
                    stack.callback(limiter.release_on_behalf_of, client)
            if patience.cancelled_caught:
                raise HerdError(
                    "cannot show the log: others that were asked for are not read to their end; end one of them"
                )
            yield

    def _limiters(self, client: Client) -> list[trio.CapacityLimiter]:
        if client.is_own:
            return [self._own]
        return [self._limiter(client.who, 1), self._limiter(client.peer.uid, _SHARED), self._others]

    def _limiter(self, key: Hashable, most: int) -> trio.CapacityLimiter:
        return self._few.setdefault(key, trio.CapacityLimiter(most))
