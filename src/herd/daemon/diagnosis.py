"""Looks for what keeps services from running: the facts that core/why.py, which does no I/O, is given.

To look blocks, and asks the system's database of users, which may ask a network: each service is examined in a thread
and awaited no longer than LIMIT. What cannot be found out is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import trio

from herd.core.diagnosis import Diagnosis
from herd.core.events import Status
from herd.core.status import Snapshot
from herd.daemon.holders import holders
from herd.daemon.permission import denied, missing

# Seconds that one service's examination may take.
LIMIT = 5.0
# Threads, for all who ask: those that look where nothing answers stay behind, and no start may want for them.
_LOOKERS = trio.CapacityLimiter(4)


async def diagnosed(
    snapshots: Iterable[Snapshot], outputs: Mapping[str, Sequence[str]], mains: Mapping[int, str]
) -> dict[str, Diagnosis]:
    """What was found, by the services' names. `mains` says whose main process a number is."""
    found: dict[str, Diagnosis] = {}

    async def examine(snapshot: Snapshot) -> None:
        name = snapshot.service.name
        with trio.move_on_after(LIMIT):
            work = partial(diagnose, snapshot, outputs[name], mains)
            found[name] = await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=_LOOKERS)

    async with trio.open_nursery() as nursery:
        for snapshot in snapshots:
            nursery.start_soon(examine, snapshot)
    return found


def diagnose(snapshot: Snapshot, output: Sequence[str], mains: Mapping[int, str]) -> Diagnosis:
    """Everything that may matter to one service that does not run."""
    service = snapshot.service
    return Diagnosis(
        missing=missing(service.program),
        denied=denied(service),
        holders=tuple(holders(service, output, mains)),
        output=tuple(output),
        left=tuple(_left(service.name)) if snapshot.state.status is Status.STOPPING else (),
        out_of_memory=_out_of_memory(),
    )


def _left(name: str) -> Iterator[str]:
    """The service's processes below herdd."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("HERD_SERVICE") == name:
                yield f"{process.pid} {process.name()}"


def _out_of_memory() -> int:
    """How often the kernel ended a process for want of memory."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
