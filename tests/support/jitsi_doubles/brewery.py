"""What Jicofo knows of the bridges: who is in the brewery, what they say of themselves, whether they answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jitsi_doubles.java import Log
from jitsi_doubles.xmpp import COLIBRI


@dataclass
class Bridge:
    """One of them, by its address in the room."""

    address: str
    stats: dict[str, str] = field(default_factory=dict)
    # Of the last question after its health.
    answers: bool = True

    @property
    def operational(self) -> bool:
        """Whether conferences would be given to it."""
        leaving = any(self.stats.get(each) == "true" for each in ("graceful_shutdown", "shutting_down"))
        return self.answers and self.stats.get("healthy") != "false" and not leaving

    def __str__(self) -> str:
        version = self.stats.get("version")
        return f"Bridge[jid={self.address}, version={version}, relayId=null, region=null, correctedStress=0.00]"


class Brewery:
    """All of them."""

    def __init__(self, room: str, log: Log) -> None:
        self._room, self._log = room, log
        self.bridges: dict[str, Bridge] = {}
        self.lost = 0

    @property
    def context(self) -> str:
        """What Jicofo's lines about it carry."""
        return f"type=bridge brewery={self._room.partition('@')[0]}"

    def see(self, presence: Any) -> None:
        """Somebody's presence; those without a bridge's statistics are none of ours."""
        address, room = str(presence["from"]), presence["from"].bare
        if room != self._room:
            return
        if presence["type"] in ("unavailable", "error"):
            self.lose(address)
        elif (stats := presence.xml.find(f"{COLIBRI}stats")) is not None:
            said = {each.get("name"): each.get("value") for each in stats.iter(f"{COLIBRI}stat")}
            self._update(address, said)

    def _update(self, address: str, said: dict[str, str]) -> None:
        known = self.bridges.get(address)
        if known is not None:
            known.stats = said
            return
        bridge = self.bridges[address] = Bridge(address, said)
        self._log.info("BaseBrewery.addInstance#1", f"Added brewery instance: {address}", self.context)
        self._log.info("BridgeSelector.addJvbAddress#1", f"Added new videobridge: {bridge}")

    def lose(self, address: str) -> None:
        """It is gone."""
        if (bridge := self.bridges.pop(address, None)) is not None:
            self.lost += 1
            self._log.warning("BridgeSelector.removeJvbAddress#1", f"Lost a bridge: {bridge}")

    def lose_all(self) -> None:
        """The connection is gone."""
        for address in list(self.bridges):
            self.lose(address)

    @property
    def operational(self) -> int:
        """How many could be given conferences."""
        return sum(bridge.operational for bridge in self.bridges.values())

    def stats(self) -> dict[str, Any]:
        """The part `bridge_selector` of /stats."""
        return {
            "bridge_count": len(self.bridges),
            "operational_bridge_count": self.operational,
            "lost_bridges": self.lost,
        }
