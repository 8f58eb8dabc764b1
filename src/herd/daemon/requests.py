"""What is asked of a controller: an event on its way, with whoever waits for it."""

from __future__ import annotations

import trio
from attrs import define, field

from herd.core.events import Event, Failure


@define(eq=False)
class Request:
    """An event that was posted. A start or a stop is answered after it was handled, and never by what came before."""

    event: Event
    handled: trio.Event = field(factory=trio.Event)
    # Of a start, why it failed.
    failure: Failure | None = None
    _answered: trio.Event = field(factory=trio.Event)

    def answer(self, failure: Failure | None = None) -> None:
        """Tell whoever waits what came of it."""
        self.failure = failure
        self._answered.set()

    async def outcome(self) -> Failure | None:
        """Wait for the answer."""
        await self._answered.wait()
        return self.failure
