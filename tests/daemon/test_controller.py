"""One service's task through starts and stops, on a fake clock with fake processes.

What is checked is what the world sees: processes spawned and signalled, statuses announced, callers answered. Which
event does what in which status is the table's affair (tests/core); here the effects have to be carried out.
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from doubles import KILL, TERM, FakeProcess, FakeSurroundings, begin, controlled, numbers
from herd.core import events
from herd.core.errors import HerdError, StartFailed
from herd.core.events import Stage, Status
from herd.core.host import Host
from herd.core.readiness import OutputLine
from herd.daemon.identity import NoIdentity

S, B, R, E = Status.STOPPED, Status.STARTING, Status.RUNNING, Status.STOPPING


async def test_start_and_stop(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around)
    await controller.start()
    assert around.statuses == [B, R]
    assert controller.state.pid == around.process.pid
    await controller.stop()
    assert around.statuses == [B, R, E, S]
    assert numbers(around.process) == [TERM]
    assert controller.state.pid is None
    assert around.process.closed


async def test_start_of_a_running_and_stop_of_a_stopped_one_are_done_at_once(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around)
    await controller.stop()
    await controller.start()
    await controller.start()
    assert len(around.processes) == 1
    assert around.statuses == [B, R]


async def test_every_caller_is_answered(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around, readiness=OutputLine("ready"))
    first, second = await begin(nursery, controller.start), await begin(nursery, controller.start)
    around.process.say("ready")
    await wait_all_tasks_blocked()
    assert first == second == ["done"]
    assert len(around.processes) == 1


async def test_a_ready_line_is_waited_for(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around, readiness=OutputLine("listening on"))
    outcome = await begin(nursery, controller.start)
    around.process.say("reading its files")
    await wait_all_tasks_blocked()
    assert (outcome, controller.state.status, controller.runner.stage) == ([], B, Stage.READINESS)
    around.process.say("now listening on port 1")
    await wait_all_tasks_blocked()
    assert (outcome, controller.state.status) == (["done"], R)


async def test_an_exit_before_it_is_ready_fails_the_start_with_its_output(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around, readiness=OutputLine("ready"))
    outcome = await begin(nursery, controller.start)
    around.process.say("no such port")
    await wait_all_tasks_blocked()
    around.process.end(7)
    await wait_all_tasks_blocked()
    assert outcome[0].startswith("cannot start web: its program exited with 7 before it was ready")
    assert outcome[0].endswith("the last output of web:\n  no such port")
    assert controller.state.failure is not None
    assert controller.state.failure.stage is Stage.READINESS


async def test_a_failed_setup_ends_what_was_started(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    async def setup(host: Host) -> None:
        raise HerdError("cannot load the account")

    around = FakeSurroundings()
    controller = await controlled(nursery, around, setup=setup)
    with pytest.raises(StartFailed, match="cannot start web: cannot load the account; see: herd status web"):
        await controller.start()
    assert numbers(around.process) == [TERM]
    assert around.statuses == [B, E, S]
    assert controller.state.failure == events.Failure(Stage.SETUP, "cannot load the account")


@pytest.mark.parametrize(
    ("attribute", "error", "stage", "reason"),
    [
        ("requirement_error", HerdError("it requires bus"), Stage.REQUIREMENT, "it requires bus"),
        ("prepare_error", NoIdentity("there is no user web"), Stage.PREPARATION, "there is no user web"),
        ("prepare_error", OSError(13, "Permission denied", "/srv"), Stage.PREPARATION, "/srv: Permission denied"),
        ("spawn_error", FileNotFoundError(2, "No such file", "/bin/web"), Stage.EXECUTION,
         "there is no program /bin/web; install the package webd"),
        ("spawn_error", FileNotFoundError(2, "No such file", "/srv"), Stage.EXECUTION, "/srv: No such file"),
    ],
)  # fmt: skip
async def test_a_failure_before_there_is_a_process(
    nursery: trio.Nursery, autojump_clock: MockClock, attribute: str, error: Exception, stage: Stage, reason: str
) -> None:
    around = FakeSurroundings()
    setattr(around, attribute, error)
    controller = await controlled(nursery, around)
    with pytest.raises(StartFailed, match="cannot start web"):
        await controller.start()
    assert controller.state.failure == events.Failure(stage, reason)
    assert controller.state.status is S
    assert around.processes == []


async def test_a_fault_of_a_definition_is_its_services_trouble(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def setup(host: Host) -> None:
        raise KeyError("name")

    around = FakeSurroundings()
    controller = await controlled(nursery, around, setup=setup)
    with pytest.raises(StartFailed, match=r"cannot start web: internal fault: KeyError\('name'\)"):
        await controller.start()
    assert numbers(around.process) == [TERM]


async def test_a_stop_interrupts_a_start(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    interrupted: list[bool] = []

    async def setup(host: Host) -> None:
        try:
            await trio.sleep_forever()
        finally:
            interrupted.append(True)

    around = FakeSurroundings()
    controller = await controlled(nursery, around, setup=setup)
    outcome = await begin(nursery, controller.start)
    await controller.stop()
    assert outcome == ["cannot start web: it was asked to stop meanwhile; see: herd status web"]
    assert interrupted == [True]
    assert numbers(around.process) == [TERM]
    assert controller.state.status is S
    assert controller.state.failure is None


async def test_a_stop_while_the_program_is_executed_loses_no_process(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    around = FakeSurroundings()
    around.may_spawn = trio.Event()
    controller = await controlled(nursery, around)
    await begin(nursery, controller.start)
    stopped = await begin(nursery, controller.stop)
    assert (stopped, around.processes) == ([], [])
    around.may_spawn.set()
    await wait_all_tasks_blocked()
    assert stopped == ["done"]
    assert numbers(around.process) == [TERM]
    assert around.process.closed


async def test_a_stop_right_behind_a_start_leaves_nothing(autojump_clock: MockClock) -> None:
    # Repeated, for trio takes tasks that can run in an order of chance.
    for _ in range(20):
        async with trio.open_nursery() as nursery:
            around = FakeSurroundings()
            controller = await controlled(nursery, around)
            controller.post(events.Start())
            controller.post(events.Stop())
            await wait_all_tasks_blocked()
            seen = controller.state.status, [each for each in around.processes if not each.closed], around.said
            nursery.cancel_scope.cancel()
        assert seen == (S, [], [])


async def test_a_start_during_a_stop_starts_again_after_it(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    around = FakeSurroundings()
    around.make = lambda: FakeProcess(obedient=False)
    controller = await controlled(nursery, around)
    await controller.start()
    old = around.process
    stopped, started = await begin(nursery, controller.stop), await begin(nursery, controller.start)
    assert (stopped, started) == ([], [])
    old.end()
    await wait_all_tasks_blocked()
    assert (stopped, started) == (["done"], ["done"])
    assert around.process is not old
    assert controller.state.status is R


async def test_a_disabled_service_does_not_start(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    around = FakeSurroundings()
    controller = await controlled(nursery, around)
    await controller.post(events.Disable()).wait()
    with pytest.raises(StartFailed, match=r"^cannot start web: it is disabled; enable it with: herd enable web$"):
        await controller.start()
    await controller.post(events.Enable()).wait()
    await controller.start()
    assert controller.state.status is R


async def test_hurry_kills_at_once(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    around = FakeSurroundings()
    around.make = lambda: FakeProcess(obedient=False)
    controller = await controlled(nursery, around, grace_period=1000)
    await controller.start()
    begun = trio.current_time()
    stopped = await begin(nursery, controller.stop)
    await controller.post(events.Hurry()).wait()
    await wait_all_tasks_blocked()
    assert stopped == ["done"]
    assert numbers(around.process) == [TERM, KILL]
    assert trio.current_time() == begun


async def test_warnings_of_a_start_are_said_and_forgotten_by_the_next(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def setup(host: Host) -> None:
        host.warn("one account is not there")

    around = FakeSurroundings()
    controller = await controlled(nursery, around, setup=setup)
    await controller.start()
    await controller.stop()
    await controller.start()
    assert controller.host.warnings == ["one account is not there"]
    assert around.said == ["web: one account is not there"] * 2
