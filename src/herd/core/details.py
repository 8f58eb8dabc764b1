"""The text of `herd status SERVICE`: Shepherd's lines, and what else an administrator asks of a service.

Source: GNU Shepherd 0.10 and 1.0, "Invoking herd". Times are wall-clock seconds given by the caller.
"""

from __future__ import annotations

from herd.core.events import Status
from herd.core.status import Snapshot
from herd.core.words import ago, count, due, since, size, span


def details(snapshot: Snapshot, now: float, *, sees_people: bool) -> str:
    """All that is known of a service, a line each; what does not apply, or is not for the reader, is left out."""
    lines = [
        *_state(snapshot, now),
        *_process(snapshot),
        *_history(snapshot, now),
        *_definition(snapshot),
        *(note.text for note in snapshot.notes_for(sees_people=sees_people)),
        *(f"Warning: {warning}" for warning in snapshot.warnings),
    ]
    return f"Status of {snapshot.service.name}:\n" + "".join(f"  {line}\n" for line in lines)


def condition(snapshot: Snapshot, now: float) -> str:
    """How it is and since when, as the end of "It is …"."""
    state, begun = snapshot.state, since(snapshot.since, now)
    match state.status:
        case Status.RUNNING:
            return f"transient, running {begun}" if snapshot.service.transient else f"running {begun}"
        case Status.STARTING:
            stage = f", at the stage of {snapshot.stage.value}" if snapshot.stage else ""
            return f"starting {begun}{stage}"
        case Status.STOPPING:
            return f"being stopped {begun}"
        case Status.STOPPED:
            kind = "(failing) " if snapshot.is_failing else "(one-shot) " if snapshot.is_done else ""
            return f"stopped {kind}{begun}"


def _state(snapshot: Snapshot, now: float) -> list[str]:
    service, state = snapshot.service, snapshot.state
    lines = [f"It is {condition(snapshot, now)}."]
    if snapshot.problem and state.status is not Status.RUNNING:
        lines.append(f"Reason: {snapshot.problem}.")
    lines.append("It is enabled." if state.enabled else f"It is disabled; enable it with: herd enable {service.name}")
    if snapshot.next_run is not None:
        lines.append(f"It runs its program next {due(snapshot.next_run, now)}.")
    if snapshot.has_replacement:
        lines.append("A new definition waits for the next start.")
    return lines


def _process(snapshot: Snapshot) -> list[str]:
    service, state, usage = snapshot.service, snapshot.state, snapshot.usage
    lines = [f"Main PID: {state.pid}"] if state.pid is not None else []
    lines.append(f"Command: {' '.join(service.program.command)}")
    if snapshot.is_adopted:
        lines.append("Its process was taken over from an earlier herdd.")
    if usage is not None:
        lines.append(f"Memory: {size(usage.memory)}, CPU: {span(usage.cpu)}, {count(usage.processes, 'process')}")
    if limits := service.program.limits.words:
        why = snapshot.unlimited_because
        lines.append(f"Limits: {limits}" + (f" (not kept: {why})" if why else ""))
    if snapshot.listening:
        lines.append(f"Listening on: {' '.join(snapshot.listening)}")
    if snapshot.health is not None:
        lines.append(f"Health: {snapshot.health}.")
    elif service.health is not None and state.status is Status.RUNNING:
        lines.append(f"Health: well, asked every {service.health.interval:g} seconds.")
    return lines


def _history(snapshot: Snapshot, now: float) -> list[str]:
    ending, lines = snapshot.state.ending, []
    if ending is not None:
        lines.append(f"Its program {ending.words} {ago(ending.at, now)}.")
    if snapshot.state.respawned:
        lines.append(f"Respawned {count(snapshot.state.respawned, 'time')} since it was last stopped.")
    if snapshot.respawn_in is not None:
        lines.append(f"It will be respawned {due(now + snapshot.respawn_in, now)}.")
    if snapshot.lost_lines:
        lines.append(f"{count(snapshot.lost_lines, 'line')} of output could not be kept.")
    return lines


def _definition(snapshot: Snapshot) -> list[str]:
    service = snapshot.service
    lines = [
        f"Provides: {' '.join(service.provision)}",
        f"Requires: {' '.join(service.requirement) or '(nothing)'}",
        f"Required by: {' '.join(snapshot.dependents) or '(nothing)'}",
        f"Will {'' if service.respawn else 'not '}be respawned.",
    ]
    if service.actions:
        lines.append(f"Actions: {' '.join(action.name for action in service.actions)}")
    return lines
