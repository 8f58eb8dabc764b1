"""The moments of a calendar expression, in local time as people read it off a clock.

Rules where the clock is put forward or back:
- a time that the clock leaps over comes when it has leapt: 02:30 at 03:00;
- a time that the clock shows twice comes the first time only.

So whatever is due every few minutes rests for the hour that is repeated; `Every` does not. Days are counted from 1970
to 2199, as systemd does, which bounds every search. core/calendar_syntax.py makes calendars from text.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from attrs import frozen

FIRST_YEAR, LAST_YEAR = 1970, 2199


@frozen
class Calendar:
    """Moments at which each part of date and time is one of those given, in ascending order.

    Weekdays count from Monday, 1. With `either_day`, a day of the month or a weekday is enough (crontab(5)).
    """

    text: str
    years: tuple[int, ...]
    months: tuple[int, ...]
    days: tuple[int, ...]
    weekdays: tuple[int, ...]
    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]
    either_day: bool = False

    @property
    def has_days(self) -> bool:
        """Whether there is any such day at all."""
        return next(self._days(date(FIRST_YEAR, 1, 1)), None) is not None

    def next(self, after: datetime) -> datetime | None:
        """The first moment later than `after`, an aware time, in its time zone; None if there is none.

        Two times of one zone are compared by Python as their clocks show them: use timestamp() to subtract them.
        """
        for wall in self._walls(after.replace(tzinfo=None, fold=0)):
            moment = _moment(wall, after.tzinfo)
            if moment.timestamp() > after.timestamp():
                return moment
        return None

    def _walls(self, first: datetime) -> Iterator[datetime]:
        """What the clock shows at each moment from `first` on, whether it ever shows it or not."""
        for day in self._days(first.date()):
            for clock in self._clocks(first.time() if day == first.date() else time.min):
                yield datetime.combine(day, clock)

    def _days(self, first: date) -> Iterator[date]:
        for year in self.years:
            for month in self.months if year >= first.year else ():
                for number in range(1, monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self._has(day):
                        yield day

    def _has(self, day: date) -> bool:
        matches = (day.day in self.days, day.isoweekday() in self.weekdays)
        return any(matches) if self.either_day else all(matches)

    def _clocks(self, first: time) -> Iterator[time]:
        for hour in self.hours:
            for minute in self.minutes if hour >= first.hour else ():
                for second in self.seconds:
                    if (clock := time(hour, minute, second)) >= first:
                        yield clock


def _moment(wall: datetime, zone: tzinfo | None) -> datetime:
    """When the clock shows `wall` for the first time or, if it leaps over it, when it has leapt."""
    # Of a time that is leapt over, fold 0 gives the offset before the leap, hence a later moment; fold 1 an earlier.
    late, early = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if late.astimezone(zone).replace(tzinfo=None) == wall:
        return late.astimezone(zone)
    offset = late.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            late = middle
        else:
            early = middle
    return late.astimezone(zone)
