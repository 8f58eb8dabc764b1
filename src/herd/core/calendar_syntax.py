"""Calendar expressions: two notations that administrators know, read into core/calendar.py's Calendar.

- systemd's (systemd.time(7), "Calendar Events"): `[WEEKDAYS] [[YEAR-]MONTH-DAY] [HOUR:MINUTE[:SECOND]]`, of which one
  part is enough, and words such as `daily`. Left out are `~` for days from a month's end, fractions and time zones.
- cron's (crontab(5)): five fields, minute, hour, day of the month, month, weekday. Where both days are restricted,
  either is enough.

In each field: `*`, a number or name, a range (`..` for systemd, `-` for cron), a step after `/`, a list with commas.
`a/n` means from a on. A range of weekdays may go past Sunday.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import field, frozen

from herd.core.calendar import FIRST_YEAR, LAST_YEAR, Calendar
from herd.core.suggest import did_you_mean

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# systemd's words.
_WORDS = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
}
_EXAMPLES = "examples are 'Mon..Fri 07:00', '*-*-01 03:00', and '*/5 * * * *' as for cron"
# The parts of systemd's notation, in their order.
_DAYS, _DATE, _TIME = range(3)


@frozen
class _Field:
    """What one field holds: from the lowest to the highest number, or names for them."""

    noun: str
    low: int
    high: int
    names: Mapping[str, int] = field(factory=dict)
    is_weekday: bool = False


_YEAR = _Field("year", FIRST_YEAR, LAST_YEAR)
_MONTH = _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)})
_DAY = _Field("day of the month", 1, 31)
# Monday is 1; Sunday is 7 and, for cron, 0.
_DAY_NAMES = {name: number for number, day in enumerate(_WEEKDAYS, 1) for name in (day[:3], day)}
_WEEKDAY = _Field("weekday", 0, 7, _DAY_NAMES, is_weekday=True)
_HOUR = _Field("hour", 0, 23)
_MINUTE = _Field("minute", 0, 59)
_SECOND = _Field("second", 0, 59)


def parse(text: str) -> Calendar:
    """The calendar of an expression. Raises ValueError, whose text is the end of a sentence."""
    words = _WORDS.get(text.strip().lower(), text).split()
    try:
        calendar = _cron(text, words) if len(words) == 5 else _systemd(text, words)
    except ValueError as error:
        raise ValueError(f"{text!r} is no calendar time; {error}") from None
    if not calendar.has_days:
        raise ValueError(f"{text!r} is no calendar time; there never is such a day")
    return calendar


def _cron(text: str, words: list[str]) -> Calendar:
    minute, hour, day, month, weekday = words
    return Calendar(
        text=text,
        years=_values("*", _YEAR),
        months=_values(month, _MONTH, "-"),
        days=_values(day, _DAY, "-"),
        weekdays=_values(weekday, _WEEKDAY, "-"),
        hours=_values(hour, _HOUR, "-"),
        minutes=_values(minute, _MINUTE, "-"),
        seconds=(0,),
        either_day=not (day.startswith("*") or weekday.startswith("*")),
    )


def _systemd(text: str, words: list[str]) -> Calendar:
    kinds = [_kind(word) for word in words]
    if not kinds or kinds != sorted(set(kinds)):
        raise ValueError(f"it takes weekdays, a date and a time in this order; {_EXAMPLES}")
    given = dict(zip(kinds, words, strict=True))
    date, clock = given.get(_DATE, "*-*-*").split("-"), given.get(_TIME, "0:0").split(":")
    year, month, day = date if len(date) == 3 else ("*", *date)
    hour, minute, second = clock if len(clock) == 3 else (*clock, "0")
    return Calendar(
        text=text,
        years=_values(year, _YEAR),
        months=_values(month, _MONTH),
        days=_values(day, _DAY),
        # systemd took ranges with a dash once.
        weekdays=_values(given.get(_DAYS, "*").replace("-", ".."), _WEEKDAY),
        hours=_values(hour, _HOUR),
        minutes=_values(minute, _MINUTE),
        seconds=_values(second, _SECOND),
    )


def _kind(word: str) -> int:
    """Which part a word is, by what stands between its fields."""
    if word[0].isalpha():
        return _DAYS
    if word.count(":") in (1, 2):
        return _TIME
    if word.count("-") in (1, 2):
        return _DATE
    raise ValueError(f"{word} is neither weekdays nor a date nor a time; {_EXAMPLES}")


def _values(text: str, field: _Field, dash: str = "..") -> tuple[int, ...]:
    """All numbers of a field, in ascending order."""
    return tuple(sorted({number for part in text.split(",") for number in _part(part, field, dash)}))


def _part(text: str, field: _Field, dash: str) -> list[int]:
    span, stepped, step = text.partition("/")
    first, ranged, last = span.partition(dash)
    begin, end = field.low, field.high
    if span != "*":
        begin = _number(first, field)
        end = _number(last, field) if ranged else end if stepped else begin
    if field.is_weekday and end < begin:
        end += 7
    if end < begin:
        raise ValueError(f"{span} ends before it begins")
    if stepped and not re.fullmatch("0*[1-9][0-9]{0,3}", step):
        raise ValueError(f"the step of {text} is no number above 0")
    numbers = range(begin, end + 1, int(step or 1))
    return [(number - 1) % 7 + 1 if field.is_weekday else number for number in numbers]


def _number(text: str, field: _Field) -> int:
    if re.fullmatch("[0-9]{1,4}", text):
        number = int(text)
    elif (name := text.capitalize()) in field.names:
        number = field.names[name]
    else:
        known = [*field.names, *_WORDS] if field.is_weekday else field.names
        raise ValueError(f"{text or 'nothing'} is no {field.noun}; {did_you_mean(name, known) or _choice(field)}")
    if not field.low <= number <= field.high:
        raise ValueError(f"{text} is no {field.noun}; {_choice(field)}")
    return number


def _choice(field: _Field) -> str:
    return "they go from Mon to Sun" if field.is_weekday else f"it goes from {field.low} to {field.high}"
