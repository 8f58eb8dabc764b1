"""The handlers of whatever brings a service up or keeps it from that: starts, their stages, respawns, enabling.

Each answers an event of core/lifecycle.py's table with the state after it and the effects.
"""

from __future__ import annotations

from attrs import evolve

from herd.core.events import (
    AnswerStart,
    BeginAdoption,
    CancelStart,
    ClearTimer,
    Event,
    Exited,
    Failed,
    Failure,
    LoseDependents,
    RefuseStart,
    SetTimer,
    Spawned,
    Stage,
    Start,
    Status,
    Timer,
    TimerFired,
)
from herd.core.state import Impossible, Policy, State, Step, begin, forget_respawns, leave, may_respawn


def start_stopped(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Start)
    if not state.enabled:
        return _refuse(state)
    if event.asked:
        state = forget_respawns(state)
    elif state.respawn_at is not None:
        # Whoever brought this is answered with the respawn, which keeps its delay and is counted.
        return state, ()
    return begin(state, policy, asked=event.asked)


def adopt(state: State, event: Event, policy: Policy, now: float) -> Step:
    begun, _ = begin(state, policy, asked=False)
    return evolve(begun, adopts=True), (BeginAdoption(), SetTimer(Timer.START, policy.start_timeout))


def start_again(state: State, event: Event, policy: Policy, now: float) -> Step:
    """Once stopped. A start that nobody asked for does not go round the delay and the limit of a respawn."""
    assert isinstance(event, Start)
    if not state.enabled:
        return _refuse(state)
    if event.asked:
        return evolve(forget_respawns(state), starts_again=True, asked=True), ()
    if state.respawns:
        return state, ()
    return evolve(state, starts_again=True, asked=state.starts_again and state.asked), ()


def _refuse(state: State) -> Step:
    is_loop = state.failure is not None and state.failure.stage is Stage.RESPAWN
    reason = state.failure if is_loop and state.failure else Failure(Stage.DISABLED, "it is disabled")
    return state, (RefuseStart(reason),)


def resume_stopped(state: State, event: Event, policy: Policy, now: float) -> Step:
    """What it lacked is back. Decided here and not where that is seen: a stop may have come before."""
    if state.awaits_requirement and state.enabled:
        return begin(state, policy, asked=False)
    return evolve(state, awaits_requirement=False), ()


def resume_stopping(state: State, event: Event, policy: Policy, now: float) -> Step:
    if state.awaits_requirement and state.enabled:
        return evolve(state, awaits_requirement=False, starts_again=True, asked=False), ()
    return evolve(state, awaits_requirement=False), ()


def already_running(state: State, event: Event, policy: Policy, now: float) -> Step:
    return state, (AnswerStart(None),)


def enable(state: State, event: Event, policy: Policy, now: float) -> Step:
    """Enabling forgets the respawns, and that they were too many."""
    too_often = state.failure is not None and state.failure.stage is Stage.RESPAWN
    failure = None if too_often else state.failure
    return evolve(forget_respawns(state), enabled=True, failure=failure), ()


def disable(state: State, event: Event, policy: Policy, now: float) -> Step:
    return evolve(state, enabled=False), ()


def disable_stopped(state: State, event: Event, policy: Policy, now: float) -> Step:
    told = AnswerStart(Failure(Stage.DISABLED, "it was disabled meanwhile"))
    return evolve(state, enabled=False, respawn_at=None), (ClearTimer(), told)


def timer_stopped(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, TimerFired)
    if event.timer is not Timer.RESPAWN or state.respawn_at is None:
        return state, ()
    assert policy.respawn is not None
    # No more than the limit looks at.
    history = (*state.respawn_history, now)[-policy.respawn.times :] if policy.respawn.times else ()
    counted = evolve(state, attempts=state.attempts + 1, respawn_history=history, respawned=state.respawned + 1)
    return begin(counted, policy, asked=False)


def spawned(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Spawned)
    return evolve(state, pid=event.pid), ()


def spawned_running(state: State, event: Event, policy: Policy, now: float) -> Step:
    if not policy.on_demand:
        raise Impossible("spawned while running: only what runs on demand is")
    return spawned(state, event, policy, now)


def ready(state: State, event: Event, policy: Policy, now: float) -> Step:
    if state.pid is None and not policy.on_demand:
        # The last word of a start before this one, whose program ended meanwhile.
        return state, ()
    return evolve(state, status=Status.RUNNING, running_since=now), (ClearTimer(), AnswerStart(None))


def failed(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Failed)
    return _fail(state, policy, event.failure)


def start_timed_out(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, TimerFired)
    if event.timer is not Timer.START:
        return state, ()
    reason = f"it was not ready after {policy.start_timeout:g} seconds"
    if event.detail:
        reason += f": {event.detail}"
    return _fail(state, policy, Failure(Stage.READINESS, reason))


def exited_starting(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Exited)
    state = evolve(state, ending=event.ending, pid=None)
    if policy.one_shot and event.ending.code == 0:
        return leave(evolve(state, done=True), policy, CancelStart(), AnswerStart(None))
    if policy.one_shot:
        return _fail(state, policy, Failure(Stage.READINESS, f"its program {event.ending.words}"))
    return _fail(state, policy, Failure(Stage.READINESS, f"its program {event.ending.words} before it was ready"))


def _fail(state: State, policy: Policy, failure: Failure) -> Step:
    """A start that failed: whoever asked is told once all is gone; nobody asked: it is tried again, or waits."""
    awaits = failure.stage is Stage.REQUIREMENT and not state.asked
    own_fault = failure.stage not in (Stage.REQUIREMENT, Stage.EXECUTION)
    respawns = own_fault and not state.asked and may_respawn(state, policy)
    lost = (LoseDependents(returns=respawns),) if state.adopts else ()
    state = evolve(state, failure=failure, respawns=respawns, awaits_requirement=awaits)
    return leave(state, policy, CancelStart(), *lost)
