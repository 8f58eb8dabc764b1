"""The double of Jibri, in place of Java: in its room, and an HTTP interface that says whether it records.

Behaviour: jibri's Main.kt, XmppApi.kt, HttpApi.kt (doc/http_api.md). It has no browser; POST /double/recording with
true or false has it record, or not.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from jitsi_doubles import java, web
from jitsi_doubles.faults import Faults
from jitsi_doubles.java import value
from jitsi_doubles.muc_client import MucClient

_API = "/jibri/api/v1.0"


class Jibri:
    """One that runs; `tree` is its configuration's."""

    def __init__(self, tree: dict[str, Any], properties: dict[str, str], log: java.Log, life: java.Life) -> None:
        self._tree, self._faults = tree, Faults(tree)
        self._recording = False
        self._clients = []
        for number, each in enumerate(value(tree, "jibri.api.xmpp.environments", [])):
            login, muc = each["control-login"], each["control-muc"]
            keys = {
                "hostname": each["xmpp-server-hosts"][0], "port": login.get("port", 5222), "domain": login["domain"],
                "username": login["username"], "password": login["password"], "muc_nickname": muc["nickname"],
                "muc_jids": f"{muc['room-name']}@{muc['domain']}",
                "disable_certificate_verification": each.get("trust-all-xmpp-certs", True),
            }  # fmt: skip
            self._clients.append(MucClient(str(number), keys, properties, log, life, self._faults))

    async def start(self) -> None:
        """All of it, HTTP last. OSError."""
        for client in self._clients:
            client.start(lambda: None)
        if "no-http" not in self._faults:
            for side in ("internal", "external"):
                host = value(self._tree, f"jibri.api.http.{side}-api-host", "127.0.0.1")
                port = value(self._tree, f"jibri.api.http.{side}-api-port", 3333 if side == "internal" else 2222)
                await web.serve(host, int(port), self._answer, silent="silent-http" in self._faults)

    async def stop(self) -> None:
        """Leave; in a second or so."""
        await asyncio.gather(*(client.stop() for client in self._clients))

    def _answer(self, request: web.Request) -> web.Response:
        match request.method, request.path:
            case "GET", path if path == f"{_API}/health":
                health: dict[str, Any] = {
                    "healthStatus": "UNHEALTHY" if self._faults.reason else "HEALTHY",
                    "details": {},
                }
                busy = "BUSY" if self._recording else "IDLE"
                return web.in_json({"status": {"busyStatus": busy, "health": health}})
            case "POST", path if path == f"{_API}/stopService":
                self._recording = False
                return web.Response(200)
            case "POST", "/double/recording":
                self._recording = bool(request.json())
                return web.Response(200)
        return web.NOT_FOUND


async def run(tree: dict[str, Any], properties: dict[str, str]) -> None:
    """From its first line to the process's end."""
    log = java.Log("Jibri")
    life = java.Life(log)
    life.obey(stubborn="stubborn" in Faults(tree))
    log.info("MainKt.main#58", f"Jibri starting up with id {value(tree, 'jibri.id', '')}")
    jibri = None
    try:
        jibri = Jibri(tree, properties, log, life)
        await jibri.start()
    except (OSError, ValueError, KeyError) as error:
        log.severe("MainKt.main#1", f"An uncaught exception occurred in thread=Thread[main,5,main]{java.stack(error)}")
    status = await life.ended()
    if jibri is not None:
        await jibri.stop()
    java.leave(status)


def main() -> None:
    """The program."""
    properties = java.properties(sys.argv[1:])
    tree = java.configuration(properties)
    Faults(tree).at_start()
    asyncio.run(run(tree, properties))


if __name__ == "__main__":
    main()
