"""Numbers and moments as words."""

from __future__ import annotations

import signal

import pytest

from herd.core.words import clock, count, due, signal_name, since, size, span

NOW = 1_800_000_000.0


def test_every_signal_of_this_machine_has_its_name() -> None:
    for number in signal.Signals:
        if number < signal.SIGRTMIN:
            assert signal_name(number) == f"{number.name} ({number.value})"
    assert signal_name(34) == "signal 34"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 seconds"), (1.9, "1 second"), (59, "59 seconds"), (60, "1 minute"), (7199, "1 hour"),
        (7200, "2 hours"), (86400, "1 day"), (200_000, "2 days"),
    ],
)  # fmt: skip
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (20 << 20, "20.0 MiB"), (3 << 40, "3.0 TiB")],
)
def test_sizes(amount: int, words: str) -> None:
    assert size(amount) == words


def test_moments() -> None:
    assert since(NOW - 61, NOW) == f"since {clock(NOW - 61)} (1 minute ago)"
    assert due(NOW + 2.5, NOW) == f"at {clock(NOW + 2.5)} (in 2.5 seconds)"
    assert due(NOW + 7200, NOW) == f"at {clock(NOW + 7200)} (in 2 hours)"
    assert due(NOW - 1, NOW).endswith("(in 0.0 seconds)")
    assert (count(1, "process"), count(2, "process"), count(0, "line")) == ("1 process", "2 processes", "0 lines")
