"""What /proc tells of a supervisor and of all that it started. Numbers are the kernel's, read from outside."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

from attrs import frozen


@frozen
class Entry:
    """One living process."""

    pid: int
    parent: int
    command: str


def entry(pid: int) -> Entry | None:
    """A process, unless it has ended."""
    with suppress(OSError):
        # PID (COMMAND) STATE PARENT …, where the command may have anything in it.
        head, _, tail = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        state, parent = tail.split(maxsplit=2)[:2]
        if state not in "ZX":
            return Entry(pid, int(parent), head.partition("(")[2])
    return None


def pids() -> set[int]:
    """Every process there is."""
    return {int(name) for name in os.listdir("/proc") if name.isdecimal()}


def below(root: int) -> list[Entry]:
    """The living descendants of a process, parents in front."""
    children: dict[int, list[Entry]] = {}
    for pid in pids():
        if found := entry(pid):
            children.setdefault(found.parent, []).append(found)
    descendants: list[Entry] = []
    waiting = [root]
    while waiting:
        here = children.get(waiting.pop(), [])
        descendants += here
        waiting += [each.pid for each in here]
    return descendants


def kill_below(root: int) -> None:
    """End every descendant at once, those that appear meanwhile too, and collect our own."""
    while found := below(root):
        for each in found:
            with suppress(ProcessLookupError):
                os.kill(each.pid, SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def memory(some: Iterable[int]) -> float:
    """MiB of memory, what is shared divided by those who share it (PSS)."""
    return sum(_pss(pid) for pid in some) / 1024


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Pss":
            return int(value.split()[0])
    return 0


def cpu(some: Iterable[int]) -> float:
    """Seconds of CPU that the living threads of the processes have had."""
    return sum(int(text.split()[0]) for text in _of_tasks(some, "schedstat")) / 1e9


def switches(some: Iterable[int]) -> int:
    """How often a thread of theirs went to sleep of its own will, which is how often it was woken."""
    lines = (line for text in _of_tasks(some, "status") for line in text.splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def _of_tasks(some: Iterable[int], name: str) -> Iterator[str]:
    """A file of every thread; of none that ends meanwhile."""
    for pid in some:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                yield (task / name).read_text()
