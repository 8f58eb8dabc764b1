"""What the lifecycle makes of requirements that are lost, and of services that do not simply run: one-shots, what runs
on demand, what was adopted."""

from __future__ import annotations

import pytest
from attrs import evolve

from herd.core import events
from herd.core.events import Failure, Stage, Status, Timer
from herd.core.state import Policy, State
from lives import (
    EXITED,
    GONE,
    ON_DEMAND,
    ONE_SHOT,
    RUNNING,
    SAMPLES,
    STARTING,
    TIMER,
    exited,
    failures,
    play,
)

# Requirements.


@pytest.mark.parametrize("before", [STARTING, RUNNING])
def test_a_lost_requirement_that_returns_means_a_new_start(before: tuple[events.Event, ...]) -> None:
    state, effects = play(*before, events.RequirementLost("bus", returns=True))
    assert (state.status, failures(effects)) == (Status.STOPPING, [])
    assert events.LoseDependents(returns=True) in effects
    state, effects = play(*GONE, state=state)
    assert (state.status, events.BeginStart() in effects, failures(effects)) == (Status.STARTING, True, [])


@pytest.mark.parametrize("before", [STARTING, RUNNING])
@pytest.mark.parametrize(("enabled", "returns"), [(True, False), (False, True)])
def test_a_lost_requirement_that_stays_away_means_a_stop(
    before: tuple[events.Event, ...], enabled: bool, returns: bool
) -> None:
    state, _ = play(*before, events.Enable() if enabled else events.Disable())
    state, effects = play(events.RequirementLost("bus", returns), state=state)
    assert failures(effects) == [Failure(Stage.REQUIREMENT, "bus, which it requires, ended")]
    assert events.LoseDependents(returns=False) in effects
    state, _ = play(*GONE, state=state)
    assert (state.status, state.cause) == (Status.STOPPED, "bus, which it requires, ended")


@pytest.mark.parametrize("event", [events.Stop(), events.Hurry()])
def test_a_stop_tells_whoever_was_started_again_since_the_dependents_were_stopped(event: events.Event) -> None:
    assert play(*RUNNING, event)[1][0] == events.LoseDependents(returns=False)


def test_a_stop_takes_back_the_start_that_a_requirement_would_have_brought() -> None:
    state, _ = play(*RUNNING, events.RequirementLost("bus", returns=True), events.Stop(), *GONE)
    assert state.status is Status.STOPPED


def test_a_start_after_a_lost_requirement_was_not_asked_for() -> None:
    state, _ = play(*RUNNING, events.RequirementLost("bus", returns=True), *GONE)
    assert not state.asked
    assert play(SAMPLES[events.Failed], events.Cleared(), state=state)[0].respawn_at is not None


# Requirements that come back.

NO_BUS = events.Failed(Failure(Stage.REQUIREMENT, "it requires bus"))
GONE_FOR_GOOD = events.RequirementLost("bus", returns=False)
BACK = events.RequirementBack()
WAITING: dict[str, tuple[events.Event, ...]] = {
    "a start failed that nobody asked for": (events.Start(asked=False), NO_BUS),
    "it ran": (*RUNNING, GONE_FOR_GOOD),
    "a start was broken off that nobody asked for": (events.Start(asked=False), GONE_FOR_GOOD),
}


@pytest.mark.parametrize("history", WAITING.values(), ids=WAITING)
@pytest.mark.parametrize("over", [(BACK, events.Cleared()), (events.Cleared(), BACK)], ids=["stopping", "stopped"])
def test_what_only_a_requirement_kept_down_starts_again_once_that_is_back(
    history: tuple[events.Event, ...], over: tuple[events.Event, ...]
) -> None:
    state, effects = play(*history, *over)
    assert (state.status, state.asked, events.BeginStart() in effects) == (Status.STARTING, False, True)
    assert not state.awaits_requirement


DOWN: dict[str, tuple[events.Event, ...]] = {
    "whoever asked was told": (events.Start(), NO_BUS, events.Cleared()),
    "whoever asked was told that it is lost": (events.Start(), GONE_FOR_GOOD, events.Cleared()),
    "it failed by itself": (*STARTING, SAMPLES[events.Failed], events.Cleared()),
    "it was stopped before": (*RUNNING, events.Stop(), GONE_FOR_GOOD, *GONE),
    "it was stopped after": (*RUNNING, GONE_FOR_GOOD, *GONE, events.Stop()),
    "it was stopped meanwhile": (*RUNNING, GONE_FOR_GOOD, events.Stop(), *GONE),
    "it was hurried": (*RUNNING, GONE_FOR_GOOD, events.Hurry(), *GONE),
    "it was disabled": (*RUNNING, GONE_FOR_GOOD, *GONE, events.Disable()),
}


@pytest.mark.parametrize("history", DOWN.values(), ids=DOWN)
def test_what_is_down_for_another_reason_stays_so(history: tuple[events.Event, ...]) -> None:
    state, _ = play(*history)
    assert play(BACK, state=state) == (evolve(state, awaits_requirement=False), [])


def test_enabling_starts_nothing_whose_requirement_came_back_before() -> None:
    state, effects = play(*RUNNING, GONE_FOR_GOOD, *GONE, events.Disable(), BACK, events.Enable(), BACK)
    assert (state.status, effects) == (Status.STOPPED, [])


@pytest.mark.parametrize(
    ("history", "wanted"),
    [
        ((), False),
        (STARTING, True),
        (RUNNING, True),
        ((*RUNNING, events.Stop()), False),
        ((*RUNNING, events.Stop(), events.Start()), True),
        ((*RUNNING, EXITED), True),
        ((*RUNNING, *GONE), True),
        ((*RUNNING, *GONE, events.Disable()), False),
        ((*RUNNING, GONE_FOR_GOOD, *GONE), True),
        ((*RUNNING, GONE_FOR_GOOD, *GONE, events.Stop()), False),
        ((*STARTING, SAMPLES[events.Failed], *GONE), False),
    ],
)
def test_what_nobody_asked_to_stop_is_wanted(history: tuple[events.Event, ...], wanted: bool) -> None:
    assert play(*history)[0].is_wanted is wanted


# One-shots, what runs on demand, adoption.


def test_a_one_shot_is_started_once_its_program_ended_well() -> None:
    state, effects = play(*STARTING, exited(0), policy=ONE_SHOT)
    assert failures(effects) == [None]
    state, effects = play(events.Cleared(), state=state, policy=ONE_SHOT)
    assert (state.status, state.done, state.failure) == (Status.STOPPED, True, None)
    assert events.LoseDependents(returns=False) not in effects
    assert failures(effects) == [None]


@pytest.mark.parametrize("ending", [exited(3), exited(None, 9), exited(None)])
def test_a_one_shot_that_ended_otherwise_has_failed(ending: events.Exited) -> None:
    state, _ = play(*STARTING, ending, policy=ONE_SHOT)
    state, effects = play(events.Cleared(), state=state, policy=ONE_SHOT)
    assert (state.status, state.done) == (Status.STOPPED, False)
    (failure,) = failures(effects)
    assert failure is not None
    assert failure.reason == f"its program {ending.ending.words}"


def test_a_one_shot_that_starts_again_is_not_done_yet() -> None:
    state, _ = play(events.Start(), state=State(done=True), policy=ONE_SHOT)
    assert not state.done


@pytest.mark.parametrize(("policy", "ending"), [(ON_DEMAND, exited(0)), (TIMER, exited(0)), (TIMER, exited(3))])
def test_what_runs_on_demand_outlives_its_processes(policy: Policy, ending: events.Exited) -> None:
    history = (events.Start(), events.Ready(), events.Spawned(7), ending, events.Cleared(), events.Spawned(8))
    state, effects = play(*history, policy=policy)
    assert (state.status, state.pid, state.ending, effects) == (Status.RUNNING, 8, ending.ending, [])


def test_a_service_on_demand_whose_program_failed_is_respawned() -> None:
    state, _ = play(events.Start(), events.Ready(), events.Spawned(7), *GONE, policy=ON_DEMAND)
    assert (state.status, state.respawn_at is not None) == (Status.STOPPED, True)


def test_an_adopted_process_goes_the_way_of_a_start() -> None:
    state, effects = play(events.Adopt())
    assert state.status is Status.STARTING
    assert effects == [events.BeginAdoption(), events.SetTimer(Timer.START, 90.0)]
    state, _ = play(events.Adopt(), events.Spawned(7), events.Ready())
    assert (state.status, state.pid, state.asked) == (Status.RUNNING, 7, False)
    state, _ = play(events.Adopt(), SAMPLES[events.Failed], events.Cleared())
    assert state.respawn_at is not None


@pytest.mark.parametrize("event", [SAMPLES[events.Failed], EXITED, events.TimerFired(Timer.START)])
def test_an_adoption_that_fails_tells_the_dependents_for_they_may_run(event: events.Event) -> None:
    assert events.LoseDependents(returns=True) in play(events.Adopt(), events.Spawned(7), event)[1]
    assert events.LoseDependents(returns=True) not in play(*STARTING, event)[1]
