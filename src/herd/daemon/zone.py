"""The machine's time zone with its rules, not only its present offset: calendars reach over changes of the clock."""

from __future__ import annotations

import os
from datetime import datetime, tzinfo
from pathlib import Path

_LOCAL = Path("/etc/localtime")


def local_zone() -> tzinfo | None:
    """$TZ, where it names a zone, or /etc/localtime (localtime(5)); the present offset where neither can be read."""
    # Only timers need the rules, and few herdds have a timer.
    from zoneinfo import ZoneInfo

    name = os.environ.get("TZ", "").removeprefix(":")
    try:
        if name:
            return ZoneInfo(name)
        with _LOCAL.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError, KeyError):
        return datetime.now().astimezone().tzinfo


def now() -> datetime:
    """This moment in the machine's time zone."""
    return datetime.now(local_zone())
