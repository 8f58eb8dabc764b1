"""How many may be connected, and how much memory what they send may take: nobody who asks much keeps others waiting.

Everybody on the host can connect, so that a user who has a role needs no further rights, and one who has none is told
so. Whoever has none may do nothing worth a connection, and gets few; what is over the bounds is closed at once. Root
and herdd's own user, who could end herdd, are not counted.

A message in JSON may take twenty-four times its size (`[[],[],…`). So what is unfinished, waits, or is being answered
is counted in bytes: a little of each connection is free, the rest is taken from what all have in common, and whoever
wants more than is left loses its connection.

And of each user one thing is begun in a turn of the main loop, however many connections it has: a connection, a call,
the end of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

import trio

from herd.core.protocol import ProtocolViolation
from herd.daemon.access import Client

# Connections of one user, and of all such users: without a role, and with one.
STRANGERS, USERS = (8, 64), (64, 512)
# Bytes of each connection that are not counted; also the longest message of whoever has no role.
FREE = 4 * 1024
# Bytes for all connections together beside those.
COMMON = 2 * 1024 * 1024


class Doorkeeper:
    """One for all connections."""

    def __init__(self) -> None:
        self._users: Counter[tuple[bool, int]] = Counter()
        self._all: Counter[bool] = Counter()
        self._taken = 0
        self._turns: WeakValueDictionary[int, trio.Lock] = WeakValueDictionary()

    @contextmanager
    def admission(self, client: Client) -> Iterator[bool]:
        """Whether the client may stay, for as long as the context lasts."""
        kind = client.role is not None
        who = (kind, client.peer.uid)
        each, every = USERS if kind else STRANGERS
        if client.is_own:
            yield True
        elif self._users[who] >= each or self._all[kind] >= every:
            yield False
        else:
            self._users[who] += 1
            self._all[kind] += 1
            try:
                yield True
            finally:
                self._all[kind] -= 1
                self._users[who] -= 1
                if not self._users[who]:
                    del self._users[who]

    @contextmanager
    def share(self, client: Client) -> Iterator[Share]:
        """What one connection holds; given back at the end."""
        share = Share(self, None if client.is_own else self._turns.setdefault(client.peer.uid, trio.Lock()))
        try:
            yield share
        finally:
            self._taken -= share.taken

    def take(self, size: int) -> None:
        """So many bytes more of what is common, or less. Raises ProtocolViolation where they are not left."""
        if size > 0 and self._taken + size > COMMON:
            raise ProtocolViolation("more than there is room for")
        self._taken += size


class Share:
    """One connection's: the message that is not finished, and those that are not answered."""

    def __init__(self, doorkeeper: Doorkeeper, turn: trio.Lock | None = None) -> None:
        self._doorkeeper = doorkeeper
        self._turn = turn
        self._unfinished = self._unanswered = 0
        # Of what is common.
        self.taken = 0

    async def wait_turn(self) -> None:
        """Wait until the user may begin with something: a connection, a call, an end."""
        if self._turn is not None:
            async with self._turn:
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
