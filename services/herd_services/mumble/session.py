"""SuperUser's connection to the server (Mumble.proto): what is there, told and changed.

It lasts as long as one action. It comes by another loopback address each time, for the server counts connections of an
address towards its automatic bans. The server's certificate is not looked at: whose process listens there is.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from attrs import define, evolve, field, frozen

from herd.core.errors import HerdError
from herd.core.host import Host, Stream
from herd_services.mumble.listening import Place
from herd_services.mumble.messages import BadMessage, Field, Fields, Message, Type, decoded, framed, taken
from herd_services.mumble.superuser import password

_CLIENT_VERSION = 0x010304
_NAME = "SuperUser"
# Seconds for one answer.
_PATIENCE = 15.0
# People and rooms of one server.
_MOST = 20_000
# Voice and others are nothing to us.
_HEEDED = frozenset(Type) - {Type.UDP_TUNNEL, Type.VERSION, Type.TEXT_MESSAGE}


class Refused(HerdError):
    """The server is there and does not do it."""


@frozen
class User:
    """Somebody who is connected. `registration` is the number of a registered user."""

    session: int
    name: str = ""
    registration: int | None = None
    channel: int = 0
    is_muted: bool = False
    is_deaf: bool = False
    # SHA-1 of the certificate, 40 hexadecimal digits; empty without one.
    certificate: str = ""


@frozen
class Channel:
    """A room in the tree of rooms; the root's parent is None."""

    number: int
    name: str = ""
    parent: int | None = None


@define
class Session:
    """What the server has told so far."""

    stream: Stream
    # Ends what takes longer than so many seconds (Host).
    within: Callable[[float, Callable[[], Awaitable[Message | None]]], Awaitable[Message | None]]
    users: dict[int, User] = field(factory=dict)
    channels: dict[int, Channel] = field(factory=dict)
    own: int | None = None
    _buffer: bytearray = field(factory=bytearray)
    _asked: int = 0

    async def log_in(self, secret: str) -> None:
        """Raises Refused, OSError."""
        await self.stream.start_tls("localhost", None)
        await self._send(Type.VERSION, {1: _CLIENT_VERSION, 2: "herd"})
        await self._send(Type.AUTHENTICATE, {1: _NAME, 2: secret, 5: 1})
        while self.own is None:
            await self._next()

    async def ask(self, kind: Type, fields: Fields, answer: Type | None = None) -> Message | None:
        """Send a message; the answer of that kind, if one came before the server had dealt with it. Raises Refused."""
        return await self.within(_PATIENCE, partial(self._ask, kind, fields, answer))

    async def _ask(self, kind: Type, fields: Fields, answer: Type | None) -> Message | None:
        self._asked += 1
        await self._send(kind, fields)
        # It deals with one after the other, and sends each of these back.
        await self._send(Type.PING, {1: self._asked})
        found = None
        while True:
            came, message = await self._next()
            if came == answer:
                found = message
            if came == Type.PING and message.number(1) == self._asked:
                return found

    async def _send(self, kind: Type, fields: Fields) -> None:
        await self.stream.send(framed(kind, fields))

    async def _next(self) -> tuple[int, Message]:
        """The next message that matters, heeded. Raises Refused, OSError."""
        while True:
            for kind, content in taken(self._buffer):
                if kind not in _HEEDED:
                    continue
                message = decoded(content)
                self._heed(kind, message)
                return kind, message
            if not (data := await self.stream.receive()):
                raise Refused("the server closed the connection")
            self._buffer += data

    def _heed(self, kind: int, message: Message) -> None:
        if kind == Type.REJECT:
            raise Refused(f"the server does not let SuperUser in: {message.text(2) or 'it does not say why'}")
        if kind == Type.PERMISSION_DENIED:
            raise Refused(f"the server refuses: {message.text(4) or 'it does not say why'}")
        if kind == Type.SERVER_SYNC:
            self.own = message.number(1)
        elif kind == Type.USER_STATE:
            self._heed_user(message)
        elif kind == Type.USER_REMOVE:
            self.users.pop(message.number(1), None)
        elif kind == Type.CHANNEL_STATE:
            self._heed_channel(message)
        elif kind == Type.CHANNEL_REMOVE:
            self.channels.pop(message.number(1), None)

    def _heed_user(self, message: Message) -> None:
        """What changed of somebody; what is not in the message is as it was."""
        numbers: dict[str, int] = {"registration": 4, "channel": 5}
        flags: dict[str, int] = {"is_muted": 6, "is_deaf": 7}
        texts: dict[str, int] = {"name": 3, "certificate": 15}
        found: dict[str, Field] = {name: message.number(which) for name, which in numbers.items() if message.has(which)}
        found |= {name: bool(message.number(which)) for name, which in flags.items() if message.has(which)}
        found |= {name: message.text(which) for name, which in texts.items() if message.has(which)}
        session = message.number(1)
        if len(self.users) > _MOST:
            raise Refused(f"the server tells of more than {_MOST} people")
        self.users[session] = evolve(self.users.get(session, User(session)), **found)  # type: ignore[arg-type]

    def _heed_channel(self, message: Message) -> None:
        number = message.number(1)
        if len(self.channels) > _MOST:
            raise Refused(f"the server tells of more than {_MOST} rooms")
        known = self.channels.get(number, Channel(number))
        name = message.text(3) if message.has(3) else known.name
        parent = message.number(2) if message.has(2) else known.parent
        self.channels[number] = Channel(number, name, None if number == 0 else parent)


@asynccontextmanager
async def session(host: Host, place: Place, attempt: str) -> AsyncIterator[Session]:
    """SuperUser's, from entry to exit. Raises HerdError, "cannot ATTEMPT: …"."""
    if not await host.listens(place.address, place.port):
        raise HerdError(f"cannot {attempt}: mumble-server does not listen; see: herd status mumble-server")
    try:
        async with host.connected(place.address, place.port, _source(place.address)) as stream:
            found = Session(stream, host.within)
            secret = await password(host)
            await host.within(_PATIENCE, partial(found.log_in, secret))
            yield found
    except Refused as error:
        raise HerdError(f"cannot {attempt}: {error.message}; see: herd log mumble-server") from error
    except (OSError, BadMessage) as error:
        raise HerdError(f"cannot {attempt}: {getattr(error, 'strerror', None) or error}; try again") from error


def _source(address: str) -> str | None:
    """Another one of this host's own each time; of version 6 there is but one."""
    if ":" in address:
        return None
    return ".".join(["127", *(str(random.randint(1, 254)) for _ in range(3))])
