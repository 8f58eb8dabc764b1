"""The life of a service over random histories: a double of the daemon performs every effect as controller.py does, on a
fake process and a fake timer, with its events in a queue so that late ones stay on their way. Whatever happens: nothing
impossible comes, there are never two processes, nothing starts while disabled, and every request is answered.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

import pytest

from herd.core import events
from herd.core import lifecycle as life
from herd.core.events import Ending, Failure, Stage, Status, Timer
from herd.core.lifecycle import Policy, State, step
from herd.core.respawn import Respawn

POLICIES = [
    Policy(Respawn(delay=1, factor=2, ceiling=8, times=2, window=30, reset_after=50), start_timeout=20, grace_period=5),
    Policy(Respawn(delay=0, times=0), start_timeout=20, grace_period=0),
    Policy(respawn=None, start_timeout=20, grace_period=5),
]
REQUESTS: list[events.Event] = [
    events.Start(),
    events.Start(),
    events.Start(asked=False),
    events.Stop(),
    events.Stop(),
    events.Enable(),
    events.Disable(),
    events.Hurry(),
    events.RequirementLost("bus", returns=True),
    events.RequirementLost("bus", returns=False),
]


class FakeProcess:
    """Ends on TERM unless it is stubborn, on KILL always; its children may outlast it."""

    def __init__(self, pid: int, *, stubborn: bool) -> None:
        self.pid, self.stubborn = pid, stubborn
        self.exited = self.cleared = False


class Daemon:
    """What controller.py does with effects. Requests count from when they are handled until they are answered."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.policy = POLICIES[seed % len(POLICIES)]
        self.state, self.now = State(), 0.0
        self.queue: deque[events.Event] = deque()
        self.process: FakeProcess | None = None
        self.pids = 0
        # The stages of a start are under way; and their execution is, which cannot be broken off.
        self.starting = self.executing = False
        self.timer: tuple[Timer, float] | None = None
        self.starters = self.stoppers = 0
        self.seen: set[tuple[Status, type[events.Event]]] = set()

    # What may happen, by chance.

    def turn(self) -> None:
        """One thing happens, and mostly the controller has handled what came of it before the next."""
        self.now += self.chance.random()
        self.chance.choice(self.possible())()
        while self.queue and self.chance.random() < 0.8:
            self.handle()

    def possible(self) -> list[Callable[[], None]]:
        process = self.process
        found = [self.ask, self.ask, self.wait]
        if self.starting and process is None and not self.executing:
            found += [self.execute] * 4
        if self.executing:
            found += [self.end_execution] * 4
        if self.starting and process is not None:
            found += [self.be_ready] * 4
        if self.starting and not self.executing:
            found.append(self.fail)
        if process is not None and not process.exited:
            found += [self.exit] if self.starting else [self.exit, self.be_unwell]
        # Not while the stages are under way: the exit breaks them off before what the process left is looked for.
        if process is not None and process.exited and not process.cleared and not self.starting:
            found += [self.clear] * 2
        if self.timer is not None:
            found.append(self.fire)
        return found

    def ask(self) -> None:
        self.queue.append(self.chance.choice(REQUESTS))

    def wait(self) -> None:
        self.now += 50 * self.chance.random()
        if self.timer is not None and self.now >= self.timer[1]:
            self.fire()

    def execute(self) -> None:
        self.executing = True

    def end_execution(self) -> None:
        assert self.process is None, "two processes"
        self.pids += 1
        self.executing, self.process = False, FakeProcess(self.pids, stubborn=self.chance.random() < 0.5)
        self.queue.append(events.Spawned(self.pids))

    def be_ready(self) -> None:
        self.starting = False
        self.queue.append(events.Ready())

    def fail(self) -> None:
        self.starting = False
        self.queue.append(events.Failed(Failure(self.chance.choice(list(Stage)), "it broke")))

    def exit(self) -> None:
        assert self.process is not None
        self.process.exited = True
        self.queue.append(events.Exited(Ending(1, None, self.now)))

    def clear(self) -> None:
        assert self.process is not None
        self.process.cleared = True
        self.queue.append(events.Cleared())

    def be_unwell(self) -> None:
        self.queue.append(events.Unhealthy("it did not answer"))

    def fire(self) -> None:
        assert self.timer is not None
        (timer, due), self.timer = self.timer, None
        self.now = max(self.now, due)
        self.queue.append(events.TimerFired(timer))

    # What the controller does.

    def handle(self) -> None:
        event = self.queue.popleft()
        self.seen.add((self.state.status, type(event)))
        self.starters += isinstance(event, events.Start)
        self.stoppers += isinstance(event, events.Stop)
        if isinstance(event, events.Cleared):
            self.process = None
        self.state, effects = step(self.state, event, self.policy, self.now)
        for effect in effects:
            self.perform(effect)
        self.check()

    def perform(self, effect: events.Effect) -> None:
        match effect:
            case events.BeginStart():
                assert not self.starting, "two starts"
                assert self.process is None, "a start beside a process"
                assert self.state.enabled, "a start while disabled"
                self.starting = True
            case events.CancelStart():
                if self.executing:
                    self.end_execution()
                    # No stage follows that could be broken off.
                    self.queue.append(events.Ready())
                self.starting = False
            case events.Terminate() | events.Kill():
                self.signal(kill=isinstance(effect, events.Kill))
            case events.SetTimer(timer, delay):
                assert delay >= 0
                self.timer = (timer, self.now + delay)
            case events.ClearTimer():
                self.timer = None
            case events.AnswerStart(failure):
                assert failure is not None or self.state.status is Status.RUNNING
                self.starters = 0
            case events.AnswerStop():
                assert self.process is None, "stopped, and there is a process"
                self.stoppers = 0
            case events.LoseDependents(returns):
                assert self.state.enabled or not returns

    def signal(self, *, kill: bool) -> None:
        if self.process is None:
            # Once for each stop: TERM and KILL of nothing are one and the same.
            if events.Cleared() not in self.queue:
                self.queue.append(events.Cleared())
        elif kill or not self.process.stubborn:
            if not self.process.exited:
                self.exit()
            if not self.process.cleared:
                self.clear()

    # What holds between any two events.

    def check(self) -> None:
        state, process = self.state, self.process
        spawned = process is not None and events.Spawned(process.pid) not in self.queue
        exited = process is not None and process.exited and not any(isinstance(e, events.Exited) for e in self.queue)
        assert state.pid == (process.pid if process is not None and spawned and not exited else None)
        if state.status is not Status.STOPPING:
            assert self.stoppers == 0
        if state.status is Status.RUNNING:
            assert process is not None
            assert state.running_since is not None
            assert self.starters == 0
        if state.status is Status.STOPPED:
            assert (state.pid, state.running_since, process, self.starting) == (None, None, None, False)
            assert self.starters == 0
            assert (state.starts_again, state.respawns) == (False, False)
        if state.respawn_at is not None:
            assert (state.status, state.enabled) == (Status.STOPPED, True)
            assert self.timer == (Timer.RESPAWN, state.respawn_at) or events.TimerFired(Timer.RESPAWN) in self.queue
        elif state.status in (Status.STOPPED, Status.RUNNING):
            assert self.timer is None

    def finish(self) -> None:
        """Nothing more is asked: with stages that hang and a process that heeds KILL alone, all comes to an end."""
        for _ in range(1000):
            if self.queue:
                self.handle()
            elif self.timer is not None and self.state.status is not Status.STOPPED:
                self.fire()
        assert self.state.status in (Status.STOPPED, Status.RUNNING)
        assert (self.starters, self.stoppers) == (0, 0)


def history(seed: int) -> Daemon:
    daemon = Daemon(seed)
    for _ in range(300):
        daemon.turn()
    return daemon


@pytest.mark.parametrize("seed", range(150))
def test_a_random_history_keeps_the_invariants_and_comes_to_an_end(seed: int) -> None:
    history(seed).finish()


def test_the_histories_come_by_every_entry_that_acts() -> None:
    acting = {key for key, entry in life.TABLE.items() if callable(entry)}
    seen = set[tuple[Status, type[events.Event]]]().union(*(history(seed).seen for seed in range(30)))
    assert acting - seen == set()
