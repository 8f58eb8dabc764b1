"""What jamid does not take, which it never says: an error, withdrawn from the ledger, and undone where half was taken.

The other end of the bus is a double, for the real jamid takes all that is right.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doubles import DeafBus
from herd.core.arguments import Arguments
from herd.core.errors import HerdError
from herd.core.service import Invocation, Program, Service
from herd.daemon.access import Peer
from herd.daemon.caller import PeerCaller
from herd.daemon.host import ServiceHost
from herd.daemon.ledger import Book
from herd_services.jami.banning import ban_contact, unban_contact
from herd_services.jami.moderation import add_contact, add_moderator, remove_contact, remove_moderator
from jami import FRIEND, STRANGER

_THIRD = "f" * 40
_USUAL = {
    "getAccountList": ["a"],
    "getAccountDetails": {"Account.username": STRANGER, "Account.enable": "true"},
    "getVolatileAccountDetails": {},
    "getContacts": [{"id": FRIEND}, {"id": _THIRD, "banned": "true"}],
    "getDefaultModerators": [FRIEND, "a" * 40],
    "isAllModerators": False,
}


def _host(book: Book, bus: DeafBus) -> ServiceHost:
    service = Service(("jami",), Program(("/bin/true",)))
    host = ServiceHost(
        service, print, lambda: None, lambda: book.of("jami"), lambda: None, lambda: pytest.fail("no secret here")
    )
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


async def test_without_a_ledger_nothing_is_changed(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(b"no database at all" * 100)
    bus = DeafBus(_USUAL)
    call = Invocation(Arguments((FRIEND,)), PeerCaller(Peer(1, 0, 0), "root"))
    with pytest.raises(HerdError, match=r"cannot use the ledger .*file is not a database"):
        await ban_contact(_host(Book(tmp_path / "ledger"), bus), call)
    assert not [member for member in bus.asked if not member.startswith(("get", "is"))]
