"""How often something is told, and how fast somebody may go on, on a clock that jumps."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from herd.core.action import Reply
from herd.core.errors import NotAllowed
from herd.core.role import Access, Role
from herd.daemon.access import Client, Peer
from herd.daemon.audit import Audit, Deed
from herd.daemon.log import ServiceLog
from herd.daemon.tally import Pace, Tally


async def test_what_was_not_told_is_counted_and_told_with_the_next(autojump_clock: MockClock) -> None:
    tally = Tally()
    assert [tally.tell(("ann", 3)) for _ in range(5)] == [0, 0, 0, None, None]
    assert tally.tell(("bob", 3)) == 0
    await trio.sleep(61)
    assert [tally.tell(("ann", 3)) for _ in range(4)] == [2, 0, 0, None]


async def test_all_together_have_a_bound_and_each_is_counted_for_itself(autojump_clock: MockClock) -> None:
    tally = Tally()
    told = [tally.tell((who, 2), ("all", 3)) for who in ("ann", "bob", "ann", "ann", "eve", "bob")]
    assert told == [0, 0, 0, None, None, None]
    await trio.sleep(61)
    assert [tally.tell((who, 2), ("all", 3)) for who in ("eve", "ann", "bob")] == [1, 1, 1]


async def test_no_more_is_remembered_than_there_is_room_for(autojump_clock: MockClock) -> None:
    tally, pace = Tally(), Pace(1, 1.0)
    for number in range(3000):
        tally.tell((number, 1), ("all", 1))
        await pace.wait(number)
    assert len(tally._counts) == len(pace._due) == 1024
    assert tally.tell(("eve", 1), ("all", 1)) is None


async def test_some_go_at_once_and_more_one_after_the_other(autojump_clock: MockClock) -> None:
    pace, begun = Pace(3, 0.5), trio.current_time()
    moments = []
    for _ in range(6):
        await pace.wait("ann")
        moments.append(trio.current_time() - begun)
    assert moments == [0, 0, 0, 0.5, 1.0, 1.5]
    # Nobody waits for another.
    await pace.wait("bob")
    assert trio.current_time() - begun == 1.5
    # Whoever has rested may go as at first.
    await trio.sleep(60)
    rested = trio.current_time()
    for _ in range(3):
        await pace.wait("ann")
    assert trio.current_time() == rested


_ACCESS = Access({64001: Role.MODERATOR, 64002: Role.ADMIN, 64003: Role.OBSERVER})


async def _done() -> Reply:
    await trio.lowlevel.checkpoint()
    return Reply()


async def _refused() -> Reply:
    await trio.lowlevel.checkpoint()
    raise NotAllowed("cannot")


@pytest.mark.parametrize(("uid", "seconds"), [(64001, 5.0), (64002, 0.0)])
async def test_a_moderator_does_only_so_much_at_a_time(
    autojump_clock: MockClock, tmp_path: Path, uid: int, seconds: float
) -> None:
    audit = Audit(ServiceLog("audit", tmp_path), ServiceLog("audit-asked", tmp_path))
    client, begun = Client(Peer(1, uid, uid), lambda: _ACCESS), trio.current_time()
    for _ in range(130):
        await audit.observe(client, Deed("web", "ban"), Role.MODERATOR, _done)
    assert trio.current_time() - begun == seconds
    # All of it is told.
    assert len((tmp_path / "audit.log").read_text().splitlines()) == 130


async def test_whoever_is_refused_is_so_at_once(autojump_clock: MockClock, tmp_path: Path) -> None:
    audit = Audit(ServiceLog("audit", tmp_path), ServiceLog("audit-asked", tmp_path))
    client, begun = Client(Peer(1, 64003, 64003), lambda: _ACCESS), trio.current_time()
    for _ in range(200):
        with pytest.raises(NotAllowed):
            await audit.observe(client, Deed("web", "ban"), Role.MODERATOR, _refused)
    assert trio.current_time() == begun
