"""What holds for every test."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

_OPTION = "--jitsi"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The Jitsi project's own programs, which no registry has, in place of the doubles."""
    parser.addoption(
        _OPTION,
        type=Path,
        metavar="DIRECTORY",
        help="where jicofo/jicofo.sh and jitsi-videobridge/jvb.sh are: /usr/share, once the Jitsi project's packages"
        " are installed; without it the tests run doubles of them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tests that a shell runs in the background ignore SIGINT, and so would all that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "double: it asks a double for what the real program cannot be asked for")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What a double alone can do is not asked of the real programs."""
    if config.getoption(_OPTION) is not None:
        for item in items:
            if item.get_closest_marker("double"):
                item.add_marker(pytest.mark.skip(reason="it needs a double"))
