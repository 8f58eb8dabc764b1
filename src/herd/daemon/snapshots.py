"""A service as it is at one moment (core/status.py), read off its controller."""

from __future__ import annotations

import trio
from attrs import evolve

from herd.core.status import Snapshot, Usage
from herd.daemon.controller import Controller
from herd.daemon.process import Process


def snapshot(controller: Controller, dependents: tuple[str, ...]) -> Snapshot:
    """The service as it is now; `dependents` require it directly."""
    runner, due = controller.runner, controller.state.respawn_at
    return Snapshot(
        service=controller.service,
        state=controller.state,
        since=controller.since,
        warnings=tuple(runner.host.warnings),
        respawn_in=None if due is None else max(0.0, due - trio.current_time()),
        dependents=dependents,
        stage=runner.stage,
        health=None if runner.attendance is None else runner.attendance.health,
        has_replacement=controller.replacement is not None,
        next_run=runner.occasions.next_run,
        lost_lines=controller.log.lost,
        is_adopted=runner.is_adopted,
        notes=runner.host.notes,
    )


async def measured(controller: Controller, dependents: tuple[str, ...]) -> Snapshot:
    """The same with what its processes use and where they listen."""
    process = controller.runner.process
    if process is None:
        return snapshot(controller, dependents)
    used, addresses = await trio.to_thread.run_sync(_measure, process)
    return evolve(snapshot(controller, dependents), usage=used, listening=addresses)


def _measure(process: Process) -> tuple[Usage, tuple[str, ...]]:
    # Not before somebody asks: what reads processes takes its time to be read in.
    from herd.daemon.listeners import listening
    from herd.daemon.usage import usage

    pids = process.pids()
    return usage(pids, process.group), listening(pids)
