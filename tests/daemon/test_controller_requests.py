"""Whom one service's task answers, and with what: each request by what comes after it, on a fake clock."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from doubles import FakeProcess, FakeSurroundings, begin, controlled
from herd.core import events
from herd.core.errors import StartFailed
from herd.core.events import Status
from herd.core.readiness import OutputLine

S, R = Status.STOPPED, Status.RUNNING


def ready_at_once() -> FakeProcess:
    process = FakeProcess()
    process.say("ready")
    return process


async def test_a_start_asked_right_behind_a_stop_is_not_answered_by_it(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around, readiness=OutputLine("ready"))
    first = await begin(nursery, controller.start)
    around.make = ready_at_once
    controller.post(events.Stop())
    await controller.start()
    assert controller.state.status is R
    assert first == ["cannot start web: it was asked to stop meanwhile; see: herd status web"]


async def test_a_stop_asked_right_behind_the_end_of_another_is_not_answered_by_it(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    around = FakeSurroundings()
    around.make = lambda: FakeProcess(obedient=False)
    controller = await controlled(nursery, around)
    await controller.start()
    stopped, started = await begin(nursery, controller.stop), await begin(nursery, controller.start)
    around.make = FakeProcess
    controller.post(events.Cleared())
    await controller.stop()
    assert (controller.state.status, stopped) == (S, ["done"])
    assert started == ["cannot start web: it was asked to stop meanwhile; see: herd status web"]


async def test_a_refusal_is_for_whoever_asked_while_it_was_disabled(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    around = FakeSurroundings()
    around.make = lambda: FakeProcess(lasting=True)
    controller = await controlled(nursery, around, readiness=OutputLine("ready"))
    first = await begin(nursery, controller.start)
    around.process.end(3)
    await controller.post(events.Disable()).wait()
    second = await begin(nursery, controller.start)
    assert (first, second) == ([], ["cannot start web: it is disabled; enable it with: herd enable web"])
    around.process.cleared.set()
    await wait_all_tasks_blocked()
    assert first[0].startswith("cannot start web: its program exited with 3 before it was ready")


async def test_nobody_waits_for_one_that_was_forgotten(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    controller = await controlled(nursery, FakeSurroundings())
    stopped = await begin(nursery, controller.stop)
    controller.post(events.Stop())
    controller.retire()
    with trio.fail_after(1):
        await controller.stop()
        with pytest.raises(StartFailed, match="cannot start web: it is not there any more"):
            await controller.start()
        await controller.post(events.Stop()).wait()
    assert stopped == ["done"]
