"""What can be asked of Jicofo: what it tells by HTTP."""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host, HttpAnswer
from herd.core.role import Role


async def asked(
    host: Host, service: str, port: int, path: str, *, method: str = "GET", content: Any = None
) -> HttpAnswer:
    """A program's answer on its own HTTP interface. Raises HerdError, also for one that is no success."""
    body = None if content is None else json.dumps(content).encode()
    try:
        answer = await host.fetch(f"http://127.0.0.1:{port}{path}", method=method, content=body)
    except (OSError, ValueError) as error:
        raise HerdError(
            f"cannot ask {service}: port {port} does not answer: {error}; see: herd why {service}"
        ) from error
    if answer.status >= 300:
        raise HerdError(f"cannot ask {service}: it answers {answer.status} to {path}; see: herd log {service}")
    return answer


async def told(host: Host, service: str, port: int, path: str) -> dict[str, Any]:
    """The same, an object in JSON."""
    try:
        found = json.loads((await asked(host, service, port, path)).content)
    except ValueError as error:
        raise HerdError(f"cannot understand {service}: {path} is no JSON; see: herd log {service}") from error
    if not isinstance(found, dict):
        raise HerdError(f"cannot understand {service}: {path} is no object; see: herd log {service}")
    return found


def lines(facts: dict[str, Any], prefix: str = "") -> str:
    """Nested facts as lines NAME: VALUE, their names joined by dots."""
    found = ""
    for name, value in sorted(facts.items()):
        if isinstance(value, dict):
            found += lines(value, f"{prefix}{name}.")
        else:
            found += f"{prefix}{name}: {json.dumps(value) if isinstance(value, list | bool) else value}\n"
    return found


@frozen
class Stats:
    """What a program counts."""

    service: str
    port: int
    path: str

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        facts = await told(host, self.service, self.port, self.path)
        return Reply(facts, lines(facts))


@frozen
class _ListBridges:
    port: int

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        facts = (await told(host, "jicofo", self.port, "/stats")).get("bridge_selector", {})
        known = (await told(host, "jicofo", self.port, "/debug")).get("bridge_selector", {}).get("bridge", {})
        counts = {key: facts.get(key, 0) for key in ("bridge_count", "operational_bridge_count", "lost_bridges")}
        text = "".join(f"  - {name}\n" for name in sorted(known))
        operational = f"{counts['operational_bridge_count']} of {counts['bridge_count']} bridges can be used"
        return Reply({"bridges": known, **counts}, f"{operational}:\n{text}" if known else f"{operational}.\n")


@frozen
class _ListConferences:
    port: int

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        facts = await told(host, "jicofo", self.port, "/debug/conferences")
        return Reply(facts, lines(facts) or "There is no conference.\n")


def jicofo_actions(port: int) -> tuple[Action, ...]:
    """Those of the service."""
    return (
        Action("stats", "Tell what Jicofo counts.", Stats("jicofo", port, "/stats"), role=Role.OBSERVER),
        Action("list-bridges", "List the bridges that Jicofo knows.", _ListBridges(port), role=Role.OBSERVER),
        Action("list-conferences", "List the conferences that run.", _ListConferences(port), role=Role.MODERATOR),
    )
