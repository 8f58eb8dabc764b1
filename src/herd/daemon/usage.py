"""What a service's processes use together. Blocks: call it in a thread.

Memory is PSS, where a page that n processes share counts one n-th for each: the resident bytes of a program that forks
workers would count its code and its data once for every worker. PSS makes the kernel walk the page tables, some
milliseconds for a gigabyte; where it may not be read, resident bytes stand in.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from herd.core.status import Usage
from herd.daemon.cgroups import Group


def usage(pids: Iterable[int], group: Group | None = None) -> Usage:
    """The sum over these processes; those that have ended meanwhile count nothing.

    Where they have a control group the kernel knows the CPU time, of those that have ended too, and, with its memory
    controller, the memory, that of open files included; under a herdd that took them over, only what came later.
    """
    used = _sum(pids)
    if group is None:
        return used
    memory, cpu = group.memory, group.cpu
    return Usage(max(used.memory, memory or 0), used.cpu if cpu is None else cpu, used.processes)


def _sum(pids: Iterable[int]) -> Usage:
    memory, cpu, processes = 0, 0.0, 0
    for pid in pids:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            times = process.cpu_times()
            memory += _memory(process)
            # With what its ended children used, which is nobody else's to report.
            cpu += times.user + times.system + times.children_user + times.children_system
            processes += 1
    return Usage(memory, cpu, processes)


def _memory(process: psutil.Process) -> int:
    """Bytes. Raises psutil.Error."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return int(process.memory_info().rss)
