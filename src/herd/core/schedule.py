"""When a timer's program runs next: every so often, or at calendar times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from attrs import frozen


class Schedule(Protocol):
    """Moments: without end, or up to a last one."""

    def next(self, after: datetime) -> datetime | None:
        """The first moment later than `after`, an aware time, in its time zone; None if there is none."""
        ...


@frozen
class Every:
    """Again and again after so many seconds, whatever the clock is put to."""

    seconds: float

    def next(self, after: datetime) -> datetime:
        """`seconds` later."""
        return (after.astimezone(UTC) + timedelta(seconds=self.seconds)).astimezone(after.tzinfo)
