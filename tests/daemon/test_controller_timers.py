"""One service's task in time, on a fake clock: time limits, back-off, grace periods, health checks, stale timers."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from doubles import KILL, TERM, FakeProcess, FakeSurroundings, begin, controlled
from herd.core import events
from herd.core.errors import HerdError, StartFailed
from herd.core.events import Stage, Status
from herd.core.host import Host
from herd.core.readiness import OutputLine
from herd.core.respawn import Respawn
from herd.core.service import Health

NO_LIMIT = Respawn(delay=1, factor=2, ceiling=5, times=0, reset_after=60)


async def test_a_start_has_a_time_limit(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around, readiness=OutputLine("ready"), start_timeout=90)
    with pytest.raises(StartFailed, match="it was not ready after 90 seconds"):
        await controller.start()
    assert around.process.signals == [(around.process.born + 90, TERM)]
    assert controller.state.failure is not None
    assert controller.state.failure.stage is Stage.READINESS


async def test_who_ignores_term_is_killed_after_the_grace_period(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    around = FakeSurroundings()
    around.make = lambda: FakeProcess(obedient=False)
    controller = await controlled(nursery, around, grace_period=5)
    await controller.start()
    asked = trio.current_time()
    await controller.stop()
    assert around.process.signals == [(asked, TERM), (asked + 5, KILL)]


async def test_a_child_that_outlives_the_main_process_is_killed_too(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    around = FakeSurroundings()
    around.make = lambda: FakeProcess(lasting=True)
    controller = await controlled(nursery, around, grace_period=5)
    await controller.start()
    asked = trio.current_time()
    await controller.stop()
    assert around.process.signals == [(asked, TERM), (asked + 5, KILL)]


async def test_respawns_back_off_up_to_the_ceiling(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around, respawn=NO_LIMIT)
    await controller.start()
    begun = trio.current_time()
    for expected in (1, 3, 7, 12, 17):
        around.process.end(1)
        await trio.sleep_until(begun + expected - 0.01)
        assert around.statuses[-1:] == [Status.STOPPED]
        await trio.sleep_until(begun + expected + 0.01)
        # The next one ends this much later than it started.
        begun += 0.01
        assert around.statuses[-1:] == [Status.RUNNING]
    assert len(around.processes) == 6
    assert around.lost == [True] * 5


async def test_one_that_ran_long_enough_begins_with_the_first_delay_again(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around, respawn=NO_LIMIT)
    await controller.start()
    for _ in range(2):
        around.process.end(1)
        await trio.sleep(10)
    await trio.sleep(60)
    ended = trio.current_time()
    around.process.end(1)
    await trio.sleep(10)
    assert around.process.born == ended + 1


async def test_too_many_respawns_disable(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    def doomed() -> FakeProcess:
        process = FakeProcess()
        process.end(1)
        return process

    around = FakeSurroundings()
    around.make = doomed
    policy = Respawn(delay=0.1, factor=1, times=3, window=7)
    controller = await controlled(nursery, around, respawn=policy)
    await controller.start()
    await trio.sleep(1000)
    assert len(around.processes) == 4
    assert not controller.state.enabled
    assert controller.state.failure is not None
    assert "more than 3 times in 7 seconds; it is disabled" in controller.state.failure.reason


async def test_without_a_policy_there_is_no_respawn(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around, respawn=None)
    await controller.start()
    around.process.end(3)
    await trio.sleep(1000)
    assert (len(around.processes), around.lost) == (1, [False])
    assert controller.state.cause == "its program exited with 3"


async def test_a_stop_takes_a_respawn_back(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around, respawn=NO_LIMIT)
    await controller.start()
    around.process.end(1)
    await wait_all_tasks_blocked()
    assert controller.state.respawn_at == trio.current_time() + 1
    waiting = await begin(nursery, partial(controller.start, asked=False))
    await controller.stop()
    await trio.sleep(1000)
    assert len(around.processes) == 1
    assert waiting == ["cannot start web: it was asked to stop meanwhile; see: herd status web"]


async def test_one_that_does_not_answer_is_restarted(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    asked: list[float] = []

    async def check(host: Host) -> None:
        asked.append(trio.current_time())
        if len(asked) == 2:
            await trio.sleep_forever()

    around = FakeSurroundings()
    controller = await controlled(
        nursery, around, respawn=NO_LIMIT, health=Health(check, failures=1, interval=30, timeout=10)
    )
    await controller.start()
    first = around.process
    await trio.sleep(100)
    # Well after 30 seconds, silent from 60 to 70; respawned a second later.
    assert [moment - first.born for moment in asked] == [30, 60]
    assert first.signals == [(first.born + 70, TERM)]
    assert controller.state.cause is None
    assert around.process.born == first.born + 71
    assert around.lost == [True]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (HerdError("cannot call Ping: the bus is gone"), "cannot call Ping: the bus is gone"),
        (ValueError("odd"), "internal fault: ValueError('odd')"),
    ],
)
async def test_an_error_of_the_check_is_the_reason(
    nursery: trio.Nursery, autojump_clock: MockClock, error: Exception, cause: str
) -> None:
    async def check(host: Host) -> None:
        raise error

    around = FakeSurroundings()
    controller = await controlled(nursery, around, respawn=None, health=Health(check, failures=1, interval=30))
    await controller.start()
    await trio.sleep(31)
    assert controller.state.cause == cause
    assert controller.state.status is Status.STOPPED


async def test_the_check_ends_with_its_process(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    asked: list[float] = []

    async def check(host: Host) -> None:
        asked.append(trio.current_time())

    around = FakeSurroundings()
    controller = await controlled(nursery, around, health=Health(check, failures=1, interval=30))
    await controller.start()
    await trio.sleep(31)
    await controller.stop()
    await trio.sleep(1000)
    assert len(asked) == 1


async def test_the_timer_of_a_start_never_fires_after_it(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around, readiness=OutputLine("ready"), start_timeout=90)
    await begin(nursery, controller.start)
    await trio.sleep(89)
    around.process.say("ready")
    await trio.sleep(1000)
    assert controller.state.status is Status.RUNNING
    assert around.process.signals == []


async def test_the_grace_period_of_one_process_is_not_the_next_ones(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    around = FakeSurroundings()
    around.make = lambda: FakeProcess(obedient=False)
    controller = await controlled(nursery, around, grace_period=5)
    await controller.start()
    await begin(nursery, controller.stop)
    await trio.sleep(4)
    around.process.end()
    await controller.start()
    asked = trio.current_time()
    await controller.stop()
    assert len(around.processes) == 2
    assert around.process.signals == [(asked, TERM), (asked + 5, KILL)]


async def test_a_timer_that_fires_while_a_start_is_broken_off_does_not_shorten_the_grace_period(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def setup(host: Host) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(10)

    around = FakeSurroundings()
    around.make = lambda: FakeProcess(obedient=False)
    controller = await controlled(nursery, around, setup=setup, start_timeout=90, grace_period=5)
    await begin(nursery, controller.start)
    born = around.process.born
    await trio.sleep(85)
    await controller.stop()
    assert around.process.signals == [(born + 95, TERM), (born + 100, KILL)]


async def test_a_grace_period_that_ends_with_its_process_does_not_fail_the_next_start(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    around = FakeSurroundings()
    around.make = lambda: FakeProcess(obedient=False)
    controller = await controlled(nursery, around, readiness=OutputLine("ready"), grace_period=5)
    await begin(nursery, controller.start)
    around.process.say("ready")
    await wait_all_tasks_blocked()
    await begin(nursery, controller.stop)
    outcome = await begin(nursery, controller.start)
    around.process.end()
    await wait_all_tasks_blocked()
    # Its moment came while the end was being handled, so it stands behind it.
    controller.post(events.TimerFired(events.Timer.GRACE))
    await wait_all_tasks_blocked()
    around.process.say("ready")
    await wait_all_tasks_blocked()
    assert outcome == ["done"]
