"""A moment as people write it: so long ago, a date, a time of today."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from herd.core.errors import WrongUsage

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def usec_since_epoch(text: str, now: datetime) -> int:
    """The moment in microseconds since the epoch; without an offset it is in local time. Raises WrongUsage."""
    try:
        return int(_moment(text.strip(), now).timestamp() * 1_000_000)
    except (ValueError, OverflowError) as error:
        raise WrongUsage(
            f"cannot read the time {text!r}; try 10m, 2h or 3d (ago), 10:00 (today), 2026-11-21 or '2026-11-21 10:00'"
        ) from error


def _moment(text: str, now: datetime) -> datetime:
    if ago := re.fullmatch(r"(\d+)([smhdw])", text, re.ASCII):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    if re.fullmatch(r"\d\d?:\d\d(:\d\d)?", text, re.ASCII):
        # The ISO format wants two digits for the hour.
        return datetime.fromisoformat(f"{now:%Y-%m-%d}T{text if text[2] == ':' else f'0{text}'}")
    return datetime.fromisoformat(text)
