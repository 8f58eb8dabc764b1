"""Whoever reads the past of logs: what was read is held until the client has taken it, so only a few do at a time.

A client that takes nothing keeps its turn, but not from everybody: each user has one, root and herdd's own user have
some of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from herd.core.errors import HerdError
from herd.daemon.access import Client

# Of root and herdd's own user, and of all others.
_OWN, _OTHERS = 4, 3
# Seconds.
_PATIENCE = 10.0


class Readers:
    """One for all clients; each that reads may hold logread.ROOM bytes."""

    def __init__(self) -> None:
        self._own, self._others = trio.CapacityLimiter(_OWN), trio.CapacityLimiter(_OTHERS)
        self._users: dict[int, trio.CapacityLimiter] = {}

    @asynccontextmanager
    async def turn(self, client: Client) -> AsyncIterator[None]:
        """Hold what was read. Raises HerdError for a client whose turn does not come."""
        async with AsyncExitStack() as stack:
            with trio.move_on_after(_PATIENCE) as patience:
                for limiter in self._limiters(client):
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
        # Whoever comes here has a role: they are few.
        return [self._users.setdefault(client.peer.uid, trio.CapacityLimiter(1)), self._others]
