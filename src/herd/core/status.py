"""What `herd status` says of a service: facts for programs, and Shepherd's lines for people.

Source: GNU Shepherd 0.10, `herd status` and `herd status SERVICE`; Emacs's daemons.el parses the headings and the
` + name` lines. Times are wall-clock seconds given by the caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from attrs import frozen

from herd.core.events import Stage, Status
from herd.core.lifecycle import State
from herd.core.service import Service


@frozen
class Usage:
    """What all processes of a service use together: resident bytes, CPU seconds since they began, their number."""

    memory: int
    cpu: float
    processes: int


@frozen
class Snapshot:
    """One service at one moment. `respawn_in` counts seconds from now; `warnings` are whole sentences."""

    service: Service
    state: State
    since: float
    warnings: tuple[str, ...]
    respawn_in: float | None
    dependents: tuple[str, ...]
    stage: Stage | None = None
    usage: Usage | None = None
    # Where its processes listen: `0.0.0.0:80`, `/run/web/socket`.
    listening: tuple[str, ...] = ()
    # What the last health check said; None: well, or never asked.
    health: str | None = None
    # The configuration has another definition, which the next start takes.
    has_replacement: bool = False
    # When a timer's program runs next; wall-clock seconds.
    next_run: float | None = None
    # Lines of output that could not be kept.
    lost_lines: int = 0
    # Its process was started by a herdd before this one.
    is_adopted: bool = False

    @property
    def is_failing(self) -> bool:
        """Stopped because its last start failed."""
        return self.state.status is Status.STOPPED and self.state.failure is not None

    @property
    def problem(self) -> str | None:
        """Why it is not running, where nobody asked for that."""
        return self.state.failure.reason if self.state.failure else self.state.cause


_GROUPS = (
    ("Started", "+"),
    ("Starting", "^"),
    ("Stopped", "-"),
    ("Stopping", "v"),
    ("Failed to start", "!"),
)
_GROUP_OF = {
    Status.RUNNING: "Started",
    Status.STARTING: "Starting",
    Status.STOPPED: "Stopped",
    Status.STOPPING: "Stopping",
}


def group(snapshot: Snapshot) -> str:
    """The heading of `herd status` under which the service stands."""
    return "Failed to start" if snapshot.is_failing else _GROUP_OF[snapshot.state.status]


def overview(snapshots: Iterable[Snapshot]) -> str:
    """The text of `herd status`: groups in Shepherd's order, names sorted, root among the started."""
    members: dict[str, list[str]] = {"Started": ["root"]}
    for snapshot in snapshots:
        members.setdefault(group(snapshot), []).append(snapshot.service.name)
    return "".join(
        f"{heading}:\n" + "".join(f" {sign} {name}\n" for name in sorted(members[heading]))
        for heading, sign in _GROUPS
        if heading in members
    )


def details(snapshot: Snapshot, now: float) -> str:
    """The text of `herd status SERVICE`."""
    service, state = snapshot.service, snapshot.state
    lines = [f"It is {_condition(snapshot, now)}."]
    if state.pid is not None:
        lines += [f"Main PID: {state.pid}", f"Command: {' '.join(service.program.command)}"]
    lines.append("It is enabled." if state.enabled else f"It is disabled; enable it with: herd enable {service.name}")
    if snapshot.problem and state.status is not Status.RUNNING:
        lines.append(f"Reason: {snapshot.problem}.")
    if state.ending is not None:
        lines.append(f"Its program {state.ending.words} at {_clock(state.ending.at)} ({_ago(now - state.ending.at)}).")
    if snapshot.respawn_in is not None:
        lines.append(f"It will be respawned in {snapshot.respawn_in:.1f} seconds.")
    lines += [
        f"Provides: {' '.join(service.provision)}",
        f"Requires: {' '.join(service.requirement) or '(nothing)'}",
        f"Required by: {' '.join(snapshot.dependents) or '(nothing)'}",
        f"Will {'' if service.respawn else 'not '}be respawned.",
    ]
    if service.actions:
        lines.append(f"Actions: {' '.join(action.name for action in service.actions)}")
    lines += [f"Warning: {warning}" for warning in snapshot.warnings]
    if snapshot.lost_lines:
        lines.append(f"Lines missing in its log, which could not be written: {snapshot.lost_lines}.")
    return f"Status of {service.name}:\n" + "".join(f"  {line}\n" for line in lines)


def _condition(snapshot: Snapshot, now: float) -> str:
    since = f"since {_clock(snapshot.since)} ({_ago(now - snapshot.since)})"
    match snapshot.state.status:
        case Status.RUNNING:
            return f"running {since}"
        case Status.STARTING:
            stage = f", at the stage of {snapshot.stage.value}" if snapshot.stage else ""
            return f"starting {since}{stage}"
        case Status.STOPPING:
            return f"being stopped {since}"
        case Status.STOPPED:
            return f"stopped {'(failing) ' if snapshot.is_failing else ''}{since}"


def facts(snapshot: Snapshot) -> dict[str, Any]:
    """The same for programs, as the interface's type Service has it. Times in microseconds since the epoch."""
    service, state, ending = snapshot.service, snapshot.state, snapshot.state.ending
    return {
        "name": service.name,
        "status": state.status.value,
        "failing": snapshot.is_failing,
        "enabled": state.enabled,
        "sinceUSec": int(snapshot.since * 1e6),
        "mainPid": state.pid,
        "stage": snapshot.stage.value if snapshot.stage else None,
        "reason": snapshot.problem if state.status is not Status.RUNNING else None,
        "exitCode": ending.code if ending else None,
        "exitSignal": ending.signal if ending else None,
        "respawns": len(state.respawn_history),
        "respawnInUSec": int(snapshot.respawn_in * 1e6) if snapshot.respawn_in is not None else None,
        "provision": list(service.provision),
        "requirement": list(service.requirement),
        "dependents": list(snapshot.dependents),
        "command": list(service.program.command),
        "actions": [action.name for action in service.actions],
        "documentation": service.documentation,
        "warnings": list(snapshot.warnings),
    }


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment):%Y-%m-%d %H:%M:%S}"


def _ago(seconds: float) -> str:
    count = max(0, int(seconds))
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if count >= size:
            amount = count // size
            return f"{amount} {unit}{'s' if amount != 1 else ''} ago"
    return f"{count} second{'s' if count != 1 else ''} ago"
