"""Who may be connected, of how many.

Everybody on the host can connect, so that a user who has a role needs no further rights, and one who has none is told
so. Whoever has none may do nothing worth a connection, and gets few. Root and herdd's own user, who could end herdd,
are not counted.

Several people may share a user (`herd remote`). Which of them a connection speaks for is known with its first call:
from then on it counts for that person, and one person has no more than a few. Until then it keeps nobody out: where a
user has many that have asked for nothing yet, whoever comes takes the place of the oldest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import trio

from herd.daemon.access import Client

# Connections of one user, and of all such users: without a role, and with one.
STRANGERS, USERS = (8, 64), (64, 512)
# Of one person for whom a user speaks, and of all for whom that user does.
PERSON, PERSONS = 8, 64


class Places:
    """One for all connections."""

    def __init__(self) -> None:
        self.counts: Counter[Hashable] = Counter()
        # By user, the oldest first.
        self.silent: dict[int, dict[Place, None]] = {}


class Place:
    """One connection's. Whoever has to leave for another is cancelled with the `scope`."""

    def __init__(self, places: Places, client: Client) -> None:
        self._places, self._client = places, client
        self._uid = client.peer.uid
        self.scope = trio.CancelScope()
        # What it is counted as.
        self._keys: tuple[Hashable, ...] = ()

    @property
    def _is_silent(self) -> bool:
        # It asked for nothing so far, and so may have to leave.
        return self in self._places.silent.get(self._uid, ())

    def take(self) -> bool:
        """Whether there is one for somebody who comes."""
        if self._client.is_own:
            return True
        if self._client.role is None:
            return self._move(("strangers", STRANGERS[1]), (("stranger", self._uid), STRANGERS[0]))
        silent = self._places.silent
        if len(before := silent.get(self._uid, {})) >= USERS[0]:
            oldest = next(iter(before))
            oldest.scope.cancel()
            oldest.leave()
        if not self._move(("users", USERS[1])):
            return False
        silent.setdefault(self._uid, {})[self] = None
        return True

    def settle(self) -> bool:
        """Whether there is one, now that it is known for whom the client speaks; if not, all is as before."""
        if self._client.is_own:
            return True
        _, person = self._client.who
        if person is None:
            return self._move(("users", USERS[1]), (("user", self._uid), USERS[0]))
        people, one = ("people", self._uid), ("person", self._uid, person)
        return self._move(("users", USERS[1]), (people, PERSONS), (one, PERSON))

    def is_settled(self) -> bool:
        """Whether the client may stay though it never said for whom it speaks. One without a role never settles."""
        return not self._is_silent or self._client.role is None or self.settle()

    def leave(self) -> None:
        """Give it back."""
        places = self._places
        places.counts.subtract(self._keys)
        for key in self._keys:
            if not places.counts[key]:
                del places.counts[key]
        self._keys = ()
        if self._is_silent:
            del places.silent[self._uid][self]
            if not places.silent[self._uid]:
                del places.silent[self._uid]

    def _move(self, *bounds: tuple[Hashable, int]) -> bool:
        """Be counted as all these and nothing else, if none of them has too many then."""
        counts = self._places.counts
        if any(counts[key] - (key in self._keys) >= most for key, most in bounds):
            return False
        self.leave()
        self._keys = tuple(key for key, _ in bounds)
        counts.update(self._keys)
        return True
