"""The life of one service, as a table.

Rules:
- Everything that decides a service's status is in this file; it knows no clock, no process and no other service.
- The table is total: for each (status, event) a handler acts, or the event is ignored with a reason, or it is
  declared impossible. A test walks the product.
- A handler answers with the new state and the effects; daemon/controller.py performs them, in their order. A timer
  is an effect and its firing an event.
- Every stop takes one way: TERMINATE, then EXITED from the process and CLEARED once no descendant is left; where
  there is no process the daemon sends CLEARED alone.
The four statuses are Shepherd's; failing, disabled and waiting to respawn are facts beside them.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen

from herd.core.events import (
    Adopt,
    AnswerStart,
    AnswerStop,
    BeginAdoption,
    BeginStart,
    CancelStart,
    Cleared,
    ClearTimer,
    Disable,
    Effect,
    Enable,
    Ending,
    Event,
    Exited,
    Failed,
    Failure,
    Hurry,
    Kill,
    LoseDependents,
    Ready,
    RequirementLost,
    SetTimer,
    Spawned,
    Stage,
    Start,
    Status,
    Stop,
    Terminate,
    Timer,
    TimerFired,
    Unhealthy,
)
from herd.core.respawn import Respawn, is_too_fast, next_delay


@frozen
class Policy:
    """What of a service's definition decides its life. Seconds."""

    respawn: Respawn | None = None
    start_timeout: float = 90.0
    grace_period: float = 5.0
    # The start is done once the program ended with 0.
    one_shot: bool = False
    # Its process comes and goes while it runs: at the times of a timer, or when a connection comes.
    on_demand: bool = False
    # A timer's: a run that fails is said, and the next is due all the same.
    is_timer: bool = False


@frozen
class State:
    """All that is known of one service's life; changed by step() alone. Times are monotonic seconds."""

    status: Status = Status.STOPPED
    enabled: bool = True
    pid: int | None = None
    # When the service became running; None while it is not.
    running_since: float | None = None
    # Once stopped: start again (asked for, or the requirement returns); respawn (it ended unasked).
    starts_again: bool = False
    respawns: bool = False
    # The start under way, or the one that starts_again stands for, was asked for.
    asked: bool = False
    # The start under way takes a process over: dependents that were taken over, too, may run already.
    adopts: bool = False
    # When the waiting respawn is due; None when none waits.
    respawn_at: float | None = None
    # Respawns in a row, and the moments of those since the last stop that was asked for.
    attempts: int = 0
    respawn_history: tuple[float, ...] = ()
    failure: Failure | None = None
    ending: Ending | None = None
    # A one-shot whose last run ended well.
    done: bool = False
    # Why it stopped, when nobody asked for that: the end of a sentence.
    cause: str | None = None


Step = tuple[State, tuple[Effect, ...]]
Handler = Callable[[State, "Event", Policy, float], Step]


class Impossible(Exception):
    """An event that cannot come in that status: a fault of the daemon, never of a user."""


def step(state: State, event: Event, policy: Policy, now: float) -> Step:
    """The state after `event` at `now`, and what to do. Raises Impossible and changes nothing."""
    entry = TABLE[state.status, type(event)]
    if isinstance(entry, Ignored):
        return state, ()
    if isinstance(entry, Refused):
        raise Impossible(f"{type(event).__name__} while {state.status.value}: {entry.reason}")
    return entry(state, event, policy, now)


# Handlers, by what they do.


def _begin(state: State, policy: Policy, *, asked: bool) -> Step:
    fresh = evolve(
        state,
        status=Status.STARTING, asked=asked, adopts=False, starts_again=False, respawns=False, respawn_at=None,
        pid=None, running_since=None, failure=None, cause=None, done=False,
    )  # fmt: skip
    return fresh, (BeginStart(), SetTimer(Timer.START, policy.start_timeout))


def _leave(state: State, policy: Policy, *effects: Effect) -> Step:
    """Towards STOPPED: end what runs, with the grace period."""
    going = evolve(state, status=Status.STOPPING, running_since=None)
    return going, (*effects, Terminate(), SetTimer(Timer.GRACE, policy.grace_period))


def _may_respawn(state: State, policy: Policy) -> bool:
    return state.enabled and policy.respawn is not None


def _start_stopped(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Start)
    if not state.enabled:
        return state, (AnswerStart(Failure(Stage.RESPAWN, "it is disabled; enable it first")),)
    if event.asked:
        state = evolve(state, attempts=0, respawn_history=())
    elif state.respawn_at is not None:
        # Whoever brought this is answered with the respawn, which keeps its delay and is counted.
        return state, ()
    return _begin(state, policy, asked=event.asked)


def _adopt(state: State, event: Event, policy: Policy, now: float) -> Step:
    begun, _ = _begin(state, policy, asked=False)
    return evolve(begun, adopts=True), (BeginAdoption(), SetTimer(Timer.START, policy.start_timeout))


def _start_again(state: State, event: Event, policy: Policy, now: float) -> Step:
    """Once stopped. A start that nobody asked for does not go round the delay and the limit of a respawn."""
    assert isinstance(event, Start)
    if not state.enabled:
        return state, (AnswerStart(Failure(Stage.RESPAWN, "it is disabled; enable it first")),)
    if state.respawns and not event.asked:
        return state, ()
    return evolve(state, starts_again=True, asked=event.asked), ()


def _already_running(state: State, event: Event, policy: Policy, now: float) -> Step:
    return state, (AnswerStart(None),)


_STOPPED_MEANWHILE = AnswerStart(Failure(Stage.REQUIREMENT, "it was asked to stop meanwhile"))


def _stop_stopped(state: State, event: Event, policy: Policy, now: float) -> Step:
    """A clean stop forgets what failed, and whoever waited for a respawn is told."""
    clean = evolve(state, respawn_at=None, respawn_history=(), attempts=0, failure=None)
    return clean, (ClearTimer(), _STOPPED_MEANWHILE, AnswerStop())


def _stop_starting(state: State, event: Event, policy: Policy, now: float) -> Step:
    return _leave(evolve(state, respawn_history=(), attempts=0), policy, CancelStart(), _STOPPED_MEANWHILE)


def _stop_running(state: State, event: Event, policy: Policy, now: float) -> Step:
    """Dependents were stopped before; one that somebody started again meanwhile goes, too."""
    return _leave(evolve(state, respawn_history=(), attempts=0), policy, LoseDependents(returns=False))


def _stop_stopping(state: State, event: Event, policy: Policy, now: float) -> Step:
    """A stop takes back the wish to start again; what failed before stays said."""
    effects = (_STOPPED_MEANWHILE,) if state.starts_again else ()
    return evolve(state, starts_again=False, respawns=False, respawn_history=(), attempts=0), effects


def _hurry(state: State, event: Event, policy: Policy, now: float) -> Step:
    """All services are told, but a dependent may be started after that."""
    ending = evolve(state, status=Status.STOPPING, running_since=None, starts_again=False, respawns=False)
    return ending, (LoseDependents(returns=False), CancelStart(), ClearTimer(), _STOPPED_MEANWHILE, Kill())


def _enable(state: State, event: Event, policy: Policy, now: float) -> Step:
    """Enabling forgets the respawns, and that they were too many."""
    too_often = state.failure is not None and state.failure.stage is Stage.RESPAWN
    failure = None if too_often else state.failure
    return evolve(state, enabled=True, respawn_history=(), attempts=0, failure=failure), ()


def _disable(state: State, event: Event, policy: Policy, now: float) -> Step:
    return evolve(state, enabled=False), ()


def _disable_stopped(state: State, event: Event, policy: Policy, now: float) -> Step:
    told = AnswerStart(Failure(Stage.RESPAWN, "it was disabled meanwhile"))
    return evolve(state, enabled=False, respawn_at=None), (ClearTimer(), told)


def _spawned(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Spawned)
    return evolve(state, pid=event.pid), ()


def _spawned_running(state: State, event: Event, policy: Policy, now: float) -> Step:
    if not policy.on_demand:
        raise Impossible("spawned while running: only what runs on demand is")
    return _spawned(state, event, policy, now)


def _cleared_running(state: State, event: Event, policy: Policy, now: float) -> Step:
    if not policy.on_demand:
        raise Impossible("cleared while running: only a stop clears")
    return state, ()


def _ready(state: State, event: Event, policy: Policy, now: float) -> Step:
    if state.pid is None and not policy.on_demand:
        # The last word of a start before this one, whose program ended meanwhile.
        return state, ()
    return evolve(state, status=Status.RUNNING, running_since=now), (ClearTimer(), AnswerStart(None))


def _fail(state: State, policy: Policy, failure: Failure) -> Step:
    """A start that failed: whoever asked is told once all is gone; nobody asked: it is tried again."""
    own_fault = failure.stage not in (Stage.REQUIREMENT, Stage.EXECUTION)
    respawns = own_fault and not state.asked and _may_respawn(state, policy)
    lost = (LoseDependents(returns=respawns),) if state.adopts else ()
    return _leave(evolve(state, failure=failure, respawns=respawns), policy, CancelStart(), *lost)


def _failed(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Failed)
    return _fail(state, policy, event.failure)


def _start_timed_out(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, TimerFired)
    if event.timer is not Timer.START:
        return state, ()
    reason = f"it was not ready after {policy.start_timeout:g} seconds"
    if event.detail:
        reason += f": {event.detail}"
    return _fail(state, policy, Failure(Stage.READINESS, reason))


def _exited_starting(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Exited)
    state = evolve(state, ending=event.ending, pid=None)
    if policy.one_shot and event.ending.code == 0:
        return _leave(evolve(state, done=True), policy, CancelStart(), AnswerStart(None))
    if policy.one_shot:
        return _fail(state, policy, Failure(Stage.READINESS, f"its program {event.ending.words}"))
    return _fail(state, policy, Failure(Stage.READINESS, f"its program {event.ending.words} before it was ready"))


def _ended_unasked(state: State, policy: Policy, now: float, cause: str) -> Step:
    respawns = _may_respawn(state, policy)
    if policy.respawn and state.running_since is not None and now - state.running_since >= policy.respawn.reset_after:
        state = evolve(state, attempts=0)
    return _leave(evolve(state, respawns=respawns, cause=cause), policy, LoseDependents(returns=respawns))


def _exited_running(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Exited)
    state = evolve(state, ending=event.ending, pid=None)
    if policy.is_timer or (policy.on_demand and event.ending.code == 0):
        return state, ()
    return _ended_unasked(state, policy, now, f"its program {event.ending.words}")


def _unhealthy(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Unhealthy)
    return _ended_unasked(state, policy, now, event.reason)


def _exited_stopping(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, Exited)
    return evolve(state, ending=event.ending, pid=None), ()


def _lost(state: State, event: Event, policy: Policy, now: float) -> Step:
    """Without its requirement a service cannot run; it starts again, after it, if that returns."""
    assert isinstance(event, RequirementLost)
    cause = f"{event.requirement}, which it requires, ended"
    again = event.returns and state.enabled
    state = evolve(state, cause=cause, starts_again=again, asked=state.asked and not again)
    # Whoever waits for a start goes on waiting for the one to come.
    waiting: tuple[Effect, ...] = () if again else (AnswerStart(Failure(Stage.REQUIREMENT, cause)),)
    return _leave(state, policy, CancelStart(), *waiting, LoseDependents(returns=again))


def _timer_stopped(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, TimerFired)
    if event.timer is not Timer.RESPAWN or state.respawn_at is None:
        return state, ()
    assert policy.respawn is not None
    # No more than the limit looks at.
    history = (*state.respawn_history, now)[-policy.respawn.times :] if policy.respawn.times else ()
    counted = evolve(state, attempts=state.attempts + 1, respawn_history=history)
    return _begin(counted, policy, asked=False)


def _timer_stopping(state: State, event: Event, policy: Policy, now: float) -> Step:
    assert isinstance(event, TimerFired)
    return state, ((Kill(),) if event.timer is Timer.GRACE else ())


def _cleared(state: State, event: Event, policy: Policy, now: float) -> Step:
    stopped = evolve(state, status=Status.STOPPED, pid=None)
    if state.starts_again and state.enabled:
        begun, effects = _begin(stopped, policy, asked=state.asked)
        return begun, (AnswerStop(), *effects)
    if state.respawns and _may_respawn(state, policy):
        return _await_respawn(stopped, policy, now)
    stopped = evolve(stopped, starts_again=False, respawns=False)
    failure = state.failure or Failure(Stage.REQUIREMENT, "it was stopped meanwhile")
    # Whoever asked while a one-shot's last processes ended has what it asked for.
    answer = AnswerStart(None if state.done else failure)
    return stopped, (ClearTimer(), AnswerStop(), answer)


def _await_respawn(state: State, policy: Policy, now: float) -> Step:
    assert policy.respawn is not None
    state = evolve(state, respawns=False)
    failure = state.failure or Failure(Stage.RESPAWN, state.cause or "it ended")
    answers = (AnswerStop(), AnswerStart(failure))
    if is_too_fast(policy.respawn, state.respawn_history, now):
        reason = f"it ended more than {policy.respawn.times} times in {policy.respawn.window:g} seconds"
        failure = Failure(Stage.RESPAWN, f"{reason}; it is disabled")
        return evolve(state, enabled=False, failure=failure), (ClearTimer(), *answers)
    delay = next_delay(policy.respawn, state.attempts)
    return evolve(state, respawn_at=now + delay), (SetTimer(Timer.RESPAWN, delay), *answers)


@frozen
class Ignored:
    """Nothing happens, on purpose."""

    reason: str


@frozen
class Refused:
    """The daemon never sends that event then."""

    reason: str


_LATE = Ignored("it was on its way when the status changed")
_NO_PROCESS = Refused("there is no process")
_UNDER_WAY = Ignored("it is under way; whoever asked is answered with the others")

_S, _B, _R, _E = Status.STOPPED, Status.STARTING, Status.RUNNING, Status.STOPPING
TABLE: dict[tuple[Status, type[Event]], Handler | Ignored | Refused] = {
    (_S, Start): _start_stopped,
    (_B, Start): _UNDER_WAY,
    (_R, Start): _already_running,
    (_E, Start): _start_again,
    (_S, Adopt): _adopt,
    (_B, Adopt): Refused("an adoption is the first that happens to a service"),
    (_R, Adopt): Refused("an adoption is the first that happens to a service"),
    (_E, Adopt): Refused("an adoption is the first that happens to a service"),
    (_S, Stop): _stop_stopped,
    (_B, Stop): _stop_starting,
    (_R, Stop): _stop_running,
    (_E, Stop): _stop_stopping,
    (_S, Hurry): _stop_stopped,
    (_B, Hurry): _hurry,
    (_R, Hurry): _hurry,
    (_E, Hurry): _hurry,
    (_S, Enable): _enable,
    (_B, Enable): _enable,
    (_R, Enable): _enable,
    (_E, Enable): _enable,
    (_S, Disable): _disable_stopped,
    (_B, Disable): _disable,
    (_R, Disable): _disable,
    (_E, Disable): _disable,
    (_S, Spawned): _NO_PROCESS,
    (_B, Spawned): _spawned,
    (_R, Spawned): _spawned_running,
    (_E, Spawned): _spawned,
    (_S, Ready): _LATE,
    (_B, Ready): _ready,
    (_R, Ready): Refused("a start is ready once"),
    (_E, Ready): _LATE,
    (_S, Failed): _LATE,
    (_B, Failed): _failed,
    (_R, Failed): Refused("a start that was ready cannot fail"),
    (_E, Failed): _LATE,
    (_S, Exited): _NO_PROCESS,
    (_B, Exited): _exited_starting,
    (_R, Exited): _exited_running,
    (_E, Exited): _exited_stopping,
    (_S, Cleared): _LATE,
    (_B, Cleared): Ignored("TERM and KILL both found nothing, and the first of their answers brought this start"),
    (_R, Cleared): _cleared_running,
    (_E, Cleared): _cleared,
    (_S, TimerFired): _timer_stopped,
    (_B, TimerFired): _start_timed_out,
    (_R, TimerFired): _LATE,
    (_E, TimerFired): _timer_stopping,
    (_S, Unhealthy): _LATE,
    (_B, Unhealthy): _LATE,
    (_R, Unhealthy): _unhealthy,
    (_E, Unhealthy): _LATE,
    (_S, RequirementLost): Ignored("it does not run"),
    (_B, RequirementLost): _lost,
    (_R, RequirementLost): _lost,
    (_E, RequirementLost): Ignored("it stops already"),
}
