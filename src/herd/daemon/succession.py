"""From one herdd to the next: processes that a killed herdd left are taken over, or ended where that cannot be.

Only a process that was ready is taken over, and one-shots and timers' programs, which never are; one that was starting
is ended, for what was still to be done to it is not known. Source of the checks: remembered.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, pidfd_send_signal

import trio
from attrs import frozen

from herd.core.service import Service
from herd.daemon.census import in_session, marked
from herd.daemon.identity import Identity, NoIdentity, identity
from herd.daemon.process import Process
from herd.daemon.remembered import Record, digest, forget, is_same, load, reclaim
from herd.daemon.supervisor import Supervisor


@frozen
class Inheritance:
    """What an earlier herdd left: processes to take over, and those to end: their marks, and who began a session."""

    kept: tuple[tuple[Record, Process, Identity], ...]
    marks: frozenset[str]
    leaders: tuple[Record, ...]
    names: tuple[str, ...]


async def take_over(supervisor: Supervisor) -> None:
    """Adopt what can be, end the rest. Asked once, before anything is started."""
    wanted = {name: controller.service for name, controller in supervisor.controllers.items()}
    left = await trio.to_thread.run_sync(_inspect, supervisor, wanted)
    await _end(left.marks, left.leaders, supervisor.say)
    supervisor.taken_over = {record.service for record, _, _ in left.kept}
    for record, process, who in left.kept:
        controller = supervisor.controllers[record.service]
        supervisor.say(f"Service {record.service} runs since before this herdd and is taken over (pid {record.pid}).")
        controller.adopt(process, who, record.since)
        if digest(controller.service.program) != record.program:
            controller.replacement = controller.service
    await trio.to_thread.run_sync(forget, supervisor.processes_dir, set(left.names) - supervisor.taken_over)


def _inspect(supervisor: Supervisor, wanted: dict[str, Service]) -> Inheritance:
    kept, marks, leaders, names = [], set(), [], []
    for record in load(supervisor.processes_dir):
        names.append(record.service)
        service = wanted.get(record.service)
        may_stay = service is not None and (record.is_ready or service.one_shot or service.schedule is not None)
        found = _reclaimed(record, service) if may_stay and service is not None else None
        if found is None:
            marks.add(record.mark)
            if is_same(record):
                leaders.append(record)
        else:
            kept.append((record, *found))
    return Inheritance(tuple(kept), frozenset(marks), tuple(leaders), tuple(names))


def _reclaimed(record: Record, service: Service) -> tuple[Process, Identity] | None:
    with suppress(NoIdentity):
        who = identity(service.program)
        if process := reclaim(record):
            return process, who
    return None


async def sweep(processes_dir: Path, say: Callable[[str], None]) -> None:
    """End whatever a herdd that is gone has left, where no other herdd is to take it over."""
    records = load(processes_dir)
    leaders = tuple(record for record in records if is_same(record))
    await _end(frozenset(record.mark for record in records), leaders, say)
    forget(processes_dir, [record.service for record in records])


def _remains(marks: frozenset[str], leaders: Sequence[Record]) -> set[int]:
    """Whoever bears a mark, or has hidden it and is in such a session."""
    return set(marked(marks)).union(*(in_session(each.pid, each.mark) for each in leaders))


async def _end(marks: frozenset[str], leaders: Sequence[Record], say: Callable[[str], None]) -> None:
    """KILL what is to end, again and again until nothing of it is left."""
    while marks and (found := await trio.to_thread.run_sync(_remains, marks, leaders)):
        say(f"{len(found)} processes of an earlier herdd, which cannot be taken over, are ended.")
        for pid in found:
            with suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                try:
                    pidfd_send_signal(descriptor, SIGKILL)
                    await trio.lowlevel.wait_readable(descriptor)
                finally:
                    os.close(descriptor)
