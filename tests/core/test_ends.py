"""What the lifecycle makes of starts that fail and of services that end unasked: respawns, their limit, disabling."""

from __future__ import annotations

import pytest
from attrs import evolve

from herd.core import events
from herd.core.events import Ending, Failure, Stage, Status, Timer
from herd.core.lifecycle import step
from herd.core.respawn import Respawn
from herd.core.state import Policy, State
from lives import (
    EXITED,
    GONE,
    LATER,
    NO_LIMIT,
    NO_RESPAWN,
    POLICY,
    RUNNING,
    SAMPLES,
    STARTING,
    crash,
    crashes,
    failures,
    play,
)

# Starts that fail.


@pytest.mark.parametrize(
    ("event", "stage", "reason"),
    [
        (SAMPLES[events.Failed], Stage.SETUP, "it broke"),
        (events.TimerFired(Timer.START), Stage.READINESS, "not ready after 90 seconds"),
        (EXITED, Stage.READINESS, "its program exited with 3 before it was ready"),
        (events.Exited(Ending(None, 11, 0.0)), Stage.READINESS, "was ended by SIGSEGV (11) before it was ready"),
    ],
)
def test_a_failed_start_is_answered_only_when_nothing_is_left(event: events.Event, stage: Stage, reason: str) -> None:
    state, effects = play(*STARTING, event)
    assert (state.status, failures(effects)) == (Status.STOPPING, [])
    assert effects == [events.CancelStart(), events.Terminate(), events.SetTimer(Timer.GRACE, 5)]
    state, effects = play(events.Cleared(), state=state)
    assert state.failure is not None
    assert (state.status, state.failure.stage) == (Status.STOPPED, stage)
    assert reason in state.failure.reason
    assert failures(effects) == [state.failure]


def test_the_next_start_forgets_the_failure() -> None:
    state, _ = play(*STARTING, SAMPLES[events.Failed], *GONE, events.Start())
    assert (state.status, state.failure) == (Status.STARTING, None)


@pytest.mark.parametrize(
    ("asked", "stage", "policy", "enabled", "again"),
    [
        (False, Stage.SETUP, POLICY, True, True),
        (False, Stage.READINESS, POLICY, True, True),
        (False, Stage.PREPARATION, POLICY, True, True),
        (False, Stage.REQUIREMENT, POLICY, True, False),
        (False, Stage.EXECUTION, POLICY, True, False),
        (False, Stage.SETUP, NO_RESPAWN, True, False),
        (False, Stage.SETUP, POLICY, False, False),
        (True, Stage.SETUP, POLICY, True, False),
    ],
)
def test_a_failed_start_is_tried_again_when_nobody_asked_and_that_may_help(
    asked: bool, stage: Stage, policy: Policy, enabled: bool, again: bool
) -> None:
    change = events.Enable() if enabled else events.Disable()
    failed = events.Failed(Failure(stage, "it broke"))
    state, effects = play(events.Start(asked), change, failed, events.Cleared(), policy=policy)
    assert (state.status, state.respawn_at is not None) == (Status.STOPPED, again)
    assert (events.SetTimer(Timer.RESPAWN, 1) in effects) is again
    assert len(failures(effects)) == 1


# Respawns.


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (EXITED, "its program exited with 3"),
        (events.Exited(Ending(None, 9, 0.0)), "its program was ended by SIGKILL (9)"),
        (events.Unhealthy("it did not answer"), "it did not answer"),
    ],
)
def test_an_unasked_end_tells_the_dependents_and_respawns(event: events.Event, cause: str) -> None:
    state, effects = play(*RUNNING, event)
    assert (state.status, state.cause) == (Status.STOPPING, cause)
    assert effects == [events.LoseDependents(returns=True), events.Terminate(), events.SetTimer(Timer.GRACE, 5)]
    state, (first, *_) = step(state, events.Cleared(), POLICY, 10.0)
    assert (state.status, first, state.respawn_at) == (Status.STOPPED, events.SetTimer(Timer.RESPAWN, 1), 11.0)
    state, (first, *_) = step(state, LATER, POLICY, 11.0)
    assert (state.status, first) == (Status.STARTING, events.BeginStart())
    assert (state.respawn_at, state.respawn_history) == (None, (11.0,))


def test_without_a_policy_an_end_is_a_stop_and_not_a_disabling() -> None:
    assert events.LoseDependents(returns=False) in play(*RUNNING, EXITED, policy=NO_RESPAWN)[1]
    state, _ = play(*RUNNING, *GONE, policy=NO_RESPAWN)
    assert (state.status, state.enabled, state.respawn_at) == (Status.STOPPED, True, None)
    assert state.cause == "its program exited with 3"


def test_delays_grow_and_the_limit_disables() -> None:
    state, delays = crashes(3, play(events.Start())[0], POLICY)
    assert delays == [1, 2, 4]
    state, effects = crash(state)
    assert (state.status, state.enabled, state.respawn_at) == (Status.STOPPED, False, None)
    assert not [effect for effect in effects if isinstance(effect, events.SetTimer)]
    assert state.failure is not None
    assert state.failure.reason == "it ended more than 3 times in 100 seconds; it is disabled"


def test_no_limit_respawns_for_ever_at_the_ceiling() -> None:
    state, delays = crashes(100, play(events.Start())[0], NO_LIMIT)
    assert delays == [1, 2, 4] + [8] * 97
    assert state.status is Status.STARTING


@pytest.mark.parametrize(("moment", "attempts"), [(51.0, 5), (52.0, 0)])
def test_a_long_run_starts_the_delays_anew(moment: float, attempts: int) -> None:
    state, _ = play(*RUNNING)
    assert step(evolve(state, attempts=5), EXITED, POLICY, moment)[0].attempts == attempts


@pytest.mark.parametrize("event", [events.Enable(), events.Stop()])
def test_enabling_and_a_stop_that_was_asked_for_forget_the_respawns(event: events.Event) -> None:
    state, _ = crash(crashes(2, play(events.Start())[0], POLICY)[0])
    assert (state.attempts, len(state.respawn_history)) == (2, 2)
    state, _ = play(event, state=state)
    assert (state.attempts, state.respawn_history) == (0, ())


def test_a_start_that_was_asked_for_does_not_wait_for_the_respawn() -> None:
    state, effects = play(*RUNNING, *GONE, events.Start())
    assert (state.status, state.respawn_at, state.attempts) == (Status.STARTING, None, 0)
    assert effects[0] == events.BeginStart()


@pytest.mark.parametrize("event", [events.Stop(), events.Disable(), events.Hurry()])
def test_a_due_respawn_is_taken_back(event: events.Event) -> None:
    state, effects = play(*RUNNING, *GONE, event)
    assert state.respawn_at is None
    assert events.ClearTimer() in effects
    assert play(LATER, state=state) == (state, [])


@pytest.mark.parametrize("event", [events.Stop(), events.Disable(), events.Hurry()])
def test_a_respawn_to_come_is_taken_back_before_all_is_cleared(event: events.Event) -> None:
    state, effects = play(*RUNNING, EXITED, event, events.Cleared())
    assert (state.status, state.respawn_at) == (Status.STOPPED, None)
    assert events.AnswerStop() in effects


def test_a_high_limit_disables_too() -> None:
    policy = Policy(respawn=Respawn(delay=0, times=40, window=1000))
    state, _ = crash(crashes(40, play(events.Start())[0], policy)[0], policy)
    assert not state.enabled


def test_a_start_for_a_dependent_waits_for_the_respawn() -> None:
    state, _ = play(*RUNNING, EXITED, events.Start(asked=False), events.Cleared())
    assert (state.status, state.respawn_at is not None) == (Status.STOPPED, True)


def test_a_start_for_a_dependent_does_not_go_round_the_delay_of_a_respawn() -> None:
    waiting, _ = play(*RUNNING, *GONE)
    assert play(events.Start(asked=False), state=waiting) == (waiting, [])
    assert failures(play(LATER, *STARTING[1:], events.Ready(), state=waiting)[1]) == [None]


@pytest.mark.parametrize("before", [(), (events.Spawned(7), events.Ready(), EXITED)])
def test_every_stop_forgets_the_respawns(before: tuple[events.Event, ...]) -> None:
    respawned = State(attempts=2, respawn_history=(1.0, 2.0), respawned=2)
    state, _ = play(events.Start(asked=False), *before, events.Stop(), events.Cleared(), state=respawned)
    assert (state.attempts, state.respawn_history, state.respawned) == (0, (), 0)


def test_each_respawn_since_the_last_stop_is_counted_whatever_the_limit_and_the_delay_forget() -> None:
    policy = Policy(respawn=Respawn(delay=0, times=2, window=0.5, reset_after=0))
    state, _ = crashes(7, play(events.Start())[0], policy)
    assert (state.respawned, state.attempts, len(state.respawn_history)) == (7, 1, 2)
    state, _ = play(*GONE, events.Enable(), events.Start(), state=state, policy=policy)
    assert state.respawned == 7


@pytest.mark.parametrize("before", [GONE, (EXITED,)])
def test_a_start_that_was_asked_for_forgets_the_respawns_before_all_is_cleared_and_after(
    before: tuple[events.Event, ...],
) -> None:
    state, _ = crashes(2, play(events.Start())[0], POLICY)
    state, _ = play(*STARTING[1:], events.Ready(), *before, events.Start(), state=state)
    assert (state.attempts, state.respawn_history) == (0, ())


def test_whoever_comes_while_it_ends_waits_for_the_respawn() -> None:
    waiting, effects = play(*RUNNING, EXITED, events.Start(asked=False), events.Cleared())
    assert failures(effects) == []
    assert failures(play(LATER, *STARTING[1:], events.Ready(), state=waiting)[1]) == [None]


def test_whoever_waits_is_told_that_it_ended_too_often() -> None:
    _, effects = crash(crashes(3, play(events.Start())[0], POLICY)[0])
    assert [failure and failure.stage for failure in failures(effects)] == [Stage.RESPAWN]


# Enabled and disabled.


@pytest.mark.parametrize("before", [(), (*RUNNING, events.Stop())])
def test_a_disabled_service_does_not_start(before: tuple[events.Event, ...]) -> None:
    state, effects = play(*before, events.Disable(), events.Start())
    assert [failure and failure.reason for failure in failures(effects)] == ["it is disabled"]
    assert isinstance(effects[0], events.RefuseStart)
    assert play(events.Cleared(), state=state)[0].status is Status.STOPPED
    assert play(events.Cleared(), events.Enable(), events.Start(), state=state)[0].status is Status.STARTING


@pytest.mark.parametrize("before", [STARTING, RUNNING])
def test_disabling_ends_nothing_that_is_there(before: tuple[events.Event, ...]) -> None:
    state, effects = play(*before, events.Disable())
    assert (state.status, effects) == (play(*before)[0].status, [])


def test_disabling_takes_a_waiting_start_back() -> None:
    state, effects = play(*RUNNING, events.Stop(), events.Start(), events.Disable(), *GONE)
    assert state.status is Status.STOPPED
    assert failures(effects) == [Failure(Stage.DISABLED, "it was disabled meanwhile")]


def test_a_start_of_one_that_ended_too_often_is_told_that() -> None:
    state, _ = crash(crashes(3, play(events.Start())[0], POLICY)[0])
    assert failures(play(events.Start(), state=state)[1]) == [state.failure]


@pytest.mark.parametrize(
    ("failure", "remedy"),
    [
        (Failure(Stage.SETUP, "it broke"), "; see: herd status web"),
        (Failure(Stage.REQUIREMENT, "it requires bus; see: herd status bus", has_remedy=True), ""),
        (Failure(Stage.RESPAWN, "it ended too often"), "; enable it with: herd enable web"),
        (Failure(Stage.DISABLED, "it is disabled"), "; enable it with: herd enable web"),
    ],
)
def test_a_failure_is_told_with_what_to_try(failure: Failure, remedy: str) -> None:
    assert failure.sentence("web") == f"cannot start web: {failure.reason}{remedy}"


def test_enabling_takes_back_what_the_limit_said() -> None:
    state, _ = crash(crashes(3, play(events.Start())[0], POLICY)[0])
    state, _ = play(events.Enable(), state=state)
    assert state.failure is None or "it is disabled" not in state.failure.reason


def test_disabling_says_so_to_those_who_wait_for_the_respawn() -> None:
    (failure,) = failures(play(*RUNNING, *GONE, events.Disable())[1])
    assert failure is not None
    assert "disabled" in failure.reason
