"""The ledger of moderation: who may not, who may more, who said so, why and until when. The daemon keeps it.

A change says of a subject, in a place of a service, that something holds from then on or holds no more. Words are
those of every server: a place is an account, a room, a channel; a subject a fingerprint, an address, a name. The last
change of the same kind about the same subject in the same place counts; one whose time is up counts as its opposite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Protocol

from attrs import frozen


class Kind(Enum):
    """What a change is about."""

    BAN = "ban"
    MODERATOR = "moderator"
    CONTACT = "contact"


@frozen
class Change:
    """One decision. Times are wall-clock seconds; `until` None: until another decision."""

    place: str
    subject: str
    kind: Kind
    holds: bool
    author: str
    at: float
    reason: str | None = None
    until: float | None = None

    @property
    def what(self) -> tuple[str, str, Kind]:
        """What another change has to be about to take this one's place."""
        return self.place, self.subject, self.kind

    def is_over(self, now: float) -> bool:
        """Whether its time is up."""
        return self.until is not None and self.until <= now


@frozen
class Entry:
    """A change in the ledger. Its number counts up and never comes again; withdrawn, it did not take and counts not."""

    number: int
    change: Change
    withdrawn: bool = False


def latest(entries: Iterable[Entry]) -> dict[tuple[str, str, Kind], Entry]:
    """What counts, by what it is about."""
    found: dict[tuple[str, str, Kind], Entry] = {}
    for entry in sorted(entries, key=lambda each: each.number):
        if not entry.withdrawn:
            found[entry.change.what] = entry
    return found


@frozen
class Verdict:
    """Of one kind in one place: the subjects for whom it holds, and those for whom it was said not to hold."""

    holds: frozenset[str]
    ended: frozenset[str]


def verdict(entries: Iterable[Entry], place: str, kind: Kind, now: float) -> Verdict:
    """What counts at this moment."""
    counting = [
        each.change for each in latest(entries).values() if (each.change.place, each.change.kind) == (place, kind)
    ]
    holding = {each.subject: each.holds is not each.is_over(now) for each in counting}
    return Verdict(
        frozenset(subject for subject, holds in holding.items() if holds),
        frozenset(subject for subject, holds in holding.items() if not holds),
    )


def next_end(entries: Iterable[Entry], now: float) -> float | None:
    """When the next change that counts comes to its end."""
    ends = [each.change.until for each in latest(entries).values() if each.change.until is not None]
    return min((end for end in ends if end > now), default=None)


class Ledger(Protocol):
    """The service's part of the ledger of moderation. Every method but wait() raises HerdError if it cannot be kept."""

    async def record(self, changes: Sequence[Change]) -> list[int]:
        """Keep the changes, all or none, whatever happens from then on; their numbers."""

    async def withdraw(self, numbers: Sequence[int], instead: Sequence[Change] = ()) -> None:
        """Let these not count, for they did not take, and keep others in their place; all of it or nothing."""

    async def counting(self) -> list[Entry]:
        """The entries that count, those whose time is up among them."""

    async def history(self) -> list[Entry]:
        """Every entry, the first one first."""

    async def remember(self, name: str, value: str) -> None:
        """Keep a text under a name, in place of another."""

    async def forget(self, name: str) -> None:
        """Keep nothing under that name."""

    async def recall(self, prefix: str = "") -> dict[str, str]:
        """The texts whose names begin so, by name."""

    @property
    def version(self) -> int:
        """Another number after each change of the ledger; to be asked before the ledger is read."""

    async def wait(self, version: int, until: float | None) -> None:
        """Return once the ledger is no longer at that version, at the latest at that moment (wall-clock seconds)."""
