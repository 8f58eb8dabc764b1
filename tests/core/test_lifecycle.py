"""The life of a service as a table: its whole product, and what each row means to whoever starts, stops and requires
the service. Events come a second apart; what random histories keep is in test_histories.py.
"""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
from attrs import evolve

from herd.core import events
from herd.core import lifecycle as life
from herd.core.events import EVENTS, Ending, Failure, Stage, Status, Timer
from herd.core.lifecycle import TABLE, Ignored, Policy, Refused, State, step
from herd.core.respawn import Respawn

POLICY = Policy(respawn=Respawn(delay=1, factor=2, ceiling=8, times=3, window=100, reset_after=50), grace_period=5)
NO_LIMIT = Policy(respawn=Respawn(delay=1, factor=2, ceiling=8, times=0))
NO_RESPAWN = Policy(respawn=None)
ONE_SHOT = Policy(one_shot=True)
ON_DEMAND = Policy(Respawn(delay=1), on_demand=True)
TIMER = Policy(on_demand=True, is_timer=True)

SAMPLES: dict[type[events.Event], events.Event] = {
    events.Start: events.Start(),
    events.Adopt: events.Adopt(),
    events.Stop: events.Stop(),
    events.Hurry: events.Hurry(),
    events.Enable: events.Enable(),
    events.Disable: events.Disable(),
    events.Spawned: events.Spawned(7),
    events.Ready: events.Ready(),
    events.Failed: events.Failed(Failure(Stage.SETUP, "it broke")),
    events.Exited: events.Exited(Ending(1, None, 0.0)),
    events.Cleared: events.Cleared(),
    events.TimerFired: events.TimerFired(Timer.GRACE),
    events.Unhealthy: events.Unhealthy("it did not answer"),
    events.RequirementLost: events.RequirementLost("bus", returns=True),
}


def play(
    *history: events.Event, state: State | None = None, policy: Policy = POLICY
) -> tuple[State, list[events.Effect]]:
    """The state after the events, a second apart, and the effects of the last."""
    state, effects = state or State(), []
    for moment, event in enumerate(history):
        state, last = step(state, event, policy, float(moment))
        effects = list(last)
    return state, effects


def failures(effects: list[events.Effect]) -> list[Failure | None]:
    """What those who wait for a start are told."""
    return [effect.failure for effect in effects if isinstance(effect, events.AnswerStart)]


STARTING = (events.Start(), events.Spawned(7))
RUNNING = (*STARTING, events.Ready())
EXITED = events.Exited(Ending(3, None, 0.0))
GONE = (EXITED, events.Cleared())
LATER = events.TimerFired(Timer.RESPAWN)


# The table.


def test_the_table_has_the_whole_product_and_nothing_else() -> None:
    assert set(EVENTS) == set(get_args(events.Event)) == set(SAMPLES)
    assert set(TABLE) == set(product(Status, EVENTS))


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("event", EVENTS)
def test_every_entry_acts_ignores_or_refuses(status: Status, event: type[events.Event]) -> None:
    entry, state = TABLE[status, event], State(status=status, attempts=2, cause="it ended")
    if isinstance(entry, Refused):
        assert entry.reason
        with pytest.raises(life.Impossible, match=f"^{event.__name__} while {status.value}: {entry.reason}$"):
            step(state, SAMPLES[event], POLICY, 0.0)
        assert state == State(status=status, attempts=2, cause="it ended")
    elif isinstance(entry, Ignored):
        assert entry.reason
        assert step(state, SAMPLES[event], POLICY, 0.0) == (state, ())
    else:
        after, effects = step(state, SAMPLES[event], ON_DEMAND, 0.0)
        assert isinstance(after.status, Status)
        assert all(isinstance(effect, events.Effect) for effect in effects)


@pytest.mark.parametrize("event", [events.Spawned(7), events.Cleared()])
def test_only_what_runs_on_demand_has_processes_that_come_and_go(event: events.Event) -> None:
    with pytest.raises(life.Impossible):
        step(State(status=Status.RUNNING), event, POLICY, 0.0)


# Start and stop.


def test_a_start_goes_through_its_stages_and_is_answered() -> None:
    assert play(events.Start())[1] == [events.BeginStart(), events.SetTimer(Timer.START, 90.0)]
    state, effects = play(*RUNNING)
    assert (state.status, state.pid, state.running_since) == (Status.RUNNING, 7, 2.0)
    assert effects == [events.ClearTimer(), events.AnswerStart(None)]


def test_a_second_start_waits_for_the_first() -> None:
    assert play(*STARTING, events.Start())[1] == []
    assert failures(play(*STARTING, events.Start(), events.Ready())[1]) == [None]


def test_a_start_of_a_running_service_is_answered_at_once() -> None:
    assert play(*RUNNING, events.Start())[1] == [events.AnswerStart(None)]


def test_a_stop_of_a_stopped_service_is_answered_at_once() -> None:
    state, effects = play(events.Stop())
    assert state == State()
    assert events.AnswerStop() in effects


@pytest.mark.parametrize(
    "event",
    [events.Stop(), events.Hurry(), EXITED, events.Unhealthy("it did not answer"), events.RequirementLost("bus", True)],
)
def test_what_stops_does_not_run_any_more(event: events.Event) -> None:
    state, _ = play(*RUNNING, event)
    assert (state.status, state.running_since) == (Status.STOPPING, None)


@pytest.mark.parametrize("over", [GONE, (events.Cleared(),)])
def test_a_stop_is_answered_once_nothing_is_left(over: tuple[events.Event, ...]) -> None:
    state, effects = play(*RUNNING, events.Stop())
    assert state.status is Status.STOPPING
    assert effects[1:] == [events.Terminate(), events.SetTimer(Timer.GRACE, 5)]
    state, effects = play(*RUNNING, events.Stop(), *over)
    assert (state.status, state.pid, state.running_since, state.failure) == (Status.STOPPED, None, None, None)
    assert effects[:2] == [events.ClearTimer(), events.AnswerStop()]


def test_a_process_that_exited_while_it_stops_has_no_pid_but_an_ending() -> None:
    state, effects = play(*RUNNING, events.Stop(), EXITED)
    assert (state.status, state.pid, state.ending) == (Status.STOPPING, None, EXITED.ending)
    assert effects == []


def test_the_grace_period_over_kills() -> None:
    state, effects = play(*RUNNING, events.Stop(), events.TimerFired(Timer.GRACE))
    assert (state.status, effects) == (Status.STOPPING, [events.Kill()])


def test_a_stop_breaks_a_start_off_and_its_askers_are_told() -> None:
    state, effects = play(events.Start(), events.Stop())
    assert state.status is Status.STOPPING
    assert effects[0] == events.CancelStart()
    assert effects[-2:] == [events.Terminate(), events.SetTimer(Timer.GRACE, 5)]
    assert [failure and failure.reason for failure in failures(effects)] == ["it was asked to stop meanwhile"]


def test_a_process_that_came_while_its_start_was_broken_off_is_known() -> None:
    assert play(events.Start(), events.Stop(), events.Spawned(7))[0].pid == 7


@pytest.mark.parametrize("event", [events.Ready(), SAMPLES[events.Failed], SAMPLES[events.Unhealthy]])
def test_what_was_on_its_way_when_a_stop_came_changes_nothing(event: events.Event) -> None:
    stopping, _ = play(*STARTING, events.Stop())
    assert play(event, state=stopping) == (stopping, [])


def test_a_start_during_a_stop_waits_for_it() -> None:
    assert play(*RUNNING, events.Stop(), events.Start())[1] == []
    state, effects = play(*RUNNING, events.Stop(), events.Start(), *GONE)
    assert (state.status, state.starts_again) == (Status.STARTING, False)
    assert effects == [events.AnswerStop(), events.BeginStart(), events.SetTimer(Timer.START, 90.0)]


@pytest.mark.parametrize("event", [events.Ready(), SAMPLES[events.Failed]])
def test_the_last_word_of_a_start_whose_program_has_ended_is_late(event: events.Event) -> None:
    stopped, _ = play(*STARTING, *GONE)
    assert play(event, state=stopped) == (stopped, [])


def test_no_start_is_ready_before_its_program_was_executed() -> None:
    starting, _ = play(*STARTING, EXITED, events.Start(), events.Cleared())
    assert play(events.Ready(), state=starting) == (starting, [])


def test_that_nothing_is_left_may_be_said_twice() -> None:
    # By TERM and by KILL, where there is no process.
    hurried, _ = play(events.Start(), events.Stop(), events.Hurry())
    starting, _ = play(events.Start(), events.Cleared(), state=hurried)
    assert starting.status is Status.STARTING
    assert play(events.Cleared(), state=starting) == (starting, [])


def test_a_second_stop_takes_a_waiting_start_back() -> None:
    state, effects = play(*RUNNING, events.Stop(), events.Start(), events.Stop())
    assert [failure is not None for failure in failures(effects)] == [True]
    assert play(*GONE, state=state)[0].status is Status.STOPPED


def test_a_second_stop_alone_answers_nobody_yet() -> None:
    assert play(*RUNNING, events.Stop(), events.Stop())[1] == []


def test_a_clean_stop_forgets_what_failed() -> None:
    state, _ = play(*STARTING, SAMPLES[events.Failed], *GONE)
    assert state.failure is not None
    assert play(events.Stop(), state=state)[0].failure is None


def test_hurry_kills_and_forgets_every_wish_to_start() -> None:
    state, effects = play(*RUNNING, events.Stop(), events.Start(), events.Hurry())
    assert events.Kill() in effects
    assert failures(effects) != []
    assert play(*GONE, state=state)[0].status is Status.STOPPED


@pytest.mark.parametrize("before", [STARTING, RUNNING])
def test_hurry_needs_no_stop_before(before: tuple[events.Event, ...]) -> None:
    state, effects = play(*before, events.Hurry())
    assert state.status is Status.STOPPING
    assert effects[:2] == [events.LoseDependents(returns=False), events.CancelStart()]
    assert events.Kill() in effects
    assert events.AnswerStop() in play(*GONE, state=state)[1]


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


def crash(state: State, policy: Policy = POLICY) -> tuple[State, list[events.Effect]]:
    return play(events.Spawned(7), events.Ready(), *GONE, state=state, policy=policy)


def crashes(count: int, state: State, policy: Policy) -> tuple[State, list[float]]:
    """The state after so many ends, each respawned, and the delays."""
    delays = []
    for _ in range(count):
        state, effects = crash(state, policy)
        delays += [effect.delay for effect in effects if isinstance(effect, events.SetTimer)]
        state, _ = play(LATER, state=state, policy=policy)
    return state, delays


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


# Enabled and disabled.


@pytest.mark.parametrize("before", [(), (*RUNNING, events.Stop())])
def test_a_disabled_service_does_not_start(before: tuple[events.Event, ...]) -> None:
    state, effects = play(*before, events.Disable(), events.Start())
    assert [failure and failure.reason for failure in failures(effects)] == ["it is disabled; enable it first"]
    assert play(events.Cleared(), state=state)[0].status is Status.STOPPED
    assert play(events.Cleared(), events.Enable(), events.Start(), state=state)[0].status is Status.STARTING


@pytest.mark.parametrize("before", [STARTING, RUNNING])
def test_disabling_ends_nothing_that_is_there(before: tuple[events.Event, ...]) -> None:
    state, effects = play(*before, events.Disable())
    assert (state.status, effects) == (play(*before)[0].status, [])


def test_disabling_takes_a_waiting_start_back() -> None:
    state, effects = play(*RUNNING, events.Stop(), events.Start(), events.Disable(), *GONE)
    assert state.status is Status.STOPPED
    assert [failure is not None for failure in failures(effects)] == [True]


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


@pytest.mark.parametrize("timer", [Timer.RESPAWN, Timer.GRACE])
def test_a_late_timer_does_not_fail_a_start(timer: Timer) -> None:
    state, effects = play(events.Start(), events.TimerFired(timer))
    assert (state.status, effects) == (Status.STARTING, [])


def test_a_late_timer_does_not_cut_the_grace_period_short() -> None:
    assert play(*STARTING, events.Stop(), events.TimerFired(Timer.START))[1] == []


def test_a_high_limit_disables_too() -> None:
    policy = Policy(respawn=Respawn(delay=0, times=40, window=1000))
    state, _ = crash(crashes(40, play(events.Start())[0], policy)[0], policy)
    assert not state.enabled


def test_a_start_after_a_lost_requirement_was_not_asked_for() -> None:
    state, _ = play(*RUNNING, events.RequirementLost("bus", returns=True), *GONE)
    assert not state.asked
    assert play(SAMPLES[events.Failed], events.Cleared(), state=state)[0].respawn_at is not None


def test_a_start_for_a_dependent_waits_for_the_respawn() -> None:
    state, _ = play(*RUNNING, EXITED, events.Start(asked=False), events.Cleared())
    assert (state.status, state.respawn_at is not None) == (Status.STOPPED, True)


def test_a_start_for_a_dependent_does_not_go_round_the_delay_of_a_respawn() -> None:
    waiting, _ = play(*RUNNING, *GONE)
    assert play(events.Start(asked=False), state=waiting) == (waiting, [])
    assert failures(play(LATER, *STARTING[1:], events.Ready(), state=waiting)[1]) == [None]


@pytest.mark.parametrize("before", [(), (events.Spawned(7), events.Ready(), EXITED)])
def test_every_stop_forgets_the_respawns(before: tuple[events.Event, ...]) -> None:
    respawned = State(attempts=2, respawn_history=(1.0, 2.0))
    state, _ = play(events.Start(asked=False), *before, events.Stop(), events.Cleared(), state=respawned)
    assert (state.attempts, state.respawn_history) == (0, ())


def test_enabling_takes_back_what_the_limit_said() -> None:
    state, _ = crash(crashes(3, play(events.Start())[0], POLICY)[0])
    state, _ = play(events.Enable(), state=state)
    assert state.failure is None or "it is disabled" not in state.failure.reason


def test_disabling_says_so_to_those_who_wait_for_the_respawn() -> None:
    (failure,) = failures(play(*RUNNING, *GONE, events.Disable())[1])
    assert failure is not None
    assert "disabled" in failure.reason


# One-shots, what runs on demand, adoption.


def exited(code: int | None, signal: int | None = None) -> events.Exited:
    return events.Exited(Ending(code, signal, 0.0))


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
