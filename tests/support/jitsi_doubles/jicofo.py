"""The double of Jicofo.

Behaviour: jicofo's JicofoServices.kt, XmppProvider.kt, BaseBrewery, JicofoHealthChecker.kt. Of that it does: connects
and logs in, again each second; joins the brewery, again each 15 seconds; counts bridges by their presence and asks
after their health; serves HTTP last, by which browsers ask for a conference too; its own health is good until it has
been checked for the first time.
"""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Any
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqError, IqTimeout

from jitsi_doubles import java, web
from jitsi_doubles.brewery import Brewery, Bridge
from jitsi_doubles.faults import Faults
from jitsi_doubles.java import value
from jitsi_doubles.xmpp import HEALTH, PATIENCE, Account, Client, Trouble, logged_in

VERSION = {"name": "Jicofo", "version": "1.1-double", "os": "Linux"}
# Seconds.
_RETRY_CONNECTING, _RETRY_JOINING = 1.0, 15.0


class Jicofo:
    """One that runs; `tree` is its configuration's."""

    def __init__(self, tree: dict[str, Any], properties: dict[str, str], log: java.Log, life: java.Life) -> None:
        self._tree, self._log, self._life = tree, log, life
        self._faults = Faults(tree)
        self._conferences = value(tree, "jicofo.xmpp.client.conference-muc-jid", None)
        if self._conferences is None:
            self._conferences = f"conference.{value(tree, 'jicofo.xmpp.client.xmpp-domain')}"
        self._account = _account(tree, properties)
        self._room = value(tree, "jicofo.bridge.brewery-jid", None)
        self.brewery = Brewery(self._room or "", log)
        self._client: Client | None = None
        self._connecting: asyncio.Task[Any] | None = None
        self._joined_before = False
        # Optimistic until the first check.
        self._health = web.Response(200, "OK")

    async def start(self) -> None:
        """All of it, HTTP last. OSError."""
        if self._room is None:
            self._log.severe("JicofoServices.<init>#1", "No bridge detector configured.")
        else:
            self._log.info("BaseBrewery.<init>#1", f"Initialized with JID={self._room}", self.brewery.context)
        if "no-xmpp" not in self._faults:
            self._connecting = self._life.go_on(self._stay_connected())
        if value(self._tree, "jicofo.health.enabled", False):
            self._life.go_on(self._check_oneself())
        if value(self._tree, "jicofo.bridge.health-checks.enabled", True):
            self._life.go_on(self._check_bridges())
        if "no-http" not in self._faults:
            await self._serve()

    async def stop(self) -> None:
        """Leave; in a second or so."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._client is not None:
            await self._client.leave()
            self._log.info("XmppProvider.shutdown#1", "Disconnected.", "xmpp_connection=client")

    async def _serve(self) -> None:
        host, port = (
            value(self._tree, "jicofo.rest.host", "127.0.0.1"),
            int(value(self._tree, "jicofo.rest.port", 8888)),
        )
        self._log.info("RestConfig.start#1", f"Starting ktor on port {port}, host {host}")
        await web.serve(host, port, self._answer, silent="silent-http" in self._faults)

    async def _stay_connected(self) -> None:
        context = "xmpp_connection=client"
        while True:
            try:
                client = await self._connect(context)
            except Trouble as error:
                self._log.severe("XmppProvider.doConnect#1", f"Failed to connect/login: {error}", context)
            else:
                joining = self._life.go_on(self._enter(client))
                why = await client.gone
                joining.cancel()
                self._client = None
                self._log.severe(
                    "XmppProvider.connectionClosedOnError#1", f"XMPP connection closed on error: {why}", context
                )
                self.brewery.lose_all()
            await asyncio.sleep(_RETRY_CONNECTING)

    async def _connect(self, context: str) -> Client:
        if not self._account.verify:
            self._log.warning("XmppProvider.create#1", "Disabling TLS certificate verification!", context)
        if self._account.password is None:
            self._log.info("XmppProvider.doConnect#1", "Connected.", context)
            await self._life.ended()
        client = await logged_in(self._account)
        self._client = client
        self._log.info("XmppProvider.doConnect#1", f"Connected, JID={client.boundjid}", context)
        self._log.info("XmppProvider.authenticated#1", "Registered (resumed=false).", context)
        return client

    async def _enter(self, client: Client) -> None:
        outside = "outside" in self._faults or (self._joined_before and "outside-after-reconnect" in self._faults)
        if self._room is None or outside:
            return
        client.on_presence(self.brewery.see)
        while True:
            try:
                await client.join(self._room, self._account.user)
            except Trouble as error:
                text = f"Failed to create room.\norg.jivesoftware.smack.XMPPException$XMPPErrorException: {error}"
                self._log.severe("BaseBrewery.start#1", text, self.brewery.context)
                await asyncio.sleep(_RETRY_JOINING)
            else:
                break
        self._joined_before = True
        self._log.info("BaseBrewery.start#1", "Joined the room.", self.brewery.context)
        self._faults.once_joined()

    async def _check_bridges(self) -> None:
        interval = java.seconds(value(self._tree, "jicofo.bridge.health-checks.interval", "10 seconds"))
        while True:
            await asyncio.sleep(interval)
            for bridge in list(self.brewery.bridges.values()):
                if self._client is not None:
                    await self._check(bridge, self._client)

    async def _check(self, bridge: Bridge, client: Client) -> None:
        question = client.make_iq_get(ito=bridge.address)
        question.xml.append(Element(HEALTH))
        try:
            await question.send(timeout=PATIENCE)  # type: ignore[no-untyped-call]
            bridge.answers = True
        except (IqError, IqTimeout) as error:
            bridge.answers = False
            self._log.warning(
                "JvbDoctor.doHealthCheck#1", f"Health check failed for: {bridge}: {error.condition}: {error.text}"
            )

    async def _check_oneself(self) -> None:
        interval = java.seconds(value(self._tree, "jicofo.health.interval", "10 seconds"))
        while True:
            await asyncio.sleep(interval)
            problem = self._faults.reason or await self._problem()
            if problem is None:
                if self._health.status != 200:
                    self._log.info("HealthChecker.run#1", "Performed a successful health check")
                self._health = web.Response(200, "OK")
            else:
                self._log.severe(
                    "HealthChecker.run#1", f"Health check failed: Result(success=false, message={problem})"
                )
                self._health = web.Response(500, problem)

    async def _problem(self) -> str | None:
        if self.brewery.operational == 0:
            return f"No operational bridges available (total bridge count: {len(self.brewery.bridges)})"
        if self._client is None:
            return "Failed to create room: not connected"
        room = f"__jicofo-health-check-{random.randrange(16**8):08x}@{self._conferences}"
        try:
            await self._client.join(room, self._account.user)
        except Trouble as error:
            return f"Failed to create room: {error}"
        muc: Any = self._client.plugin["xep_0045"]
        muc.leave_muc(room, self._account.user)
        return None

    async def _answer(self, request: web.Request) -> web.Response:
        if request.path == "/conference-request/v1" and request.method == "POST":
            return await self._begin_conference(request)
        return self._told(request)

    async def _begin_conference(self, request: web.Request) -> web.Response:
        """As jicofo's doc/conference-request.md has it: it makes the room, and says who it is there."""
        room = request.json()["room"]
        if self._client is None or not room.endswith(f"@{self._conferences}"):
            return web.Response(400)
        try:
            await self._client.join(room, self._account.user)
        except Trouble:
            return web.Response(500)
        jid = f"{self._account.user}@{self._account.domain}"
        return web.in_json({"room": room, "ready": True, "focusJid": jid, "properties": {}})

    def _told(self, request: web.Request) -> web.Response:
        if request.path == "/conference-request/v1":
            return web.Response(405)
        if request.method != "GET":
            return web.Response(405)
        if request.path == "/about/version":
            return web.in_json(VERSION)
        if request.path == "/about/health":
            return self._health if value(self._tree, "jicofo.health.enabled", False) else web.NOT_FOUND
        if request.path == "/stats":
            return web.in_json(self._stats())
        if request.path == "/metrics":
            count = len(self.brewery.bridges)
            return web.Response(200, f"jitsi_jicofo_bridge_selector_bridge_count {count}.0\n")
        if request.path == "/debug":
            bridges = {address: bridge.stats for address, bridge in self.brewery.bridges.items()}
            return web.in_json({"bridge_selector": {"bridge": bridges}, "conferences": {}})
        if request.path == "/debug/conferences":
            return web.in_json({})
        return web.NOT_FOUND

    def _stats(self) -> dict[str, Any]:
        healthy = self._health.status == 200
        health = {"success": healthy, "hardFailure": not healthy, "message": "" if healthy else self._health.text}
        selector = self.brewery.stats()
        return {
            "bridge_selector": selector,
            "healthy": healthy,
            "health": health,
            "conferences": 0,
            "participants": 0,
            **VERSION,
        }


def _account(tree: dict[str, Any], properties: dict[str, str]) -> Account:
    user = value(tree, "jicofo.xmpp.client.username", "focus")
    return Account(
        host=value(tree, "jicofo.xmpp.client.hostname", "localhost"),
        port=int(value(tree, "jicofo.xmpp.client.port", 5222)),
        domain=value(tree, "jicofo.xmpp.client.domain"),
        user=user,
        resource=value(tree, "jicofo.xmpp.client.resource", user),
        password=value(tree, "jicofo.xmpp.client.password", None),
        verify=not value(tree, "jicofo.xmpp.client.disable-certificate-verification", False),
        properties=properties,
    )


async def run(tree: dict[str, Any], properties: dict[str, str]) -> None:
    """From its first line to the process's end."""
    log = java.Log("Jicofo")
    life = java.Life(log)
    faults = Faults(tree)
    life.obey(stubborn="stubborn" in faults)
    await asyncio.sleep(faults.delay)
    log.info("Main.main#1", "Starting Jicofo.")
    jicofo = None
    try:
        jicofo = Jicofo(tree, properties, log, life)
        await jicofo.start()
    except (OSError, ValueError, java.NotConfigured) as error:
        # Main returns; other threads may be left.
        log.severe("Main.main#1", f"Failed to start jicofo: {error}{java.stack(error)}")
        if "returns" in faults:
            java.leave(0)
    status = await life.ended()
    if jicofo is not None:
        await jicofo.stop()
    # Tasks of slixmpp may be left.
    java.leave(status)


def main() -> None:
    """The program."""
    properties = java.properties(sys.argv[1:])
    try:
        tree = java.configuration(properties)
    except (OSError, ValueError) as error:
        java.Log("Jicofo").severe("Main.main#1", f"Failed to start jicofo: {error}{java.stack(error)}")
        java.leave(0)
    Faults(tree).at_start()
    asyncio.run(run(tree, properties))


if __name__ == "__main__":
    main()
