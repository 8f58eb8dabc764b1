"""How logs are kept: the table `[log]` of herd.toml, for all services."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

from attrs import field, frozen, validators

from herd.core.duration import parse_duration
from herd.core.size import Bytes

Age = Annotated[float, "seconds, '7d' or 'never'"]


def read_age(value: Any) -> float:
    """What TOML has for Age. Raises ValueError."""
    if isinstance(value, str):
        return math.inf if value == "never" else parse_duration(value)
    if type(value) not in (int, float):
        raise ValueError(
            f"{json.dumps(value, default=str)} is no age; one is a text such as '7d', 'never', or a number of seconds"
        )
    return float(value)


@frozen
class LogPolicy:
    """When a log is moved aside, what becomes of it then, and whether its lines get time stamps."""

    # Bytes that a log may have.
    size: Bytes = field(default=10 * 1024 * 1024, validator=validators.gt(0))
    # Seconds since its first line. It is looked at when a line comes.
    age: Age = field(default=7 * 24 * 3600.0, validator=validators.gt(0))
    # Beside the one that is written.
    keep: int = field(default=5, validator=validators.ge(0))
    compress: bool = True
    time_stamps: bool = True
    # Whether systemd's journal gets the lines too.
    journal: bool = False

    def is_due(self, size: int, age: float, coming: int) -> bool:
        """Whether a log of that size and age is moved aside before so many bytes more are written to it."""
        return size > 0 and (size + coming > self.size or age >= self.age)
