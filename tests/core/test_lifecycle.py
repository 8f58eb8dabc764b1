"""The life of a service as a table: its whole product, what each row means, and invariants over random histories."""

from __future__ import annotations

import random

import pytest

from herd.core import lifecycle as life
from herd.core.lifecycle import EVENTS, TABLE, Ending, Failure, Ignored, Policy, Refused, Stage, State, Status, step
from herd.core.respawn import Respawn

POLICY = Policy(respawn=Respawn(delay=1, factor=2, ceiling=8, times=3, window=100, reset_after=50), grace_period=5)
SAMPLES: dict[type[life.Event], life.Event] = {
    life.Start: life.Start(),
    life.Stop: life.Stop(),
    life.Hurry: life.Hurry(),
    life.Enable: life.Enable(),
    life.Disable: life.Disable(),
    life.Spawned: life.Spawned(7),
    life.Ready: life.Ready(),
    life.Failed: life.Failed(Failure(Stage.SETUP, "it broke")),
    life.Exited: life.Exited(Ending(1, None, 0.0)),
    life.Cleared: life.Cleared(),
    life.TimerFired: life.TimerFired(life.Timer.GRACE),
    life.Unhealthy: life.Unhealthy("it did not answer"),
    life.RequirementLost: life.RequirementLost("bus", returns=True),
}


def play(*events: life.Event, state: State | None = None, policy: Policy = POLICY) -> tuple[State, list[life.Effect]]:
    """The state after the events, a second apart, and the effects of the last."""
    state, effects = state or State(), []
    for moment, event in enumerate(events):
        state, last = step(state, event, policy, float(moment))
        effects = list(last)
    return state, effects


STARTING = (life.Start(), life.Spawned(7))
RUNNING = (*STARTING, life.Ready())
EXITED = life.Exited(Ending(3, None, 0.0))


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("event", EVENTS)
def test_the_table_is_total(status: Status, event: type[life.Event]) -> None:
    entry, state = TABLE[status, event], State(status=status)
    if isinstance(entry, Refused):
        assert entry.reason
        with pytest.raises(life.Impossible, match=status.value):
            step(state, SAMPLES[event], POLICY, 0.0)
    elif isinstance(entry, Ignored):
        assert entry.reason
        assert step(state, SAMPLES[event], POLICY, 0.0) == (state, ())
    else:
        after, _ = step(state, SAMPLES[event], POLICY, 0.0)
        assert isinstance(after.status, Status)


def test_a_start_goes_through_its_stages_and_is_answered() -> None:
    assert play(life.Start())[1] == [life.BeginStart(), life.SetTimer(life.Timer.START, 90.0)]
    state, effects = play(*RUNNING)
    assert (state.status, state.pid) == (Status.RUNNING, 7)
    assert effects == [life.ClearTimer(), life.AnswerStart(None)]


def test_a_start_of_a_running_service_is_answered_at_once() -> None:
    assert play(*RUNNING, life.Start())[1] == [life.AnswerStart(None)]


def test_a_stop_ends_with_its_answer_once_nothing_is_left() -> None:
    state, effects = play(*RUNNING, life.Stop())
    assert state.status is Status.STOPPING
    assert effects == [life.Terminate(), life.SetTimer(life.Timer.GRACE, 5)]
    state, effects = play(*RUNNING, life.Stop(), EXITED, life.Cleared())
    assert (state.status, state.pid) == (Status.STOPPED, None)
    assert life.AnswerStop() in effects


def test_the_grace_period_over_kills() -> None:
    assert play(*RUNNING, life.Stop(), life.TimerFired(life.Timer.GRACE))[1] == [life.Kill()]


def test_a_stop_interrupts_a_start_and_its_askers_are_told() -> None:
    state, effects = play(*STARTING, life.Stop())
    assert state.status is Status.STOPPING
    assert effects[0] == life.CancelStart()
    assert any(isinstance(effect, life.AnswerStart) and effect.failure for effect in effects)


def test_a_start_during_a_stop_waits_for_it() -> None:
    state, effects = play(*RUNNING, life.Stop(), life.Start(), EXITED, life.Cleared())
    assert state.status is Status.STARTING
    assert effects[:2] == [life.AnswerStop(), life.BeginStart()]


def test_a_second_stop_takes_a_waiting_start_back() -> None:
    state, _ = play(*RUNNING, life.Stop(), life.Start(), life.Stop(), EXITED, life.Cleared())
    assert state.status is Status.STOPPED


def test_a_failed_start_is_answered_only_when_nothing_is_left() -> None:
    failure = Failure(Stage.SETUP, "it broke")
    state, effects = play(*STARTING, life.Failed(failure))
    assert not [effect for effect in effects if isinstance(effect, life.AnswerStart)]
    state, effects = play(EXITED, life.Cleared(), state=state)
    assert (state.status, state.failure) == (Status.STOPPED, failure)
    assert life.AnswerStart(failure) in effects


@pytest.mark.parametrize("event", [EXITED, life.Unhealthy("it did not answer")])
def test_an_unasked_end_tells_the_dependents_and_respawns(event: life.Event) -> None:
    state, effects = play(*RUNNING, event)
    assert life.LoseDependents(returns=True) in effects
    state, effects = play(life.Cleared(), state=state)
    assert (state.status, life.SetTimer(life.Timer.RESPAWN, 1)) == (Status.STOPPED, effects[0])
    state, effects = play(life.TimerFired(life.Timer.RESPAWN), state=state)
    assert (state.status, effects[0]) == (Status.STARTING, life.BeginStart())


def test_without_a_policy_an_end_is_a_stop_and_not_a_disabling() -> None:
    state, _ = play(*RUNNING, EXITED, life.Cleared(), policy=Policy(respawn=None))
    assert (state.status, state.enabled, state.respawn_at) == (Status.STOPPED, True, None)
    assert state.cause == "its program exited with 3"


def crash(state: State) -> tuple[State, list[life.Effect]]:
    return play(life.Spawned(7), life.Ready(), EXITED, life.Cleared(), state=state)


def test_delays_grow_and_the_limit_disables() -> None:
    state, _ = play(life.Start())
    delays = []
    for _ in range(3):
        state, effects = crash(state)
        delays += [effect.delay for effect in effects if isinstance(effect, life.SetTimer)]
        state, _ = play(life.TimerFired(life.Timer.RESPAWN), state=state)
    assert delays == [1, 2, 4]
    state, effects = crash(state)
    assert (state.status, state.enabled, state.respawn_at) == (Status.STOPPED, False, None)
    assert state.failure is not None
    assert "more than 3 times" in state.failure.reason


def test_a_long_run_starts_the_delays_anew() -> None:
    state, _ = play(*RUNNING, state=State(attempts=5))
    state, _ = step(state, EXITED, POLICY, 1000.0)
    assert state.attempts == 0


def test_a_disabled_service_does_not_start() -> None:
    state, effects = play(life.Disable(), life.Start())
    assert state.status is Status.STOPPED
    assert isinstance(effects[0], life.AnswerStart)
    assert effects[0].failure is not None


def test_disabling_takes_a_due_respawn_back() -> None:
    state, effects = play(*RUNNING, EXITED, life.Cleared(), life.Disable())
    assert state.respawn_at is None
    assert life.ClearTimer() in effects
    assert play(life.TimerFired(life.Timer.RESPAWN), state=state) == (state, [])


def test_a_lost_requirement_that_returns_means_a_new_start() -> None:
    state, _ = play(*RUNNING, life.RequirementLost("bus", returns=True), EXITED, life.Cleared())
    assert state.status is Status.STARTING


def test_a_lost_requirement_that_stays_away_means_a_stop() -> None:
    state, _ = play(*RUNNING, life.RequirementLost("bus", returns=False), EXITED, life.Cleared())
    assert state.status is Status.STOPPED
    assert state.cause == "bus, which it requires, ended"


def test_hurry_kills_and_forgets_every_wish_to_start() -> None:
    state, effects = play(*RUNNING, life.Stop(), life.Start(), life.Hurry())
    assert life.Kill() in effects
    assert play(EXITED, life.Cleared(), state=state)[0].status is Status.STOPPED


class Daemon:
    """A double of the daemon that performs effects in no time, on one process at the most."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.state, self.now = State(), 0.0
        self.alive = self.starting = self.signalled = False
        self.timer: life.Timer | None = None
        self.starters = self.stoppers = 0
        self.queue: list[life.Event] = []

    def handle(self, event: life.Event) -> None:
        self.state, effects = step(self.state, event, POLICY, self.now)
        for effect in effects:
            self.perform(effect)

    def perform(self, effect: life.Effect) -> None:
        match effect:
            case life.BeginStart():
                assert not self.alive
                assert not self.starting
                assert self.state.enabled
                self.starting = True
            case life.CancelStart():
                self.starting = False
            case life.Terminate() | life.Kill():
                self.signalled = self.alive
                if not self.alive:
                    self.queue.append(life.Cleared())
            case life.SetTimer(timer, _):
                self.timer = timer
            case life.ClearTimer():
                self.timer = None
            case life.AnswerStart():
                self.starters = 0
            case life.AnswerStop():
                self.stoppers = 0

    def end_process(self) -> None:
        self.alive = self.signalled = False
        self.queue += [EXITED, life.Cleared()]

    def choices(self) -> list[str]:
        found = ["start", "stop", "disable", "enable", "lost", "hurry"]
        if self.starting:
            found += ["ready" if self.alive else "spawn", "fail"] * 3
        if self.alive:
            found += ["exit"] * 3
        if self.timer:
            found += ["timer"] * 3
        return found

    def turn(self) -> None:
        self.now += self.chance.random() * 10
        if self.queue:
            self.handle(self.queue.pop(0))
            return
        self.act(self.chance.choice(self.choices()))

    def act(self, choice: str) -> None:
        match choice:
            case "start":
                self.starters += 1
                self.handle(life.Start(asked=self.chance.random() < 0.5))
            case "stop":
                self.stoppers += 1
                self.handle(life.Stop())
            case "spawn":
                self.alive = True
                self.handle(life.Spawned(7))
            case "ready":
                self.starting = False
                self.handle(life.Ready())
            case "fail":
                self.starting = False
                self.handle(life.Failed(Failure(self.chance.choice(list(Stage)), "it broke")))
            case "exit":
                self.end_process()
            case "timer":
                timer, self.timer = self.timer, None
                assert timer is not None
                self.handle(life.TimerFired(timer))
            case _:
                others: dict[str, life.Event] = {
                    "disable": life.Disable(),
                    "enable": life.Enable(),
                    "hurry": life.Hurry(),
                }
                self.handle(others.get(choice, life.RequirementLost("bus", self.chance.random() < 0.5)))

    def settle(self) -> None:
        """Stop for good: whatever was asked is answered, whatever ran is gone."""
        self.stoppers += 1
        self.handle(life.Stop())
        while self.queue or self.alive:
            if self.queue:
                self.handle(self.queue.pop(0))
            else:
                self.end_process()


@pytest.mark.parametrize("seed", range(150))
def test_random_histories_keep_the_invariants(seed: int) -> None:
    """Never two processes, nothing impossible, no start while disabled (in the double), every request answered."""
    daemon = Daemon(seed)
    for _ in range(200):
        daemon.turn()
        if daemon.state.status is Status.STOPPED:
            assert daemon.state.pid is None
            assert not daemon.alive
    daemon.settle()
    assert daemon.state.status is Status.STOPPED
    assert (daemon.starters, daemon.stoppers) == (0, 0)
