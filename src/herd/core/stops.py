"""The handlers of whatever ends a service: stops, ends unasked, lost requirements, and what comes once nothing is left.

Each answers an event of core/lifecycle.py's table with the state after it and the effects.
"""

from __future__ import annotations

from attrs import evolve

from herd.core.events import (
    AnswerStart,
    AnswerStop,
    CancelStart,
    ClearTimer,
    Effect,
    Event,
    Exited,
    Failure,
    Kill,
    LoseDependents,
    RequirementLost,
    SetTimer,
    Stage,
    Status,
    Timer,
    TimerFired,
    Unhealthy,
)
from herd.core.respawn import is_too_fast, next_delay
from herd.core.state import Impossible, Policy, State, Step, begin, forget_respawns, leave, may_respawn

_STOPPED_MEANWHILE = AnswerStart(Failure(Stage.REQUIREMENT, "it was asked to stop meanwhile"))


def stop_stopped(state: State, event: Event, policy: Policy, now: float) -> Step:
    """A clean stop forgets what failed, and whoever waited for a respawn is told."""
    clean = evolve(_unwanted(state), respawn_at=None, failure=None)
    return clean, (ClearTimer(), _STOPPED_MEANWHILE, AnswerStop())


def stop_starting(state: State, event: Event, policy: Policy, now: float) -> Step:
    return leave(_unwanted(state), policy, CancelStart(), _STOPPED_MEANWHILE)


def stop_running(state: State, event: Event, policy: Policy, now: float) -> Step:
    """Dependents were stopped before; one that somebody started again meanwhile goes, too."""
    return leave(_unwanted(state), policy, LoseDependents(returns=False))


def stop_stopping(state: State, event: Event, policy: Policy, now: float) -> Step:
    """A stop takes back the wish to start again; what failed before stays said."""
    effects = (_STOPPED_MEANWHILE,) if state.starts_again else ()
    return _unwanted(state), effects


def _unwanted(state: State) -> State:
    """Somebody asks it to stop: it comes back when somebody asks for that, too."""
    state = evolve(state, starts_again=False, respawns=False, awaits_requirement=False, respawned=0)
    return forget_respawns(state)


def hurry(state: State, event: Event, policy: Policy, now: float) -> Step:
    """All services are told, but a dependent may be started after that."""
    ending = evolve(_unwanted(state), status=Status.STOPPING, running_since=None)
    return ending, (LoseDependents(returns=False), CancelStart(), ClearTimer(), _STOPPED_MEANWHILE, Kill())


def exited_running(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Exited)
    state = evolve(state, ending=event.ending, pid=None)
    if policy.is_timer or (policy.on_demand and event.ending.code == 0):
        return state, ()
    return _ended_unasked(state, policy, now, f"its program {event.ending.words}")


def cleared_running(state: State, event: Event, policy: Policy, now: float) -> Step:
    if not policy.on_demand:
        raise Impossible("cleared while running: only a stop clears")
    return state, ()


def unhealthy(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Unhealthy)
    return _ended_unasked(state, policy, now, event.reason)


def _ended_unasked(state: State, policy: Policy, now: float, cause: str) -> Step:
    respawns = may_respawn(state, policy)
    if policy.respawn and state.running_since is not None and now - state.running_since >= policy.respawn.reset_after:
        state = evolve(state, attempts=0)
    return leave(evolve(state, respawns=respawns, cause=cause), policy, LoseDependents(returns=respawns))


def lost(state: State, event: Event, policy: Policy, now: float) -> Step:
    """Without its requirement a service cannot run; it starts again, after it, if that returns."""
    assert isinstance(event, RequirementLost)
    cause = f"{event.requirement}, which it requires, ended"
    again = event.returns and state.enabled
    # Whoever asked for a start that is under way is told; nobody is of a service that runs.
    is_told = state.status is Status.STARTING and state.asked
    state = evolve(
        state,
        cause=cause,
        starts_again=again,
        asked=state.asked and not again,
        awaits_requirement=not (again or is_told),
    )
    # Whoever waits for a start goes on waiting for the one to come.
    waiting: tuple[Effect, ...] = () if again else (AnswerStart(Failure(Stage.REQUIREMENT, cause)),)
    return leave(state, policy, CancelStart(), *waiting, LoseDependents(returns=again))


def exited_stopping(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Exited)
    return evolve(state, ending=event.ending, pid=None), ()


def timer_stopping(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, TimerFired)
    return state, ((Kill(),) if event.timer is Timer.GRACE else ())


def cleared(state: State, event: Event, policy: Policy, now: float) -> Step:
    stopped = evolve(state, status=Status.STOPPED, pid=None)
    if state.starts_again and state.enabled:
        begun, effects = begin(stopped, policy, asked=state.asked)
        return begun, (AnswerStop(), *effects)
    if state.respawns and may_respawn(state, policy):
        return _await_respawn(stopped, policy, now)
    stopped = evolve(stopped, starts_again=False, respawns=False)
    failure = state.failure or Failure(Stage.REQUIREMENT, "it was stopped meanwhile")
    if state.starts_again:
        failure = Failure(Stage.DISABLED, "it was disabled meanwhile")
    # Whoever asked while a one-shot's last processes ended has what it asked for.
    answer = AnswerStart(None if state.done else failure)
    return stopped, (ClearTimer(), AnswerStop(), answer)


def _await_respawn(state: State, policy: Policy, now: float) -> Step:
    assert policy.respawn is not None
    state = evolve(state, respawns=False)
    if is_too_fast(policy.respawn, state.respawn_history, now):
        reason = f"it ended more than {policy.respawn.times} times in {policy.respawn.window:g} seconds"
        failure = Failure(Stage.RESPAWN, f"{reason}; it is disabled")
        return evolve(state, enabled=False, failure=failure), (ClearTimer(), AnswerStop(), AnswerStart(failure))
    delay = next_delay(policy.respawn, state.attempts)
    # A start that failed is over for those who wait; who came later is answered with the one to come.
    told: tuple[Effect, ...] = (AnswerStart(state.failure),) if state.failure else ()
    return evolve(state, respawn_at=now + delay), (SetTimer(Timer.RESPAWN, delay), AnswerStop(), *told)
