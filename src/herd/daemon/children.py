"""herdd's children: those whose end a service's task awaits, and the orphans that come to herdd, their subreaper."""

from __future__ import annotations

import ctypes
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Let orphaned descendants become our children, not PID 1's (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


class _Marks:
    """What processes are known by."""

    def __init__(self) -> None:
        # What all marks of one runtime directory begin with, so that its next herdd knows them (remembered.py).
        self.home = ""

    def new(self) -> str:
        """Nobody else's."""
        return f"{self.home}{secrets.token_hex(16)}"


MARKS = _Marks()


class _Awaited:
    """Children that are a service's, or are about to be: not for reap_orphans(), even if they end at once."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        # Programs are executed in threads; while one is, a child that nobody knows may be its.
        self.beginning = 0
        self.lock = threading.Lock()

    @contextmanager
    def newcomer(self) -> Iterator[None]:
        """While a program is executed."""
        with self.lock:
            self.beginning += 1
        try:
            yield
        finally:
            with self.lock:
                self.beginning -= 1


AWAITED = _Awaited()


def reap_orphans() -> None:
    """Collect ended children that no service awaits; stop at one that a service does."""
    with AWAITED.lock, suppress(ChildProcessError):
        if AWAITED.beginning:
            # Whoever begins calls this again.
            return
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in AWAITED.pids:
                # Its own task collects it and calls this again.
                return
            os.waitpid(ended.si_pid, 0)
