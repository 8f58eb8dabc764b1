"""A bridge's connection to one Prosody and its rooms there.

Behaviour: jicoco's MucClient.java: connects and logs in, again each 5 seconds; after a loss again after 1 second; what
cannot be joined is never tried again while the connection lasts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import SubElement

from jitsi_doubles import java
from jitsi_doubles.faults import Faults
from jitsi_doubles.xmpp import COLIBRI, Account, Client, Trouble, logged_in

# Seconds.
_RETRY_CONNECTING, _RECONNECT = 5.0, 1.0
_NEEDED = ("hostname", "username", "password", "muc_jids", "muc_nickname")


def complete(configuration: dict[str, Any]) -> dict[str, Any] | None:
    """With its keys in lower case; None if one is missing, and then it is dropped in silence."""
    lower = {key.lower(): content for key, content in configuration.items()}
    return lower if all(key in lower for key in _NEEDED) else None


class MucClient:
    """One of videobridge.apis.xmpp-client.configs."""

    def __init__(
        self,
        name: str,
        keys: dict[str, Any],
        properties: dict[str, str],
        log: java.Log,
        life: java.Life,
        faults: Faults,
    ) -> None:
        self._context = f"hostname={keys['hostname']} id={name}"
        self._log, self._life, self._faults = log, life, faults
        rooms = keys["muc_jids"]
        self.rooms: list[str] = [each.strip() for each in rooms.split(",")] if isinstance(rooms, str) else list(rooms)
        self._nick: str = keys["muc_nickname"]
        self._account = Account(
            host=keys["hostname"], port=int(keys.get("port", 5222)), domain=keys.get("domain", keys["hostname"]),
            user=keys["username"], resource=f"jvb-{id(self):x}", password=keys["password"],
            verify=str(keys.get("disable_certificate_verification", False)).lower() != "true", properties=properties,
        )  # fmt: skip
        self._client: Client | None = None
        self._joined: set[str] = set()
        self._task: asyncio.Task[Any] | None = None

    def start(self, problem: Callable[[], str | None]) -> None:
        """Connect and stay so; `problem` says what is wrong with the bridge."""
        self._log.info(
            "MucClient.initializeConnectAndJoin#1", f"Initializing a new MucClient for {self._nick}", self._context
        )
        if not self._account.verify:
            self._log.warning("MucClient.create#1", "Disabling certificate verification!", self._context)
        self._task = self._life.go_on(self._stay_connected(problem))

    async def stop(self) -> None:
        """Leave; in a second or so."""
        if self._task is not None:
            self._task.cancel()
        if self._client is not None:
            await self._client.leave()
            self._client = None
        self._joined.clear()

    @property
    def connected(self) -> bool:
        """Logged in."""
        return self._client is not None

    @property
    def joined(self) -> int:
        """How many of its rooms it is in."""
        return len(self._joined)

    def publish(self, stats: dict[str, str]) -> None:
        """Show the statistics in the rooms, if it is there."""
        if self._client is None:
            self._log.warning(
                "MucClient.setPresenceExtension#1", "Cannot set presence extension: not connected.", self._context
            )
            return
        for room in self._joined:
            presence = self._client.make_presence(pto=f"{room}/{self._nick}")
            within = SubElement(presence.xml, f"{COLIBRI}stats")
            for name, content in stats.items():
                SubElement(within, f"{COLIBRI}stat", name=name, value=content)
            presence.send()

    async def _stay_connected(self, problem: Callable[[], str | None]) -> None:
        while True:
            self._log.info("MucClient.connectAndLogin#1", "Logging in.", self._context)
            try:
                client = await logged_in(self._account)
            except Trouble as error:
                self._log.warning("MucClient.connectAndLogin#1", f"Failed to connect/login: {error}", self._context)
                await asyncio.sleep(_RETRY_CONNECTING)
                continue
            self._client = client
            self._log.info("MucClient.authenticated#1", "Authenticated, resumed=false", self._context)
            client.answer_health(problem)
            joining = self._life.go_on(self._join_all(client))
            why = await client.gone
            joining.cancel()
            self._client = None
            self._joined.clear()
            self._log.warning("MucClient.connectionClosedOnError#1", f"Closed on error: {why}", self._context)
            await asyncio.sleep(_RECONNECT)

    async def _join_all(self, client: Client) -> None:
        for room in self.rooms:
            try:
                await client.join(room, self._nick)
            except Trouble as error:
                text = f"Failed to join the MUCs.\norg.jivesoftware.smack.XMPPException$XMPPErrorException: {error}"
                self._log.warning("MucClient.authenticated#1", text, self._context)
                return
            self._joined.add(room)
            self._log.info("MucClient.join#1", f"Joined MUC: {room}", self._context)
        self._faults.once_joined()
