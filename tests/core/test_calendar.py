"""The moments of calendars: against a count of every minute where clocks are put forward and back, and by date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herd.core.calendar import Calendar
from herd.core.calendar_syntax import parse
from herd.core.schedule import Every

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)


def moments(text: str, after: str, count: int, zone: tzinfo = BERLIN) -> list[str]:
    """The next moments, as the clock shows them."""
    calendar, found = parse(text), list[str]()
    moment: datetime | None = datetime.fromisoformat(after).replace(tzinfo=zone)
    while moment and len(found) < count:
        moment = calendar.next(moment)
        found.append(f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "never")
    return found


@pytest.mark.parametrize(
    ("text", "after", "found"),
    [
        ("hourly", "2026-12-31 23:00:00", ["2027-01-01 00:00:00"]),
        ("daily", "2026-11-21 10:00", ["2026-11-22 00:00:00", "2026-11-23 00:00:00"]),
        ("weekly", "2026-11-21 10:00", ["2026-11-23 00:00:00", "2026-11-30 00:00:00"]),
        ("monthly", "2026-11-21 10:00", ["2026-12-01 00:00:00", "2027-01-01 00:00:00"]),
        ("07:30", "2026-11-21 07:29:59.999999", ["2026-11-21 07:30:00", "2026-11-22 07:30:00"]),
        ("07:30", "2026-11-21 07:30:00.000001", ["2026-11-22 07:30:00"]),
        ("*:00/15", "2026-11-21 10:31", ["2026-11-21 10:45:00", "2026-11-21 11:00:00"]),
        ("Mon..Fri 07:00", "2026-11-20 07:00", ["2026-11-23 07:00:00"]),
        ("Sat,Sun 10:00:30", "2026-11-21 10:00:00", ["2026-11-21 10:00:30", "2026-11-22 10:00:30"]),
        ("*-*-01 03:00", "2026-11-21 10:00", ["2026-12-01 03:00:00"]),
        ("2027-01-01 00:00", "2026-11-21 10:00", ["2027-01-01 00:00:00", "never"]),
        ("2020-01-01", "2026-11-21 10:00", ["never"]),
        # A day that not every month has, and one that not every year has.
        ("*-*-31", "2027-01-31 00:00", ["2027-03-31 00:00:00", "2027-05-31 00:00:00"]),
        ("*-02-29", "2096-02-29 00:00", ["2104-02-29 00:00:00"]),
        ("Mon 02-29", "2026-11-21 10:00", ["2044-02-29 00:00:00"]),
        ("*:*:59", "2199-12-31 23:58:59", ["2199-12-31 23:59:59", "never"]),
        ("*/5 * * * *", "2026-11-21 10:55", ["2026-11-21 11:00:00", "2026-11-21 11:05:00"]),
        # Friday or the 13th; a day of the month that begins with * restricts, and so both are to match.
        ("0 0 13 * fri", "2026-12-05 00:00", ["2026-12-11 00:00:00", "2026-12-13 00:00:00", "2026-12-18 00:00:00"]),
        ("0 0 */13 * fri", "2026-11-21 00:00", ["2026-11-27 00:00:00", "2027-01-01 00:00:00"]),
        ("0 0 30 2 1", "2027-02-20 00:00", ["2027-02-22 00:00:00", "2028-02-07 00:00:00"]),
    ],
)
def test_moments(text: str, after: str, found: list[str]) -> None:
    assert moments(text, after, len(found)) == found


def test_a_time_that_the_clock_leaps_over_comes_once_it_has_leapt() -> None:
    assert moments("02:30", "2027-03-27 12:00", 2) == ["2027-03-28 03:00:00", "2027-03-29 02:30:00"]
    assert moments("*:00/20", "2027-03-28 01:40", 2) == ["2027-03-28 03:00:00", "2027-03-28 03:20:00"]
    # Midnight does not come; a leap of half an hour; a whole day that was left out.
    assert moments("daily", "2026-09-05 12:00", 1, ZoneInfo("America/Santiago")) == ["2026-09-06 01:00:00"]
    assert moments("02:15:10", "2026-10-03 12:00", 1, ZoneInfo("Australia/Lord_Howe")) == ["2026-10-04 02:30:00"]
    assert moments("12:00", "2011-12-29 12:00", 2, ZoneInfo("Pacific/Apia")) == [
        "2011-12-31 00:00:00", "2011-12-31 12:00:00",
    ]  # fmt: skip


def test_a_time_that_the_clock_shows_twice_comes_the_first_time() -> None:
    first = parse("02:30").next(datetime(2026, 10, 25, 0, 0, tzinfo=BERLIN))
    assert first == datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=BERLIN)
    assert first.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert moments("02:30", "2026-10-25 02:30", 1) == ["2026-10-26 02:30:00"]
    second_time = datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=BERLIN)
    assert parse("*:00/15").next(second_time) == datetime(2026, 10, 25, 3, 0, tzinfo=BERLIN)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Any calendar of whole minutes that comes about once in a few hours."""
    hours = st.sampled_from(["*", "0", "1", "2", "1..3", "*/7", "0,2,23"])
    minutes = st.sampled_from(["0", "30", "*", "*/20", "5/25", "10..12", "59"])
    days = st.sampled_from(["", "", "Sun ", "Sat,Sun ", "*-*-28 ", "*-03,10-* ", "Sun *-*-28/2 "])
    return parse(f"{draw(days)}{draw(hours)}:{draw(minutes)}")


def is_due(calendar: Calendar, moment: datetime, zone: tzinfo) -> bool:
    """Whether the clock comes upon a matching minute at `moment`: shows it or has just leapt over it."""
    shown = moment.astimezone(zone)
    wall, before = (each.astimezone(zone).replace(tzinfo=None) for each in (moment, moment - MINUTE))
    passed = [before + MINUTE * number for number in range(1, round((wall - before) / MINUTE) + 1)]
    return not shown.fold and any(
        each.month in calendar.months
        and each.day in calendar.days
        and each.isoweekday() in calendar.weekdays
        and each.hour in calendar.hours
        and each.minute in calendar.minutes
        for each in passed
    )


# Around a leap, a return, and neither; the last of Lord Howe's by half an hour.
STARTS = st.sampled_from(
    [
        (BERLIN, datetime(2027, 3, 27, 12, tzinfo=UTC)),
        (BERLIN, datetime(2026, 10, 24, 12, tzinfo=UTC)),
        (ZoneInfo("America/Santiago"), datetime(2026, 9, 5, 12, tzinfo=UTC)),
        (ZoneInfo("Australia/Lord_Howe"), datetime(2026, 10, 3, 3, tzinfo=UTC)),
        (ZoneInfo("Australia/Lord_Howe"), datetime(2027, 4, 3, 3, tzinfo=UTC)),
        (UTC, datetime(2026, 12, 31, 0, tzinfo=UTC)),
    ]
)


@settings(max_examples=60, deadline=None)
@given(calendars(), STARTS, st.integers(0, 20 * 3600 * 10))
def test_the_next_moment_is_the_first_minute_that_is_due(
    calendar: Calendar, start: tuple[tzinfo, datetime], tenths: int
) -> None:
    zone, begin = start
    after = (begin + timedelta(seconds=tenths / 10)).astimezone(zone)
    found = calendar.next(after)
    assert found is not None
    assert found.tzinfo is zone
    minute = after.astimezone(UTC).replace(second=0, microsecond=0) + MINUTE
    last = min(found.astimezone(UTC), minute + timedelta(days=2))
    while minute < last:
        assert not is_due(calendar, minute, zone)
        minute += MINUTE
    assert found.timestamp() > after.timestamp()
    assert is_due(calendar, found.astimezone(UTC), zone)


@given(calendars(), st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()))
def test_moments_ascend_in_any_zone(calendar: Calendar, after: datetime) -> None:
    found = [after]
    for _ in range(5):
        moment = calendar.next(found[-1])
        assert moment is not None
        found.append(moment)
    assert all(one.timestamp() < other.timestamp() for one, other in pairwise(found))


def test_every_counts_seconds_and_no_clocks() -> None:
    before = datetime(2026, 10, 25, 2, 0, tzinfo=BERLIN)
    later = Every(3600).next(before)
    assert later == datetime(2026, 10, 25, 2, 0, fold=1, tzinfo=BERLIN)
    assert later.timestamp() - before.timestamp() == 3600
