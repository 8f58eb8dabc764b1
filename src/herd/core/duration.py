"""Durations as text, such as `1h 30min` (systemd.time(7), "Parsing Time Spans")."""

from __future__ import annotations

import re

_UNITS = {
    1.0: ("s", "sec", "second", "seconds"),
    60.0: ("m", "min", "minute", "minutes"),
    3600.0: ("h", "hr", "hour", "hours"),
    86400.0: ("d", "day", "days"),
    604800.0: ("w", "week", "weeks"),
}
_SECONDS = {name: seconds for seconds, names in _UNITS.items() for name in names} | {"": 1.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*")
# What is added to a date stays a date.
_LONGEST = 36525 * 86400.0


def parse_duration(text: str) -> float:
    """Seconds, above 0 and at most a hundred years; a plain number counts them. Raises ValueError: a sentence's end."""
    why = "write numbers with s, min, h, d or w behind them, such as '1h 30min', or a number of seconds"
    total, rest = 0.0, text.strip()
    while found := _PART.match(rest):
        number, unit = found.groups()
        if unit not in _SECONDS:
            raise ValueError(f"{text!r} is no duration; {unit} is no unit; {why}")
        total += float(number) * _SECONDS[unit]
        rest = rest[found.end() :]
    if rest or not text.strip():
        raise ValueError(f"{text!r} is no duration; {why}")
    if not 0 < total <= _LONGEST:
        raise ValueError(f"{text!r} is no duration to wait for; it is longer than nothing and at most 36525d")
    return total
