"""Durations as administrators write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herd.core.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10min", 600), ("1h 30min", 5400), ("1h30m", 5400), (" 2 weeks 1 day ", 1296000), ("90", 90), ("0.5", 0.5),
        ("1.5h", 5400), ("1min 5", 65), ("36525d", 36525 * 86400), ("1w", 604800), ("3 sec", 3), ("2hr", 7200),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no duration; write numbers"), (" ", "is no duration; write"), ("h", "is no duration; write"),
        ("-5", "is no duration; write"), ("10min!", "is no duration; write"), ("1e3", "is no duration; e is no unit"),
        ("5 years", "is no duration; years is no unit"), ("10 MIN", "is no duration; write"),
        ("\u0661s", "is no duration; write"), ("1.s", "is no duration; write"),
        ("0", "is no duration to wait for"), ("0h 0s", "is no duration to wait for"),
        ("36526d", "is no duration to wait for"), ("9" * 400, "is no duration to wait for"),
    ],
)  # fmt: skip
def test_what_is_no_duration_is_told(text: str, why: str) -> None:
    with pytest.raises(ValueError, match="is no duration") as caught:
        parse_duration(text)
    assert str(caught.value).startswith(f"{text!r} {why}")


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from([("s", 1), ("min", 60), ("h", 3600), ("d", 86400)]))))
def test_parts_add_up(parts: list[tuple[int, tuple[str, int]]]) -> None:
    total = sum(number * size for number, (_, size) in parts)
    if total:
        assert parse_duration(" ".join(f"{number}{unit}" for number, (unit, _) in parts)) == total
