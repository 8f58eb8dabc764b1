"""Services' programs that wait until a test lets them go on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Ends once it is asked to and then let pass; blocked, a signal cannot come too early.
SLOW_TO_END = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("ready", flush=True)
signal.sigwait({signal.SIGTERM})
os.read(os.open(sys.argv[1], os.O_RDONLY), 1)
"""


class Gate:
    """Where a service's program waits, by `read line < PATH`, until the test lets it pass."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # For both: so neither end waits for the other, and what is written stays until it is read.
        self.descriptor = os.open(path, os.O_RDWR)

    def let_pass(self) -> None:
        """Let one reader pass, which waits or is to come."""
        os.write(self.descriptor, b"\n")


def slow_to_end(gate: Gate) -> list[str]:
    """The command of a program that says it is ready, and ends once it was asked to and then let pass."""
    return [sys.executable, "-ISc", SLOW_TO_END, str(gate.path)]
