"""Moments as people write them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from herd.core.errors import WrongUsage
from herdctl.moments import usec_since_epoch

NOW = datetime(2026, 11, 21, 15, 30)


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("90s", "2026-11-21T14:28:30"), ("10m", "2026-11-21T14:20:00"), ("2h", "2026-11-21T12:30:00"),
        ("3d", "2026-11-18T14:30:00"), ("1w", "2026-11-14T14:30:00"), ("0m", "2026-11-21T14:30:00"),
        ("10:00", "2026-11-21T09:00:00"), ("7:05", "2026-11-21T06:05:00"), ("10:00:30", "2026-11-21T09:00:30"),
        ("2026-11-21", "2026-11-20T23:00:00"), ("2026-07-01", "2026-06-30T22:00:00"), (" 1h ", "2026-11-21T13:30:00"),
        ("2026-11-21 10:00", "2026-11-21T09:00:00"), ("2026-11-21T10:00:00.5+00:00", "2026-11-21T10:00:00.500000"),
    ],
)  # fmt: skip
def test_what_is_understood(text: str, found: str) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=usec_since_epoch(text, NOW))
    assert moment.isoformat() == f"{found}+00:00"


@pytest.mark.parametrize(
    "text",
    ["", "x", "10", "10x", "-1h", "25:00", "10:60", "2026-13-01", "1.5h", "99999999999d", "\u0661h", "0001-01-01"],
)
def test_what_is_not(text: str) -> None:
    with pytest.raises(WrongUsage, match=r"^cannot read the time .*; try 10m, "):
        usec_since_epoch(text, NOW)
