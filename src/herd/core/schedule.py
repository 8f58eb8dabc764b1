"""When a timer's program runs next: every so often, or at calendar times."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from attrs import frozen


class Schedule(Protocol):
    """Moments without end."""

    def next(self, after: datetime) -> datetime:
        """The first moment later than `after`, both in local time with its offset."""
        ...


@frozen
class Every:
    """Again and again after so many seconds."""

    seconds: float

    def next(self, after: datetime) -> datetime:
        """`seconds` later."""
        return after + timedelta(seconds=self.seconds)
