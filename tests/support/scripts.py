"""Programs for services of tests that answer signals in a way of their own.

Python's, for a shell that has set a trap and starts a child can lose a signal between fork and exec: the child takes it
and forgets it. These have settled what becomes of a signal before they say that they are ready.
"""

from __future__ import annotations

import sys


def python(code: str) -> list[str]:
    """The words of a command."""
    return [sys.executable, "-c", f"import os, signal, subprocess, sys, time\n{code}"]


# Says so when TERM comes, and goes on.
STUBBORN = python("""
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("ready", flush=True)
while signal.sigwait({signal.SIGTERM}):
    print("asked", flush=True)
""")

# Ends when QUIT comes, which its child does not take; neither takes TERM.
QUITTING = python("""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGQUIT})
child = subprocess.Popen(["sleep", "infinity"])
print("ready", flush=True)
signal.sigwait({signal.SIGQUIT})
print("quitting", flush=True)
os._exit(0)
""")
