"""As much of XMPP (RFC 6120) as it takes to see that others can use a server: log in, ask, and be told.

The stream is encrypted before anything is said, and the server's certificate has to be for the domain.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLPullParser
from xml.sax.saxutils import quoteattr

from attrs import field, frozen

from herd.core.errors import HerdError
from herd.core.host import Host, Stream

_STREAM = "{http://etherx.jabber.org/streams}"
_TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
_SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
_STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
_DISCO_INFO = "http://jabber.org/protocol/disco#info"
_MUC_ADMIN = "http://jabber.org/protocol/muc#admin"
MUC = "http://jabber.org/protocol/muc"
# Bytes between two elements of a stream.
_MAX_ELEMENT = 256 * 1024


class Refused(HerdError):
    """The server is there and does not do it; `condition` is the XMPP error's (not-authorized, host-unknown …)."""

    def __init__(self, text: str, condition: str = "") -> None:
        super().__init__(text)
        self.condition = condition


@frozen
class Server:
    """Where a server is, which of its hosts is meant, and what certificates it is known by (PEM)."""

    address: str
    port: int
    domain: str
    trusted: str = field(repr=False)


# Its type in typeshed cannot be said of the class itself.
_Parser: Any = XMLPullParser


class Session:
    """A stream, logged in once `logged_in` has entered."""

    def __init__(self, stream: Stream, server: Server) -> None:
        self._stream, self._server = stream, server
        self._parser: Any = _Parser(("start", "end"))
        self._depth = 0
        self._asked = 0

    async def log_in(self, user: str, password: str) -> None:
        """Encrypt, prove who we are, be given an address. Raises Refused, OSError."""
        features = await self._open()
        if features.find(f"{_TLS}starttls") is None:
            raise Refused(f"{self._server.domain} offers no encryption")
        await self._send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        if (await self._next()).tag != f"{_TLS}proceed":
            raise Refused(f"{self._server.domain} does not encrypt")
        await self._stream.start_tls(self._server.domain, self._server.trusted)
        features = await self._open()
        if not any(each.text == "PLAIN" for each in features.iter(f"{_SASL}mechanism")):
            raise Refused(f"{self._server.domain} lets nobody log in with a password")
        proof = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        await self._send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{proof}</auth>")
        answer = await self._next()
        if answer.tag != f"{_SASL}success":
            condition = _local(answer[0]) if len(answer) else ""
            raise Refused(f"{user}@{self._server.domain} cannot log in: {condition or 'it is refused'}", condition)
        await self._open()
        await self._ask("set", None, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")

    async def features(self, address: str) -> frozenset[str]:
        """What an address says that it can do (XEP-0030). Raises Refused."""
        answer = await self._ask("get", address, f"<query xmlns='{_DISCO_INFO}'/>")
        return frozenset(each.get("var", "") for each in answer.iter(f"{{{_DISCO_INFO}}}feature"))

    async def occupants(self, room: str) -> frozenset[str]:
        """The nicknames of the moderators in a room (XEP-0045 9.8), for its owner; nobody is in one that is not there.

        Prosody answers the question of XEP-0045 6.4, who is there, with an empty list.
        """
        try:
            answer = await self._ask("get", room, f"<query xmlns='{_MUC_ADMIN}'><item role='moderator'/></query>")
        except Refused as error:
            if error.condition == "item-not-found":
                return frozenset()
            raise
        return frozenset(each.get("nick", "") for each in answer.iter(f"{{{_MUC_ADMIN}}}item"))

    async def close(self) -> None:
        """Say good-bye."""
        await self._send("</stream:stream>")

    async def _ask(self, kind: str, to: str | None, payload: str) -> Element:
        self._asked += 1
        number = f"herd{self._asked}"
        whom = "" if to is None else f" to={quoteattr(to)}"
        await self._send(f"<iq type='{kind}' id='{number}'{whom}>{payload}</iq>")
        while (answer := await self._next()).get("id") != number:
            # Whatever else is said to us.
            pass
        if answer.get("type") == "result":
            return answer
        error = next((each for each in answer.iter() if each.tag.startswith(_STANZAS)), None)
        condition = "" if error is None else _local(error)
        raise Refused(f"{to or self._server.domain} refuses: {condition or 'it does not say why'}", condition)

    async def _open(self) -> Element:
        """Begin a stream, the first one or one anew; the server's features."""
        self._parser, self._depth = _Parser(("start", "end")), 0
        await self._send(
            f"<?xml version='1.0'?><stream:stream to={quoteattr(self._server.domain)} version='1.0'"
            " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        return await self._next()

    async def _send(self, text: str) -> None:
        await self._stream.send(text.encode())

    async def _next(self) -> Element:
        """The next child of the stream, whole. Raises Refused for a stream error."""
        taken = 0
        event: str
        element: Element
        while True:
            for event, element in self._parser.read_events():
                self._depth += 1 if event == "start" else -1
                if event == "end" and self._depth == 1:
                    return self._checked(element)
            data = await self._stream.receive()
            taken += len(data)
            if not data or taken > _MAX_ELEMENT:
                raise Refused(f"{self._server.domain} ended the stream")
            try:
                self._parser.feed(data)
            except ParseError as error:
                raise Refused("what listens there does not speak XMPP") from error

    def _checked(self, element: Element) -> Element:
        if element.tag != f"{_STREAM}error":
            return element
        condition = _local(element[0]) if len(element) else ""
        raise Refused(f"{self._server.domain}: {condition or 'stream error'}", condition)


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


@asynccontextmanager
async def logged_in(host: Host, server: Server, user: str, password: str) -> AsyncIterator[Session]:
    """A session from entry to exit. Raises Refused, OSError: both say why. To be cancelled at a time limit."""
    async with host.connected(server.address, server.port) as stream:
        session = Session(stream, server)
        await session.log_in(user, password)
        yield session
        await session.close()
