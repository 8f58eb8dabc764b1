"""From one herdd to the next: processes that a killed herdd left are taken over, or ended where that cannot be.

Only a process that was ready is taken over, and one-shots and timers' programs, which never are; one that was starting
is ended, for what was still to be done to it is not known. Source of the checks: remembered.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, pidfd_send_signal

import trio
from attrs import frozen

from herd.core.service import Service
from herd.daemon.census import hold, in_session, marked
from herd.daemon.cgroups import Group, Groups
from herd.daemon.identity import Identity, NoIdentity, identity
from herd.daemon.process import Process
from herd.daemon.remembered import Record, digest, forget, is_same, left_home, load, reclaim
from herd.daemon.supervisor import Supervisor


@frozen
class Remains:
    """What is to end: programs and commands with a mark of this home, but for those that are spared; and who has hidden
    it, in these records' sessions, or is in these groups.
    """

    home: str
    spared: frozenset[str]
    leaders: tuple[Record, ...]
    groups: tuple[Group, ...]

    def pids(self) -> set[int]:
        """Who of them lives. Blocks."""
        sessions = [in_session(each.pid, each.mark) for each in self.leaders]
        return set(marked(self.home, self.spared) if self.home else ()).union(
            *sessions, *(each.pids() for each in self.groups)
        )


@frozen
class Inheritance:
    """What an earlier herdd left: processes to take over, and what is to end; the names that it has records of."""

    kept: tuple[tuple[Record, Process, Identity], ...]
    remains: Remains
    names: tuple[str, ...]


async def take_over(supervisor: Supervisor) -> None:
    """Adopt what can be, end the rest. Asked once, before anything is started."""
    wanted = {name: controller.service for name, controller in supervisor.controllers.items()}
    left = await trio.to_thread.run_sync(_inspect, supervisor, wanted)
    await _end(left.remains, supervisor.say)
    supervisor.taken_over = {record.service for record, _, _ in left.kept}
    for record, process, who in left.kept:
        controller = supervisor.controllers[record.service]
        supervisor.say(f"Service {record.service} runs since before this herdd and is taken over (pid {record.pid}).")
        controller.adopt(process, who, record.since)
        if digest(controller.service.program) != record.program:
            controller.replacement = controller.service
    await trio.to_thread.run_sync(forget, supervisor.processes_dir, set(left.names) - supervisor.taken_over)


def _inspect(supervisor: Supervisor, wanted: dict[str, Service]) -> Inheritance:
    kept, leaders, names = [], [], []
    for record in load(supervisor.processes_dir):
        names.append(record.service)
        service = wanted.get(record.service)
        may_stay = service is not None and (record.is_ready or service.one_shot or service.schedule is not None)
        found = _reclaimed(record, service, supervisor.confinement.groups) if may_stay and service is not None else None
        if found is None:
            if is_same(record):
                leaders.append(record)
        else:
            kept.append((record, *found))
    groups = _others(supervisor.confinement.groups, {record.service for record, _, _ in kept})
    spared = frozenset(record.mark for record, _, _ in kept)
    remains = Remains(left_home(supervisor.processes_dir), spared, tuple(leaders), groups)
    return Inheritance(tuple(kept), remains, tuple(names))


def _others(groups: Groups | None, services: Collection[str]) -> tuple[Group, ...]:
    return () if groups is None else tuple(groups.others(services))


def _reclaimed(record: Record, service: Service, groups: Groups | None) -> tuple[Process, Identity] | None:
    with suppress(NoIdentity):
        who = identity(service.program)
        if process := reclaim(record, groups):
            if process.group is not None:
                # The unit took the controllers back, and with them what they were told. It may have ended by now.
                with suppress(OSError):
                    process.group.limit(record.limits)
            return process, who
    return None


async def sweep(processes_dir: Path, say: Callable[[str], None]) -> None:
    """End whatever a herdd that is gone has left, where no other herdd is to take it over."""
    records = load(processes_dir)
    leaders = tuple(record for record in records if is_same(record))
    groups = Groups.delegated()
    left = () if groups is None else tuple(groups.all())
    await _end(Remains(left_home(processes_dir), frozenset(), leaders, left), say)
    forget(processes_dir, [record.service for record in records])


async def _end(remains: Remains, say: Callable[[str], None]) -> None:
    """KILL what is to end, again and again until nothing of it is left."""
    beyond: set[int] = set()
    while found := await trio.to_thread.run_sync(remains.pids) - beyond:
        say(f"{len(found)} processes of an earlier herdd, which cannot be taken over, are ended.")
        for group in remains.groups:
            group.kill()
        for pid in found:
            with suppress(ProcessLookupError):
                descriptor = hold(pid)
                try:
                    pidfd_send_signal(descriptor, SIGKILL)
                    await trio.lowlevel.wait_readable(descriptor)
                except PermissionError:
                    # Of a user's herdd: one that has become another user's.
                    say(f"cannot end the process {pid}: it is another user's.")
                    beyond.add(pid)
                finally:
                    os.close(descriptor)
    for group in remains.groups:
        group.remove()
