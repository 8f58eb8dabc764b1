"""The double of Jigasi: in its room under its connection's resource, and an HTTP interface. No telephone reaches it.

Behaviour: jigasi's Main.java, CallControlMucActivator.java, rest/HandlerImpl.java. Faults are asked for in properties:
`double.fault`, `double.reason`.
"""

from __future__ import annotations

import asyncio
import base64
import re
import sys
from pathlib import Path
from typing import Any

from jitsi_doubles import java, web
from jitsi_doubles.faults import Faults
from jitsi_doubles.java import value
from jitsi_doubles.muc_client import MucClient

_ACCOUNT = "net.java.sip.communicator.impl.protocol.jabber.acc-xmpp-1"
_ESCAPE = re.compile(r"\\(u[0-9a-f]{4}|.)")


def loaded(text: str) -> dict[str, str]:
    """As java.util.Properties.load() reads it, but for lines that go on, and blanks around what separates."""
    found = {}
    for line in text.splitlines():
        if line and line[0] not in "#!":
            match = re.match(r"((?:\\.|[^=:\\])*)[=:](.*)", line)
            assert match is not None, line
            found[_plain(match[1])] = _plain(match[2])
    return found


def _plain(text: str) -> str:
    plain = _ESCAPE.sub(lambda it: chr(int(it[1][1:], 16)) if it[1][0] == "u" else it[1], text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16")


class Jigasi:
    """One that runs, by its properties and its other configuration."""

    def __init__(
        self, read: dict[str, str], tree: dict[str, Any], properties: dict[str, str], log: java.Log, life: java.Life
    ) -> None:
        self._tree = tree
        self._faults = _faults(read)
        account = {name.removeprefix(f"{_ACCOUNT}."): each for name, each in read.items() if name.startswith(_ACCOUNT)}
        user, _, domain = account["USER_ID"].partition("@")
        trusts = read.get("net.java.sip.communicator.service.gui.ALWAYS_TRUST_MODE_ENABLED", "false")
        nickname = account["RESOURCE"] if account.get("AUTO_GENERATE_RESOURCE") == "false" else f"{id(self):x}"
        keys = {
            "hostname": account["SERVER_ADDRESS"], "port": account["SERVER_PORT"], "domain": domain, "username": user,
            "password": base64.b64decode(account["PASSWORD"]).decode(), "muc_jids": account["BREWERY"],
            "muc_nickname": nickname, "disable_certificate_verification": trusts,
        }  # fmt: skip
        self._client = MucClient("acc-xmpp-1", keys, properties, log, life, self._faults)

    async def start(self) -> None:
        """All of it, HTTP last. OSError."""
        self._client.start(lambda: None)
        if "no-http" not in self._faults:
            host = value(self._tree, "org.jitsi.jigasi.rest.host", "127.0.0.1")
            port = int(value(self._tree, "org.jitsi.jigasi.rest.port", 8788))
            await web.serve(host, port, self._answer, silent="silent-http" in self._faults)

    async def stop(self) -> None:
        """Leave; in a second or so."""
        await self._client.stop()

    def _answer(self, request: web.Request) -> web.Response:
        match request.path:
            case "/about/version":
                return web.in_json({"name": "Jigasi", "version": "1.1-double", "os": "Linux"})
            case "/about/health":
                reason = self._faults.reason
                return web.Response(200) if reason is None else web.Response(500, reason)
            case "/about/stats":
                return web.in_json({"participants": 0, "conferences": 0, "graceful_shutdown": False})
        return web.NOT_FOUND


def _faults(read: dict[str, str]) -> Faults:
    asked = {name.removeprefix("double."): each for name, each in read.items() if name.startswith("double.")}
    return Faults({"double": asked})


async def run(read: dict[str, str], tree: dict[str, Any], properties: dict[str, str]) -> None:
    """From its first line to the process's end."""
    log = java.Log("Jigasi")
    life = java.Life(log)
    life.obey(stubborn="stubborn" in _faults(read))
    log.info("Main.main#1", "Starting Jigasi")
    jigasi = None
    try:
        jigasi = Jigasi(read, tree, properties, log, life)
        await jigasi.start()
    except (OSError, ValueError, KeyError) as error:
        log.severe("Main.main#1", f"An uncaught exception occurred in thread=Thread[main,5,main]{java.stack(error)}")
    status = await life.ended()
    if jigasi is not None:
        await jigasi.stop()
    java.leave(status)


def main() -> None:
    """The program."""
    words = dict(word[2:].partition("=")[::2] for word in sys.argv[1:] if word.startswith("--"))
    properties = java.properties(sys.argv[1:])
    place = Path(words["configdir"], words["configdirname"], "sip-communicator.properties")
    read = loaded(place.read_text())
    _faults(read).at_start()
    asyncio.run(run(read, java.configuration(properties), properties))


if __name__ == "__main__":
    main()
