"""The life of a service as a table: its whole product, and what starts and stops mean to whoever asks for them.

What random histories keep is in test_histories.py.
"""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from herd.core import events
from herd.core.events import EVENTS, Status, Timer
from herd.core.lifecycle import TABLE, Ignored, Refused, step
from herd.core.state import Impossible, State
from lives import (
    EXITED,
    GONE,
    ON_DEMAND,
    POLICY,
    RUNNING,
    SAMPLES,
    STARTING,
    failures,
    play,
)

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
        with pytest.raises(Impossible, match=f"^{event.__name__} while {status.value}: {entry.reason}$"):
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
    with pytest.raises(Impossible):
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


def test_a_start_that_was_asked_for_stays_so_whoever_else_wants_it() -> None:
    assert play(*RUNNING, events.Stop(), events.Start(), events.Start(asked=False), *GONE)[0].asked


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


@pytest.mark.parametrize("timer", [Timer.RESPAWN, Timer.GRACE])
def test_a_late_timer_does_not_fail_a_start(timer: Timer) -> None:
    state, effects = play(events.Start(), events.TimerFired(timer))
    assert (state.status, effects) == (Status.STARTING, [])


def test_a_late_timer_does_not_cut_the_grace_period_short() -> None:
    assert play(*STARTING, events.Stop(), events.TimerFired(Timer.START))[1] == []
