"""What can be asked of Prosody, Jicofo and a bridge, one question each (checking.py).

Each is a value: two definitions that say the same are equal, so that a reload leaves the service alone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from attrs import frozen

from herd.core.host import Host
from herd_services.jitsi.certifying import Certificates
from herd_services.jitsi.deployment import BRIDGE, FOCUS
from herd_services.jitsi.jicofo_actions import told
from herd_services.jitsi.meeting import Prosody
from herd_services.jitsi.presence import unanswered
from herd_services.jitsi.xmpp import MUC

_SOON = timedelta(days=14)
_MAX_REASON = 300


@frozen
class Listens:
    """The service has the port itself."""

    address: str
    port: int
    style: Literal["stream", "datagram"] = "stream"

    async def __call__(self, host: Host) -> str | None:
        if await host.listens(self.address, self.port, self.style):
            return None
        taker = await host.taker(self.address, self.port, self.style)
        return f"{taker} has it" if taker else "nothing listens there"


@frozen
class LogsIn:
    """An account can log in, and the address is a place of rooms."""

    prosody: Prosody
    account: str
    place: str | None = None

    async def __call__(self, host: Host) -> str | None:
        return await self.prosody.refuses(host, self.account, {} if self.place is None else {self.place: MUC})


@frozen
class IsGood:
    """The certificate has some time left."""

    certificates: Certificates

    async def __call__(self, host: Host) -> str | None:
        moment = await self.certificates.expires(host)
        left = moment.timestamp() - host.now()
        return None if left > _SOON.total_seconds() else f"it is good until {moment:%Y-%m-%d}"


@frozen
class Answers:
    """The program answers by HTTP."""

    port: int

    async def __call__(self, host: Host) -> str | None:
        return await unanswered(host, self.port)


@frozen
class IsSeen:
    """The service is in the room where all meet."""

    prosody: Prosody
    account: str
    nickname: str

    async def __call__(self, host: Host) -> str | None:
        return await self.prosody.unwelcome(host, self.account, self.nickname)


@frozen
class SaysItIsWell:
    """The program's own health."""

    port: int

    async def __call__(self, host: Host) -> str | None:
        try:
            answer = await host.fetch(f"http://127.0.0.1:{self.port}/about/health")
        except (OSError, ValueError) as error:
            return f"it does not answer: {error}"
        if answer.status == 404:
            return "that is switched off; remove health from extra"
        said = " ".join(answer.content.decode("utf-8", "replace").split())[:_MAX_REASON]
        return None if answer.status == 200 else said or f"it answers {answer.status}"


@frozen
class KnowsItsBridges:
    """Jicofo knows whoever is in the room."""

    prosody: Prosody
    port: int

    async def __call__(self, host: Host) -> str | None:
        there = await self.prosody.occupants(host, FOCUS) - {FOCUS}
        known = (await told(host, "jicofo", self.port, "/stats")).get("bridge_selector", {}).get("bridge_count", 0)
        return None if known >= len(there) else f"{len(there)} are in the room, and it knows {known}; restart it"


@frozen
class Fits:
    """All heaps fit into the machine's memory (MiB)."""

    heaps: int
    memory: int

    async def __call__(self, host: Host) -> str | None:
        return None if self.heaps <= self.memory else f"{self.heaps} MiB are promised, and there are {self.memory}"


def accounts_of(prosody: Prosody) -> tuple[tuple[str, LogsIn], ...]:
    """What both accounts have to be able to do."""
    deployment = prosody.deployment
    return (
        (f"{FOCUS} can log in", LogsIn(prosody, FOCUS)),
        (f"{BRIDGE} can log in", LogsIn(prosody, BRIDGE)),
        (f"{deployment.internal_muc} has rooms for services", LogsIn(prosody, FOCUS, deployment.internal_muc)),
        (f"{deployment.conference_muc} has rooms for people", LogsIn(prosody, FOCUS, deployment.conference_muc)),
    )
