"""What holds for every test."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Tests that a shell runs in the background ignore SIGINT, and so would all that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
