"""What jamid does not take, which it never says: an error, withdrawn from the ledger, and undone where half was taken.

The other end of the bus is a double, for the real jamid takes all that is right.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doubles import DeafBus, bare_host
from herd.core.action import Invocation
from herd.core.arguments import Arguments
from herd.core.errors import HerdError
from herd.core.ledger import Change, Kind
from herd.daemon.access import Peer
from herd.daemon.caller import PeerCaller
from herd.daemon.host import ServiceHost
from herd.daemon.ledger import Book
from herd_services.jami.banning import ban_contact, unban_contact
from herd_services.jami.moderation import add_contact, add_moderator, remove_contact, remove_moderator
from herd_services.jami.upholding import Upholder
from jami import FRIEND, STRANGER

_THIRD = "f" * 40
_USUAL = {
    "getAccountList": ["a"],
    "getAccountDetails": {"Account.username": STRANGER, "Account.enable": "true"},
    "getVolatileAccountDetails": {},
    "getContacts": [{"id": FRIEND}, {"id": _THIRD, "banned": "true"}],
    "getDefaultModerators": [FRIEND, "a" * 40],
    "isAllModerators": False,
    "getCallList": [],
}


def _host(book: Book, bus: DeafBus) -> ServiceHost:
    host = bare_host(lambda: book.of("jami"))
    host.join_bus(bus)
    return host


@pytest.mark.parametrize(
    ("handler", "words", "said"),
    [
        (ban_contact, (FRIEND,), f"cannot ban {FRIEND} from account {STRANGER}: jamid did not take it; try again"),
        (unban_contact, (_THIRD,), f"cannot unban {_THIRD} from account"),
        (add_moderator, ("b" * 40, STRANGER), "cannot make b+ a moderator for account"),
        (remove_moderator, (FRIEND, STRANGER), f"cannot remove the moderator {FRIEND} of account"),
        (add_contact, ("b" * 40, STRANGER), "cannot add the contact b+ of account"),
        (remove_contact, (FRIEND, STRANGER), f"cannot remove the contact {FRIEND} of account"),
    ],
)
async def test_what_jamid_does_not_take_is_withdrawn(
    tmp_path: Path, handler: Any, words: tuple[str, ...], said: str
) -> None:
    book, bus = Book(tmp_path / "ledger"), DeafBus(_USUAL)
    call = Invocation(Arguments(words), PeerCaller(Peer(1, 0, 0), "root"))
    with pytest.raises(HerdError, match=said):
        await handler(_host(book, bus), call)
    history = await book.of("jami").history()
    assert history
    assert all(entry.withdrawn for entry in history)
    assert await book.of("jami").counting() == []


@pytest.mark.parametrize(
    ("handler", "words", "member", "opposite"),
    [
        # It moderated, and would not any more.
        (ban_contact, (FRIEND,), "removeContact", [(Kind.BAN, False), (Kind.MODERATOR, True)]),
        (unban_contact, (_THIRD,), "removeContact", [(Kind.BAN, True)]),
        (add_moderator, ("b" * 40, STRANGER), "setDefaultModerator", [(Kind.MODERATOR, False)]),
        (remove_contact, (FRIEND, STRANGER), "removeContact", [(Kind.CONTACT, True)]),
    ],
)
async def test_what_jamid_may_have_kept_before_it_went_is_decided_the_other_way(
    tmp_path: Path, handler: Any, words: tuple[str, ...], member: str, opposite: list[tuple[Kind, bool]]
) -> None:
    book, bus = Book(tmp_path / "ledger"), DeafBus(_USUAL, breaks_at=member)
    call = Invocation(Arguments(words), PeerCaller(Peer(1, 0, 0), "root"))
    with pytest.raises(HerdError, match="the bus is gone"):
        await handler(_host(book, bus), call)
    counting = [entry.change for entry in await book.of("jami").counting()]
    assert [(each.kind, each.holds) for each in counting] == opposite
    assert {(each.author, each.reason) for each in counting} == {("herdd", "it did not take")}


async def test_that_anyone_moderated_is_remembered_where_that_may_be_closed(tmp_path: Path) -> None:
    book, bus = Book(tmp_path / "ledger"), DeafBus({**_USUAL, "isAllModerators": True}, breaks_at="setAllModerators")
    call = Invocation(Arguments(("b" * 40, STRANGER)), PeerCaller(Peer(1, 0, 0), "root"))
    with pytest.raises(HerdError, match="the bus is gone"):
        await add_moderator(_host(book, bus), call)
    ledger = book.of("jami")
    assert await ledger.counting() == []
    assert list(await ledger.recall()) == [f"anyone-moderates:{STRANGER}"]
    # jamid is back, and has closed it.
    bus = DeafBus(_USUAL)
    await Upholder(()).uphold(_host(book, bus))
    assert "setAllModerators" in bus.asked
    assert await ledger.recall() == {}


async def test_a_warning_of_what_jamid_does_not_take_names_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = _host(Book(tmp_path / "ledger"), DeafBus(_USUAL))
    await host.ledger.record([Change(STRANGER, "b" * 40, Kind.BAN, True, "root", 1.0)])
    await Upholder(()).uphold(host)
    (warning,) = host.warnings
    assert "jamid did not take it; see: herd log" in warning
    assert "b" * 40 not in warning
    # Who it is stands in the log.
    assert f"has bans without {'b' * 40}, and should not" in capsys.readouterr().out


async def test_without_a_ledger_nothing_is_changed(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(b"no database at all" * 100)
    bus = DeafBus(_USUAL)
    call = Invocation(Arguments((FRIEND,)), PeerCaller(Peer(1, 0, 0), "root"))
    with pytest.raises(HerdError, match=r"cannot use the ledger .*file is not a database"):
        await ban_contact(_host(Book(tmp_path / "ledger"), bus), call)
    assert not [member for member in bus.asked if not member.startswith(("get", "is"))]
