"""What calendar expressions mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from herd.core.calendar import Calendar
from herd.core.calendar_syntax import parse


def meaning(text: str) -> Calendar:
    return evolve(parse(text), text="")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("minutely", "*:*"), ("hourly", "*:00"), ("daily", "*-*-* 00:00:00"), ("weekly", "Mon"), ("monthly", "*-01"),
        ("quarterly", "*-1/3-1"), ("semiannually", "*-1,7-1"), ("yearly", "01-01"), (" Annually ", "yearly"),
        ("07:30", "*-*-* 07:30:00"), ("*:00/15", "*:0,15,30,45"), ("5..7/2:00", "5,7:00"),
        ("Fri..Mon 1:0", "fri,SATURDAY,Sun,mon 01:00"), ("Mon-Fri", "Mon..Fri"),
        ("0 0 * * *", "daily"), ("0 0 * * 0", "Sun"), ("0 0 * * 7", "Sun"), ("0 0 * * sat-sun", "Sat,Sun"),
        ("0 0 * * 5-7", "Fri..Sun"), ("*/20 9-17/4 * jan,Feb mon-fri", "Mon..Fri 01,02-* 9,13,17:0,20,40"),
        ("7/20 * 1 * *", "*-1 *:7,27,47"),
    ],
)  # fmt: skip
def test_notations_for_the_same(text: str, same: str) -> None:
    assert meaning(text) == meaning(same)


def test_a_calendar_keeps_its_text_and_its_parts() -> None:
    calendar = parse("Tue 2027..2028-02-29,05 08/6:30:15")
    assert calendar.text == "Tue 2027..2028-02-29,05 08/6:30:15"
    assert (calendar.years, calendar.months, calendar.days) == ((2027, 2028), (2,), (5, 29))
    assert (calendar.weekdays, calendar.hours) == ((2,), (8, 14, 20))
    assert (calendar.minutes, calendar.seconds, calendar.either_day) == ((30,), (15,), False)


@pytest.mark.parametrize(
    ("text", "either"),
    [("0 0 1 * 1", True), ("0 0 1 * *", False), ("0 0 * * 1", False), ("0 0 */2 * 1", False), ("0 0 1 * */2", False)],
)
def test_cron_takes_either_day_where_both_are_restricted(text: str, either: bool) -> None:
    assert parse(text).either_day is either


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Mom 07:00", "Mom is no weekday; did you mean Mon?"),
        ("dayly", "dayly is no weekday; did you mean daily?"),
        ("xyz", "xyz is no weekday; they go from Mon to Sun"),
        ("25:00", "25 is no hour; it goes from 0 to 23"),
        ("24:00", "24 is no hour"),
        ("00:60", "60 is no minute"),
        ("00:00:60", "60 is no second"),
        ("*-13-01", "13 is no month; it goes from 1 to 12"),
        ("*-0-01", "0 is no month"),
        ("*-*-32", "32 is no day of the month"),
        ("1969-01-01", "1969 is no year; it goes from 1970 to 2199"),
        ("99999:00", "99999 is no hour"),
        ("\u0661:00", "\u0661 is no hour"),
        ("07:", "nothing is no minute"),
        ("1,,2:00", "nothing is no hour"),
        ("*:5..3", "5..3 ends before it begins"),
        ("*:0/0", "the step of 0/0 is no number above 0"),
        ("*:0/", "the step of 0/ is no number above 0"),
        ("*:*/-5", "the step of */-5 is no number above 0"),
        ("*-02-30", "there never is such a day"),
        ("2027-02-29", "there never is such a day"),
        ("Tue 2027-01-04", "there never is such a day"),
        ("0 0 31 4,6,9,11 *", "there never is such a day"),
        ("0 0 * * 8", "8 is no weekday"),
        ("0 0 1 Jam *", "Jam is no month; did you mean Jan?"),
        ("0 0 1..5 * *", "1..5 is no day of the month"),
        ("", "it takes weekdays, a date and a time in this order; examples are"),
        ("07:30 Mon", "it takes weekdays, a date and a time in this order"),
        ("Mon Tue", "it takes weekdays, a date and a time in this order"),
        ("* * * *", "* is neither weekdays nor a date nor a time"),
        ("5", "5 is neither weekdays nor a date nor a time; examples are 'Mon..Fri 07:00'"),
        ("1:2:3:4", "1:2:3:4 is neither"),
        ("07:30 UTC", "it takes weekdays, a date and a time in this order"),
    ],
)
def test_what_is_no_calendar_time_is_told(text: str, why: str) -> None:
    with pytest.raises(ValueError, match="is no calendar time") as caught:
        parse(text)
    assert str(caught.value).startswith(f"{text!r} is no calendar time; {why}")


@given(st.text(st.sampled_from("0123456789*:/,.- MonFrijan")) | st.text())
def test_any_text_is_a_calendar_or_is_told(text: str) -> None:
    try:
        calendar = parse(text)
    except ValueError as error:
        told = str(error)
        assert told.startswith(f"{text!r} is no calendar time; ")
    else:
        assert calendar.has_days
