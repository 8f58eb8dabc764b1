"""Services at a moment, made up: what status and why are asked about."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from herd.core.events import Status
from herd.core.service import Health, Program, Service
from herd.core.state import State
from herd.core.status import Snapshot

NOW = 1_800_000_000.0
STATE_KEYS = {name for name in State.__annotations__ if name != "status"}
SNAPSHOT_KEYS = {name for name in Snapshot.__annotations__ if name not in ("service", "state")}


def snapshot(name: str, status: Status = Status.STOPPED, **keys: Any) -> Snapshot:
    """A service `name` in that status for a minute; the keys are of State, Snapshot or Service, by their names."""
    of_service = {"health": keys.pop("health")} if isinstance(keys.get("health"), Health) else {}
    state = State(status, **{key: keys.pop(key) for key in STATE_KEYS & keys.keys()})
    around = {key: keys.pop(key) for key in SNAPSHOT_KEYS & keys.keys()}
    defaults: dict[str, Any] = {"provision": (name,), "program": Program((f"/bin/{name}",))}
    service = Service(**(defaults | keys | of_service))
    return evolve(Snapshot(service, state, NOW - 60, (), None, ()), **around)
