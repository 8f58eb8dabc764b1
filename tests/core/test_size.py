"""Sizes as text."""

from __future__ import annotations

import pytest

from herd.core.size import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("4096", 4096), ("1K", 1024), ("10MiB", 10 * 1024**2), (" 10 M ", 10 * 1024**2), ("2GiB", 2 * 1024**3)],
)
def test_what_sizes_mean(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1", "1.5M", "10MB", "10mib", "10 M iB", "1T", "1M1", "\u0661"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no size; write a number with KiB, MiB or GiB"):
        parse_size(text)
