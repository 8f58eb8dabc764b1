"""What can be asked of Jibri by HTTP (its doc/http_api.md): whether it records, and to end that."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.host import Host
from herd.core.role import Role
from herd_services.jitsi.jicofo_actions import asked, lines, told

_API = "/jibri/api/v1.0"
HEALTH = f"{_API}/health"


async def _status(host: Host, port: int) -> dict[str, Any]:
    found = (await told(host, "jibri", port, HEALTH)).get("status")
    return found if isinstance(found, dict) else {}


@frozen
class SaysItIsHealthy:
    """Its own health; it answers with 200 whatever that is."""

    port: int

    async def __call__(self, host: Host) -> str | None:
        health = (await _status(host, self.port)).get("health")
        word = health.get("healthStatus") if isinstance(health, dict) else None
        return None if word == "HEALTHY" else f"it says {str(word)[:40]}; see: herd log jibri"


@frozen
class _Stats:
    port: int

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        facts = await _status(host, self.port)
        return Reply(facts, lines(facts))


@frozen
class _StopRecording:
    port: int

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        was = (await _status(host, self.port)).get("busyStatus") == "BUSY"
        await asked(host, "jibri", self.port, f"{_API}/stopService", method="POST")
        return Reply({"stopped": was}, "It ends the recording.\n" if was else "It was not recording.\n")


def jibri_actions(port: int) -> tuple[Action, ...]:
    """Those of the service."""
    return (
        Action("stats", "Tell whether it records, and how it is.", _Stats(port), role=Role.OBSERVER),
        Action("stop-recording", "End the recording or stream that runs.", _StopRecording(port), role=Role.MODERATOR),
    )
