"""Which living processes there are, by their parents and by the mark in their environment: from /proc."""

from __future__ import annotations

import errno
import math
import os
import time
from collections.abc import Container, Set
from contextlib import suppress

MARK = "HERD_INVOCATION"


# More than the bytes of a process's stat.
_STAT = 4096
# Seconds.
_MOMENT = 0.01
# How often a process that executes another program is asked for its mark, and the seconds between: the first pause, and
# what doubling comes to. A second in all, for on a busy machine it may have to wait for its turn in the middle of that.
_ASKED, _PAUSE, _LONGEST_PAUSE = 60, 0.0002, 0.02
# Of its flags (include/linux/sched.h): it is a thread of the kernel.
_KERNEL = 0x00200000


class Census:
    """The living processes by their parent, without those in `awaited`: whose children those are is known.

    Who asks says from when on it has to be: many services that end together need not look at every process each.
    """

    def __init__(self, awaited: Set[int] = frozenset()) -> None:
        self._awaited = awaited
        # When it began, how long it took, and what was found; replaced as one, for threads ask too.
        self._last: tuple[float, float, dict[int, list[int]]] = (-math.inf, 0.0, {})

    def children(self, since: float) -> dict[int, list[int]]:
        """As they were at some moment after `since` (time.monotonic)."""
        began, _, children = self._last
        if began <= since:
            began = time.monotonic()
            children = self._look()
            self._last = began, time.monotonic() - began, children
        return children

    def _look(self) -> dict[int, list[int]]:
        parents: dict[int, int] = {}
        seen: set[int] = set()
        # Until nobody is new: one may have ended unseen, and its child was not there at first.
        while new := {int(entry) for entry in os.listdir("/proc") if entry.isdecimal()} - seen:
            for pid in new - self._awaited:
                if (parent := living_parent(pid)) is not None:
                    parents[pid] = parent
            seen |= new
        self._follow(parents)
        children: dict[int, list[int]] = {}
        for pid, parent in parents.items():
            children.setdefault(parent, []).append(pid)
        return children

    def _follow(self, parents: dict[int, int]) -> None:
        """Put the new parents of those whose parents ended while we looked, so that nobody is out of reach."""
        while moved := {
            pid: now
            for pid, parent in parents.items()
            if parent and parent not in parents and parent not in self._awaited
            if (now := living_parent(pid)) != parent
        }:
            for pid, now in moved.items():
                if now is None:
                    del parents[pid]
                else:
                    parents[pid] = now

    def recent(self) -> dict[int, list[int]]:
        """As they were a moment ago; a longer one where a look takes long, for there is more to do than look."""
        _, took, _ = self._last
        return self.children(time.monotonic() - max(_MOMENT, 4 * took))


def hold(pid: int) -> int:
    """A descriptor of the process (pidfd_open(2)). Raises ProcessLookupError where it has ended, other OSErrors."""
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        # So kernels such as 6.1, for a moment, or for as long as a session or a group has its number.
        if error.errno == errno.EINVAL:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), str(pid)) from error
        raise


def living_parent(pid: int) -> int | None:
    """The parent of a process, 0 for one outside of our namespace; None for one that has ended."""
    # PID (COMMAND) STATE PARENT …, where the command may have anything in it.
    words = _read(f"/proc/{pid}/stat", _STAT).rpartition(b")")[2].split(maxsplit=2)
    return int(words[1]) if words and words[0] not in (b"Z", b"X") else None


def members(pid: int, mark: str, children: dict[int, list[int]]) -> set[int]:
    """The living processes below `pid`, and orphans of ours that belong to it, with all below them."""
    found = {orphan for orphan in children.get(os.getpid(), []) if belongs(orphan, pid, mark)}
    found.discard(pid)
    waiting = [pid, *found]
    while waiting:
        below = children.get(waiting.pop(), [])
        waiting += below
        found.update(below)
    return found


def belongs(orphan: int, pid: int, mark: str) -> bool:
    """Whether it bears the mark, or has hidden its own and is in the session that `pid` began.

    Daemons that show their state in the process list (setproctitle) write it over their environment. A session's number
    is nobody else's while one of its processes lives.
    """
    found = mark_of(orphan)
    if found is not None:
        return found == mark
    with suppress(OSError):
        return os.getsid(orphan) == pid
    return False


def mark_of(pid: int) -> str | None:
    """The mark in a process's environment; None for one that is gone, another user's or nobody's."""
    for entry in _environment(pid).split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name == MARK.encode():
            return value.decode("ascii", "replace")
    return None


def _environment(pid: int) -> bytes:
    """Its environment, that of the next program if it executes one; empty if it has none, or is not ours to read."""
    pause = _PAUSE
    with suppress(OSError):
        for _ in range(_ASKED):
            if (environment := _contents(f"/proc/{pid}/environ")) or _has_none(pid):
                return environment
            # The kernel cannot tell when execve(2) has laid out the new one.
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    return b""


def _has_none(pid: int) -> bool:
    """Whether there is no environment to come.

    execve(2) begins with new memory, lays out the environment there, and says last of all where the code is (start_code
    of proc(5)); until then both ends of the environment are the same, too.
    """
    words = _read(f"/proc/{pid}/stat", _STAT).rpartition(b")")[2].split()
    if not words or words[0] in (b"Z", b"X") or int(words[6]) & _KERNEL:
        return True
    return words[47] == words[48] and words[23] != b"0"


def in_session(pid: int, mark: str) -> set[int]:
    """The living processes of the whole machine that belong to the one that began a session, and that itself."""
    everybody = {int(entry) for entry in os.listdir("/proc") if entry.isdecimal()}
    return {each for each in everybody if living_parent(each) is not None and belongs(each, pid, mark)}


def marked(home: str, spared: Container[str]) -> set[int]:
    """The living processes of the whole machine whose mark begins so, but for those with a mark that is spared."""
    found = set()
    for entry in os.listdir("/proc"):
        mark = mark_of(int(entry)) if entry.isdecimal() else None
        if mark is not None and mark.startswith(home) and mark not in spared:
            found.add(int(entry))
    return found


def _read(path: str, most: int | None = None) -> bytes:
    """A file of /proc; nothing of a process that has ended, or is not ours to read."""
    with suppress(OSError):
        return _contents(path, most)
    return b""


def _contents(path: str, most: int | None = None) -> bytes:
    """A file, in one go if it has no more than `most` bytes. Raises OSError."""
    # Without a file object, which would take half as long again, for every process there is.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if most:
            return os.read(descriptor, most)
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)
