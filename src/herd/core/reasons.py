"""Why one service is as it is, leaving aside what it requires, and what would mend it."""

from __future__ import annotations

from herd.core.diagnosis import Diagnosis
from herd.core.events import Stage, Status
from herd.core.faults import Reason, failed, retry
from herd.core.standing import awaited, last_run_failed
from herd.core.status import Snapshot
from herd.core.words import due, since


def explain(snapshot: Snapshot, diagnosis: Diagnosis, now: float, asked: str) -> Reason:
    """Why it is as it is; `asked` is the service that is to be started once this is mended."""
    state, name = snapshot.state, snapshot.service.name
    match state.status:
        case Status.RUNNING:
            return _running(snapshot, now)
        case Status.STARTING:
            limit = f"It is given up {due(snapshot.since + snapshot.service.start_timeout, now)}."
            return Reason(f"{name} is being started {since(snapshot.since, now)}: {_stage(snapshot)}", (limit,))
        case Status.STOPPING:
            return _stopping(snapshot, diagnosis, now)
    crash_loop = state.failure is not None and state.failure.stage is Stage.RESPAWN
    if not state.enabled and not crash_loop:
        return Reason(f"{name} is disabled: somebody asked for that", remedy=retry(snapshot, asked))
    if snapshot.is_done:
        return Reason(f"{name} is done: it is a one-shot, and its last run ended well")
    if state.failure is not None or state.cause is not None or snapshot.respawn_in is not None:
        return failed(snapshot, diagnosis, now, asked)
    if state.ending is None and not snapshot.service.auto_start:
        why = "nobody has asked for it yet, and it does not start with herdd (auto-start = false)"
    else:
        why = "somebody asked for that"
    return Reason(f"{name} is stopped: {why}", remedy=retry(snapshot, asked))


def _running(snapshot: Snapshot, now: float) -> Reason:
    name, ending = snapshot.service.name, snapshot.state.ending
    log = f"see: herd log {name}"
    if snapshot.health is not None:
        return Reason(f"{name} is running, but not well: {snapshot.health}", snapshot.warnings, log)
    if snapshot.warnings:
        return Reason(f"{name} is running, but not all of it", snapshot.warnings, log)
    if ending is not None and last_run_failed(snapshot):
        return Reason(f"{name} waits for its next run, but in its last its program {ending.words}", (), log)
    return Reason(f"{name} is running {since(snapshot.since, now)}, and nothing is known to be wrong")


def _stage(snapshot: Snapshot) -> str:
    match snapshot.stage:
        case Stage.PREPARATION:
            return "its files are being prepared"
        case Stage.EXECUTION:
            return "its program is being executed"
        case Stage.READINESS:
            return f"it waits until {awaited(snapshot.service)}"
        case Stage.SETUP:
            return "it is being set up"
        case _:
            return "it has just begun"


def _stopping(snapshot: Snapshot, diagnosis: Diagnosis, now: float) -> Reason:
    grace = f"What has not ended by then is killed {due(snapshot.since + snapshot.service.grace_period, now)}."
    left = (f"Still there: {', '.join(diagnosis.left)}.",) if diagnosis.left else ()
    why = f": {snapshot.problem}" if snapshot.problem else ""
    return Reason(f"{snapshot.service.name} is being stopped {since(snapshot.since, now)}{why}", (*left, grace))
