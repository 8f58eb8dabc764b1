"""The double of a bridge.

Behaviour: jitsi-videobridge's Main.kt (XMPP before HTTP; what fails there is logged and the process lives on),
JvbHealthChecker.kt, the resources below /colibri. It binds its UDP port and moves no media.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
import socket
import sys
from typing import Any

from jitsi_doubles import java, web
from jitsi_doubles.faults import Faults
from jitsi_doubles.java import value
from jitsi_doubles.muc_client import MucClient, complete
from jitsi_doubles.shutdown import Shutdown

VERSION = {"name": "JVB", "version": "2.3-double", "os": "Linux"}
# RFC 6455, section 1.3.
_WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLIENTS = "videobridge.apis.xmpp-client.configs"


class Bridge:
    """One that runs; `tree` is its configuration's."""

    def __init__(self, tree: dict[str, Any], properties: dict[str, str], log: java.Log, life: java.Life) -> None:
        self._tree, self._properties, self._log, self._life = tree, properties, log, life
        self._faults = Faults(tree)
        self._shutdown = Shutdown(tree, int(self._faults.asked.get("participants", 0)), log, life)
        self._drain = bool(value(tree, "videobridge.initial-drain-mode", False))
        self._media: socket.socket | None = None
        self._clients: dict[str, MucClient] = {}
        # Optimistic until the first check; the metrics lag behind by an interval.
        self._problem: str | None = None
        self._metrics: dict[str, int | float | str | bool] = self._measured()

    async def start(self) -> None:
        """All of it, HTTP last. OSError."""
        self._bind()
        if "no-dcsctp" in self._faults:
            missing = "java.lang.UnsatisfiedLinkError: no dcsctp4j in java.library.path"
            self._log.severe(
                "Videobridge.<clinit>#1", f"NoClassDefFoundError: org.jitsi.dcsctp4j.DcSctpOptions\n{missing}"
            )
        if "no-xmpp" not in self._faults:
            for name, keys in value(self._tree, _CLIENTS, {}).items():
                self._add(name, keys)
        self._life.go_on(self._check_oneself())
        self._life.go_on(self._publish())
        if "no-http" not in self._faults:
            await self._serve()

    async def stop(self) -> None:
        """Leave; in a second or so."""
        self._log.info("MainKt.main#1", "Bridge shutting down")
        await asyncio.gather(*(client.stop() for client in self._clients.values()))

    def _add(self, name: str, keys: dict[str, Any]) -> bool:
        lower = complete(keys)
        if lower is None or name in self._clients:
            return False
        client = self._clients[name] = MucClient(name, lower, self._properties, self._log, self._life, self._faults)
        client.start(lambda: self._problem)
        return True

    def _bind(self) -> None:
        port = int(value(self._tree, "videobridge.ice.udp.port", 10000))
        media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            media.bind(("0.0.0.0", port))
        except OSError as error:
            media.close()
            self._log.severe(
                "SinglePortUdpHarvester#1", f"Failed to bind single-port UDP harvester to {port}: {error.strerror}"
            )
            self._log.severe("Harvesters.init#1", "No single-port harvesters created.")
            return
        self._media = media
        self._log.info(
            "SinglePortUdpHarvester.<init>#1", f"Initialized SinglePortUdpHarvester with address 0.0.0.0:{port}/udp"
        )

    async def _serve(self) -> None:
        host = value(self._tree, "videobridge.http-servers.private.host", "127.0.0.1")
        port = int(value(self._tree, "videobridge.http-servers.private.port", 8080))
        self._log.info("MainKt.main#1", "Starting private http server")
        try:
            await web.serve(host, port, self._answer, silent="silent-http" in self._faults)
        except OSError as error:
            raise OSError(error.errno, f"Failed to bind to /{host}:{port}") from error
        public = int(value(self._tree, "videobridge.http-servers.public.port", -1))
        if public != -1:
            host = value(self._tree, "videobridge.http-servers.public.host", "0.0.0.0")
            await web.serve(host, public, self._answer_browser, silent=False)

    def _answer_browser(self, request: web.Request) -> web.Response:
        """/colibri-ws/SERVER-ID/CONFERENCE/ENDPOINT, where it is switched on; it says nothing behind the handshake."""
        is_ours = request.path.startswith(f"/colibri-ws/{value(self._tree, 'videobridge.websockets.server-id')}/")
        if not value(self._tree, "videobridge.websockets.enabled", False) or not is_ours:
            return web.NOT_FOUND
        if "sec-websocket-key" not in request.headers:
            return web.Response(405)
        accepted = hashlib.sha1((request.headers["sec-websocket-key"] + _WEBSOCKET).encode()).digest()
        proof = ("Sec-WebSocket-Accept", base64.b64encode(accepted).decode())
        return web.Response(101, headers=(("Upgrade", "websocket"), ("Connection", "Upgrade"), proof))

    async def _check_oneself(self) -> None:
        interval = java.seconds(value(self._tree, "videobridge.health.interval", "1 minute"))
        while True:
            await asyncio.sleep(interval)
            before, self._problem = self._problem, self._faults.reason or self._own_problem()
            if self._problem is None and before is not None:
                self._log.info("HealthChecker.run#1", "Performed a successful health check")
            if self._problem is not None:
                text = f"Health check failed: Result(success=false, hardFailure=true, message={self._problem})"
                self._log.severe("HealthChecker.run#1", text)

    def _own_problem(self) -> str | None:
        if self._media is None:
            return "Failed to bind single-port"
        if value(self._tree, "videobridge.health.require-valid-address", True) and not self._has_valid_address():
            return "No valid IP addresses available for harvesting."
        return None

    def _has_valid_address(self) -> bool:
        """Whether others in the Internet could reach it, by an address of this host or by one it is told."""
        mappings = value(self._tree, "ice4j.harvest.mapping.static-mappings", [])
        addresses = [each.get("public-address", "") for each in mappings]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as towards_others:
            try:
                # Sends nothing: finds the address by which it would be sent.
                towards_others.connect(("192.0.2.1", 9))
                addresses.append(towards_others.getsockname()[0])
            except OSError:
                pass
        return any(_is_valid(each) for each in addresses)

    async def _publish(self) -> None:
        interval = java.seconds(value(self._tree, "videobridge.stats.interval", "5 seconds"))
        while True:
            await asyncio.sleep(interval)
            self._metrics = self._measured()
            said = {"stress_level": "0.01", "version": VERSION["version"], "colibri2": "true"}
            for name in ("healthy", "graceful_shutdown", "shutting_down", "drain"):
                said[name] = str(self._metrics[name]).lower()
            for client in self._clients.values():
                client.publish(said)

    def _measured(self) -> dict[str, int | float | str | bool]:
        clients = self._clients.values()
        return {
            "muc_clients_configured": len(clients),
            "muc_clients_connected": sum(each.connected for each in clients),
            # Misnamed by the real one: it means those configured.
            "mucs_connected": sum(len(each.rooms) for each in clients),
            "mucs_joined": sum(each.joined for each in clients),
            "healthy": self._problem is None,
            "graceful_shutdown": self._shutdown.state == "GRACEFUL_SHUTDOWN",
            "shutting_down": self._shutdown.state == "SHUTTING_DOWN",
            "drain": self._drain,
            "participants": self._shutdown.participants,
            "conferences": 1 if self._shutdown.participants else 0,
            "stress_level": 0.01,
        }

    def _answer(self, request: web.Request) -> web.Response:
        if request.path.startswith("/colibri/"):
            enabled = value(self._tree, "videobridge.apis.rest.enabled", False)
            return self._colibri(request) if enabled else web.NOT_FOUND
        if request.method == "POST" and request.path == "/double/participants":
            self._shutdown.remain(int(request.json()))
            return web.Response(200)
        if request.method != "GET":
            return web.Response(405)
        if request.path == "/about/version":
            return web.in_json(VERSION)
        if request.path == "/about/health":
            return web.Response(200) if self._problem is None else web.Response(500, self._problem)
        if request.path == "/debug":
            return web.in_json(
                {"health": self._problem is None, "conferences": {"a1b2": {}} if self._shutdown.participants else {}}
            )
        return self._metrics_for(request) if request.path == "/metrics" else web.NOT_FOUND

    def _metrics_for(self, request: web.Request) -> web.Response:
        accepted = request.headers.get("accept")
        if accepted is None:
            return web.Response(500, "java.lang.NullPointerException")
        if accepted.startswith("application/json"):
            return web.in_json(self._metrics)
        numbers = {name: float(number) for name, number in self._metrics.items() if not isinstance(number, str)}
        return web.Response(200, "".join(f"jitsi_jvb_{name} {number}\n" for name, number in numbers.items()))

    def _colibri(self, request: web.Request) -> web.Response:
        match request.method, request.path.removeprefix("/colibri/"):
            case "GET", "stats":
                return web.in_json({**self._metrics, "version": VERSION["version"]})
            case "GET", "drain":
                return web.in_json({"drain": self._drain})
            case "POST", "drain/enable" | "drain/disable":
                self._drain = request.path.endswith("enable")
                return web.Response(200)
            case "POST", "shutdown":
                return self._shut_down(request)
            case "GET", "muc-client/list":
                return web.in_json(list(self._clients))
            case "POST", "muc-client/add" | "muc-client/remove":
                return self._change_clients(request)
        return web.NOT_FOUND

    def _shut_down(self, request: web.Request) -> web.Response:
        if not value(self._tree, "videobridge.rest.shutdown.enabled", False):
            return web.NOT_FOUND
        if request.headers.get("content-type") != "application/json":
            return web.Response(415)
        self._shutdown.ask(graceful=bool(request.json()["graceful-shutdown"]))
        return web.Response(200)

    def _change_clients(self, request: web.Request) -> web.Response:
        keys = request.json()
        if request.path.endswith("add"):
            return web.Response(200 if self._add(keys["id"], keys) else 400)
        if (client := self._clients.pop(keys["id"], None)) is not None:
            self._life.go_on(client.stop())
        return web.Response(200)


def _is_valid(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_private
    except ValueError:
        return False


async def run(tree: dict[str, Any], properties: dict[str, str]) -> None:
    """From its first line to the process's end."""
    log = java.Log("JVB")
    life = java.Life(log)
    faults = Faults(tree)
    life.obey(stubborn="stubborn" in faults)
    await asyncio.sleep(faults.delay)
    log.info("MainKt.main#75", f"Starting jitsi-videobridge version {VERSION['version']}")
    bridge = None
    try:
        bridge = Bridge(tree, properties, log, life)
        await bridge.start()
    except (OSError, ValueError, java.NotConfigured) as error:
        # Its threads keep the JVM alive.
        text = f"An uncaught exception occurred in thread=Thread[main,5,main]{java.stack(error)}"
        log.severe("MainKt.main#1", text)
    status = await life.ended()
    if bridge is not None:
        await bridge.stop()
    # Tasks of slixmpp may be left.
    java.leave(status)


def main() -> None:
    """The program."""
    properties = java.properties(sys.argv[1:])
    try:
        tree = java.configuration(properties)
    except (OSError, ValueError) as error:
        java.Log("JVB").severe("MainKt.main#1", f"An uncaught exception occurred{java.stack(error)}")
        java.leave(1)
    Faults(tree).at_start()
    asyncio.run(run(tree, properties))


if __name__ == "__main__":
    main()
