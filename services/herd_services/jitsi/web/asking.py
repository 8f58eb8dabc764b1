"""What is asked of the web server: that browsers find by it whatever a conference needs (checking.py)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from attrs import frozen

from herd.core.errors import HerdError
from herd.core.host import Host
from herd_services.jitsi.checking import Check
from herd_services.jitsi.checks import IsGood, Listens
from herd_services.jitsi.web.front import Front
from herd_services.jitsi.web.page import BOSH, REQUEST, WEBSOCKET

# RFC 6455, section 4.1; any 16 bytes will do.
_KEY = "aGVyZGQgYXNrcyBoZXJlIQ=="


@frozen
class ShowsThePage:
    """index.html, for the name of any room."""

    front: Front

    async def __call__(self, host: Host) -> str | None:
        return await self.front.unanswered(host, "/herdd")


@frozen
class TellsWhere:
    """config.js."""

    front: Front

    async def __call__(self, host: Host) -> str | None:
        return await self.front.unanswered(host, "/config.js")


@frozen
class LeadsToProsody:
    """A session by BOSH (XEP-0124, section 7) begins, and ends with the same word."""

    front: Front

    async def __call__(self, host: Host) -> str | None:
        body = (
            f"<body xmlns='http://jabber.org/protocol/httpbind' to={quoteattr(self.front.domain)} rid='1' ver='1.6'"
            " wait='1' hold='1' xml:lang='en' type='terminate' xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'/>"
        )
        answer = await self.front.asked(host, BOSH, body.encode(), {"Content-Type": "text/xml; charset=utf-8"})
        if answer.status != 200 or b"<body" not in answer.content:
            return f"it answers {answer.status} to {BOSH}"
        return None if b"host-unknown" not in answer.content else "host-unknown"


@frozen
class LeadsToWebsocket:
    """A connection of XMPP over WebSocket (RFC 7395) is taken."""

    front: Front

    async def __call__(self, host: Host) -> str | None:
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": _KEY,
            "Sec-WebSocket-Protocol": "xmpp",
        }
        return await self.front.unanswered(host, WEBSOCKET, 101, headers=headers)


@frozen
class LeadsToJicofo:
    """Jicofo answers there, if only that a question is none: a real one would begin a conference."""

    front: Front

    async def __call__(self, host: Host) -> str | None:
        status = (await self.front.asked(host, REQUEST)).status
        return f"it answers {status} to {REQUEST}" if status == 404 or status >= 500 else None


@frozen
class LeadsToBridge:
    """The bridge answers there, if only that there is no such conference."""

    front: Front
    nickname: str

    async def __call__(self, host: Host) -> str | None:
        path = f"/colibri-ws/{quote(self.nickname, safe='')}/"
        status = (await self.front.asked(host, path)).status
        return f"it answers {status} to {path}" if status >= 500 else None


@frozen
class Serves:
    """What readiness and health ask. Raises HerdError: why it does not."""

    front: Front
    # Seconds that it may take; None: it does by now.
    seconds: float | None = None

    async def __call__(self, host: Host) -> None:
        if self.seconds is None:
            reason = await self._lacks(host)
        else:
            reason = await host.until(lambda: self._lacks(host), self.seconds)
        if reason is not None:
            raise HerdError(f"it does not serve: {reason}")

    async def _lacks(self, host: Host) -> str | None:
        if not await host.listens(self.front.address, self.front.port):
            return f"it does not listen on {self.front.address} port {self.front.port}"
        return await TellsWhere(self.front)(host)


def checks_of(front: Front, http_port: int, bridges: Sequence[str]) -> tuple[Check, ...]:
    """All that a browser needs of it."""
    redirects = [Check(f"it listens on port {http_port}", Listens(front.address, http_port))] if http_port else []
    return (
        Check(f"it listens on port {front.port}", Listens(front.address, front.port)),
        *redirects,
        Check("its certificate is good for a while", IsGood(front.certificates)),
        Check("it shows the page", ShowsThePage(front)),
        Check("it tells the page where everything is", TellsWhere(front)),
        Check("it leads to Prosody by BOSH", LeadsToProsody(front)),
        Check("it leads to Prosody by WebSocket", LeadsToWebsocket(front)),
        Check("it leads to Jicofo for a conference", LeadsToJicofo(front)),
        *(Check(f"it leads to the bridge {each}", LeadsToBridge(front, each)) for each in bridges),
    )
