"""How a service is: one snapshot, its place in the overview, its facts for programs (for people: core/details.py).

Source: GNU Shepherd 0.10, `herd status`; Emacs's daemons.el parses the headings and the ` + name` lines. Times are
wall-clock seconds given by the caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from herd.core.events import Stage, Status
from herd.core.host import Note
from herd.core.service import Service
from herd.core.state import State


@frozen
class Usage:
    """What all processes of a service use together: bytes, CPU seconds since they began, their number.

    A page that several processes share counts once, in parts.
    """

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
    # Why its limits are not kept, a clause; empty where they are.
    unlimited_because: str = ""
    # What it tells of itself.
    notes: tuple[Note, ...] = ()

    def notes_for(self, *, sees_people: bool) -> tuple[Note, ...]:
        """The notes for somebody who may be told of people, or for somebody who may not."""
        return tuple(note for note in self.notes if sees_people or not note.is_about_people)

    @property
    def is_failing(self) -> bool:
        """Stopped because its last start failed."""
        return self.state.status is Status.STOPPED and self.state.failure is not None

    @property
    def is_done(self) -> bool:
        """A one-shot that did what it is for: as good as running to whoever requires it."""
        return self.state.status is Status.STOPPED and self.state.done

    @property
    def problem(self) -> str | None:
        """Why it is not running, where nobody asked for that."""
        return self.state.failure.reason if self.state.failure else self.state.cause


_GROUPS = (
    ("Started", "+"),
    ("Starting", "^"),
    ("Stopped", "-"),
    ("Stopping", "v"),
    ("One-shot", "*"),
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
    if snapshot.is_failing:
        return "Failed to start"
    return "One-shot" if snapshot.is_done else _GROUP_OF[snapshot.state.status]


def sign(snapshot: Snapshot) -> str:
    """The character that stands for that heading."""
    return dict(_GROUPS)[group(snapshot)]


def overview(snapshots: Iterable[Snapshot]) -> str:
    """The text of `herd status`: groups in Shepherd's order, names sorted, root among the started."""
    members: dict[str, list[str]] = {"Started": ["root"]}
    for snapshot in snapshots:
        members.setdefault(group(snapshot), []).append(snapshot.service.name)
    return "".join(
        f"{heading}:\n" + "".join(f" {mark} {name}\n" for name in sorted(members[heading]))
        for heading, mark in _GROUPS
        if heading in members
    )


def facts(snapshot: Snapshot, *, sees_people: bool) -> dict[str, Any]:
    """The same for programs, as the interface's type Service has it. Times in microseconds since the epoch."""
    service, state, usage = snapshot.service, snapshot.state, snapshot.usage
    ending = state.ending
    return {
        "name": service.name,
        "status": state.status.value,
        "failing": snapshot.is_failing,
        "enabled": state.enabled,
        "sinceUSec": int(snapshot.since * 1e6),
        "mainPid": state.pid,
        "stage": snapshot.stage.value if snapshot.stage else None,
        "failedStage": state.failure.stage.value if state.failure else None,
        "reason": snapshot.problem if state.status is not Status.RUNNING else None,
        "exitCode": ending.code if ending else None,
        "exitSignal": ending.signal if ending else None,
        "exitUSec": int(ending.at * 1e6) if ending else None,
        "respawns": state.respawned,
        "respawnInUSec": _microseconds(snapshot.respawn_in),
        "nextRunUSec": _microseconds(snapshot.next_run),
        "provision": list(service.provision),
        "requirement": list(service.requirement),
        "dependents": list(snapshot.dependents),
        "command": list(service.program.command),
        "actions": [action.name for action in service.actions],
        "documentation": service.documentation,
        "warnings": list(snapshot.warnings),
        "health": snapshot.health,
        "memoryBytes": usage.memory if usage else None,
        "cpuUSec": _microseconds(usage.cpu) if usage else None,
        "processes": usage.processes if usage else None,
        "listening": list(snapshot.listening),
        "lostLines": snapshot.lost_lines,
        "oneShot": service.one_shot,
        "done": snapshot.is_done,
        "transient": service.transient,
        "autoStart": service.auto_start,
        "hasReplacement": snapshot.has_replacement,
        "adopted": snapshot.is_adopted,
        "notes": {note.name: note.value for note in snapshot.notes_for(sees_people=sees_people)},
    }


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1e6)
