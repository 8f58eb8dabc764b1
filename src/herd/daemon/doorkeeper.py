"""How many may be connected, and how much memory what they send may take: nobody who asks much keeps others waiting.

Who has a place is told in places.py; what is over those bounds is closed at once.

A message in JSON may take twenty-four times its size (`[[],[],…`). So what is unfinished, waits, or is being answered
is counted in bytes: a little of each connection is free, the rest is taken from what all have in common, and whoever
wants more than is left loses its connection.

And of each user, or person for whom one speaks, one thing is begun in a turn of the main loop, however many connections
it has: a connection, a call, the end of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

import trio

from herd.core.protocol import ProtocolViolation
from herd.daemon.access import Client
from herd.daemon.places import Place, Places

# Bytes of each connection that are not counted; also the longest message of whoever has no role.
FREE = 4 * 1024
# Bytes for all connections together beside those.
COMMON = 2 * 1024 * 1024


class Doorkeeper:
    """One for all connections."""

    def __init__(self) -> None:
        self.places = Places()
        self._taken = 0
        self._turns: WeakValueDictionary[tuple[int, str | None], trio.Lock] = WeakValueDictionary()

    @contextmanager
    def admission(self, client: Client) -> Iterator[Share | None]:
        """What the client holds for as long as the context lasts; None if it may not stay."""
        share = Share(self, client)
        with share.place.scope:
            try:
                yield share if share.place.take() else None
            finally:
                share.place.leave()
                self._taken -= share.taken

    def take(self, size: int) -> None:
        """So many bytes more of what is common, or less. Raises ProtocolViolation where they are not left."""
        if size > 0 and self._taken + size > COMMON:
            raise ProtocolViolation("more than there is room for")
        self._taken += size

    def turn(self, client: Client) -> trio.Lock:
        """Held by whoever begins something."""
        return self._turns.setdefault(client.who, trio.Lock())


class Share:
    """One connection's: its place, the message that is not finished, and those that are not answered."""

    def __init__(self, doorkeeper: Doorkeeper, client: Client) -> None:
        self._doorkeeper = doorkeeper
        self._client = client
        self.place = Place(doorkeeper.places, client)
        self._unfinished = self._unanswered = 0
        # Of what is common.
        self.taken = 0

    async def wait_turn(self) -> None:
        """Wait until the client may begin with something: a connection, a call, an end."""
        if not self._client.is_own:
            async with self._doorkeeper.turn(self._client):
                await trio.lowlevel.checkpoint()

    def unfinished(self, size: int) -> None:
        """So much of a message has come. Raises ProtocolViolation where there is no room for it."""
        self._unfinished = size
        self._settle()

    def begin(self, size: int) -> None:
        """A message of that size is to be answered. Raises ProtocolViolation where there is no room for it."""
        self._unanswered += size
        self._settle()

    def end(self, size: int) -> None:
        """It is answered."""
        self._unanswered -= size
        self._settle()

    def _settle(self) -> None:
        wanted = max(0, self._unfinished + self._unanswered - FREE)
        self._doorkeeper.take(wanted - self.taken)
        self.taken = wanted
