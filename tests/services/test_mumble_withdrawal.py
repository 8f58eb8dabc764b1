"""What a Mumble server does not take: an error, withdrawn from the ledger; where it may have taken it, its opposite.

The server is a double, for the real one takes all that is right.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, field

from doubles import bare_host
from herd.core.action import Invocation
from herd.core.arguments import Arguments
from herd.core.errors import HerdError
from herd.core.ledger import Change, Kind
from herd.daemon.access import Peer
from herd.daemon.caller import PeerCaller
from herd.daemon.host import ServiceHost
from herd.daemon.ledger import Book
from herd_services.mumble.bans import Bans
from herd_services.mumble.listening import Place
from herd_services.mumble.messages import Type, decoded, framed, taken

WHO, BANNED = "c" * 40, "d" * 40


@define
class DeafServer:
    """It has one ban and keeps no other; `breaks`: it goes when it is told of one, and may have kept it."""

    breaks: bool
    _said: bytearray = field(factory=bytearray)
    _answer: bytes = b""

    async def start_tls(self, name: str, trusted: str | None) -> None:
        """As it is."""

    async def send(self, data: bytes) -> None:
        """Answer what is asked."""
        self._said += data
        for kind, content in taken(self._said):
            message = decoded(content)
            if kind == Type.AUTHENTICATE:
                self._answer += framed(Type.SERVER_SYNC, {1: 1})
            elif kind == Type.PING:
                self._answer += framed(Type.PING, {1: message.number(1)})
            elif kind == Type.BAN_LIST and message.has(2):
                ban = framed(Type.BAN_LIST, {1: b"\x00" * 16, 2: 128, 4: BANNED})[6:]
                self._answer += framed(Type.BAN_LIST, {1: ban})
            elif kind == Type.BAN_LIST and self.breaks:
                raise OSError("the connection broke")

    async def receive(self) -> bytes:
        """What was answered."""
        answer, self._answer = self._answer, b""
        return answer


def _host(book: Book, server: DeafServer, monkeypatch: pytest.MonkeyPatch) -> ServiceHost:
    host = bare_host(lambda: book.of("mumble-server"))

    @asynccontextmanager
    async def connected(address: str, port: int, source: str | None) -> AsyncIterator[DeafServer]:
        yield server

    async def listens(address: str, port: int) -> bool:
        return True

    async def secret(name: str) -> str:
        return "a secret"

    for name, each in (("connected", connected), ("listens", listens), ("secret", secret)):
        monkeypatch.setattr(host, name, each)
    return host


def _call(who: str) -> Invocation:
    return Invocation(Arguments((who,)), PeerCaller(Peer(1, 0, 0), "root"))


@pytest.mark.parametrize("breaks", [False, True])
@pytest.mark.parametrize(("deed", "who"), [(Bans.ban, WHO), (Bans.unban, BANNED)])
async def test_what_it_does_not_take_is_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: object, who: str, breaks: bool
) -> None:
    book = Book(tmp_path / "ledger")
    host = _host(book, DeafServer(breaks), monkeypatch)
    assert callable(deed)
    with pytest.raises(HerdError, match=r"^cannot (ban|unban) ") as caught:
        await deed(Bans(Place((), 1, answers_pings=True)), host, _call(who))
    assert ("the connection broke" in caught.value.message) is breaks
    asked, opposite = (each for each in await book.of("mumble-server").history())
    assert (asked.withdrawn, asked.change.author) == (True, "root")
    # As it was before, by herdd's word, for the server may have kept it.
    assert (opposite.withdrawn, opposite.change.author, opposite.change.reason) == (False, "herdd", "it did not take")
    assert opposite.change.holds is (who == BANNED)


async def test_a_lift_that_fails_is_tried_again_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    book = Book(tmp_path / "ledger")
    host = _host(book, DeafServer(breaks=False), monkeypatch)
    now = host.now()
    await book.of("mumble-server").record([Change("*", WHO, Kind.BAN, True, "root", now, until=now + 0.01)])
    paused: list[float] = []
    tried, done = [], trio.Event()

    async def uphold(self: Bans, host: ServiceHost) -> None:
        tried.append(host)
        if len(tried) == 1:
            raise HerdError("cannot uphold the bans: it does not answer")
        done.set()

    async def pause(seconds: float) -> None:
        paused.append(seconds)
        await trio.lowlevel.checkpoint()

    monkeypatch.setattr(Bans, "uphold", uphold)
    monkeypatch.setattr(host, "pause", pause)
    nursery.start_soon(Bans(Place((), 1, answers_pings=True)).keep, host)
    await done.wait()
    assert paused == [60.0]
