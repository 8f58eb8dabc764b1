"""How a service is, in a line, from its facts (core/interface.py, type Service): what `herd watch` prints."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def line(facts: dict[str, Any]) -> str:
    """`web: stopped: its program exited with 3; it will be respawned`."""
    notes = [facts["reason"], facts["status"] == "running" and facts["health"]]
    if facts["respawnInUSec"] is not None:
        notes.append("it will be respawned")
    if not facts["enabled"]:
        notes.append("it is disabled")
    told = "; ".join(note for note in notes if note)
    return f"{facts['name']}: {_status(facts)}{f': {told}' if told else ''}"


def _status(facts: dict[str, Any]) -> str:
    status = str(facts["status"])
    if status == "running" and facts["mainPid"] is not None:
        return f"running (pid {facts['mainPid']})"
    if facts["done"]:
        return f"{status} (one-shot)"
    return f"{status} (failing)" if facts["failing"] else status
