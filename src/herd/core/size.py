"""Sizes as text, such as `10MiB`."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

Bytes = Annotated[int, "10485760 or '10MiB'"]

_FACTORS: dict[str, int] = {"": 1} | {
    suffix: 1024**power for power, letter in enumerate("KMG", start=1) for suffix in (letter, f"{letter}iB")
}
_FORM = re.compile(r"([0-9]+) ?([A-Za-z]*)")


def parse_size(text: str) -> int:
    """Bytes; a plain number counts them, K is 1024. Raises ValueError: a sentence's end."""
    found = _FORM.fullmatch(text.strip())
    if found is None or found[2] not in _FACTORS:
        raise ValueError(f"{text!r} is no size; write a number with KiB, MiB or GiB behind it, or a number of bytes")
    return int(found[1]) * _FACTORS[found[2]]


def read_bytes(value: Any) -> int:
    """What TOML has for Bytes. Raises ValueError."""
    if isinstance(value, str):
        return parse_size(value)
    if type(value) is not int:
        raise ValueError(
            f"{json.dumps(value, default=str)} is no size; one is a text such as '10MiB', or a whole number of bytes"
        )
    return value
