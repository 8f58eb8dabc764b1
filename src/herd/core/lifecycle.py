"""The life of one service, as a table.

Rules:
- Everything that decides a service's status is in the handlers of this table (core/starts.py, core/stops.py); they
  know no clock, no process and no other service.
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

from attrs import frozen

from herd.core import starts, stops
from herd.core.events import (
    Adopt,
    Cleared,
    Disable,
    Enable,
    Event,
    Exited,
    Failed,
    Hurry,
    Ready,
    RequirementBack,
    RequirementLost,
    Spawned,
    Start,
    Status,
    Stop,
    TimerFired,
    Unhealthy,
)
from herd.core.state import Impossible, Policy, State, Step

Handler = Callable[[State, Event, Policy, float], Step]


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
    (_S, Start): starts.start_stopped,
    (_B, Start): _UNDER_WAY,
    (_R, Start): starts.already_running,
    (_E, Start): starts.start_again,
    (_S, Adopt): starts.adopt,
    (_B, Adopt): Refused("an adoption is the first that happens to a service"),
    (_R, Adopt): Refused("an adoption is the first that happens to a service"),
    (_E, Adopt): Refused("an adoption is the first that happens to a service"),
    (_S, Stop): stops.stop_stopped,
    (_B, Stop): stops.stop_starting,
    (_R, Stop): stops.stop_running,
    (_E, Stop): stops.stop_stopping,
    (_S, Hurry): stops.stop_stopped,
    (_B, Hurry): stops.hurry,
    (_R, Hurry): stops.hurry,
    (_E, Hurry): stops.hurry,
    (_S, Enable): starts.enable,
    (_B, Enable): starts.enable,
    (_R, Enable): starts.enable,
    (_E, Enable): starts.enable,
    (_S, Disable): starts.disable_stopped,
    (_B, Disable): starts.disable,
    (_R, Disable): starts.disable,
    (_E, Disable): starts.disable,
    (_S, Spawned): _NO_PROCESS,
    (_B, Spawned): starts.spawned,
    (_R, Spawned): starts.spawned_running,
    (_E, Spawned): starts.spawned,
    (_S, Ready): _LATE,
    (_B, Ready): starts.ready,
    (_R, Ready): Refused("a start is ready once"),
    (_E, Ready): _LATE,
    (_S, Failed): _LATE,
    (_B, Failed): starts.failed,
    (_R, Failed): Refused("a start that was ready cannot fail"),
    (_E, Failed): _LATE,
    (_S, Exited): _NO_PROCESS,
    (_B, Exited): starts.exited_starting,
    (_R, Exited): stops.exited_running,
    (_E, Exited): stops.exited_stopping,
    (_S, Cleared): _LATE,
    (_B, Cleared): Ignored("TERM and KILL both found nothing, and the first of their answers brought this start"),
    (_R, Cleared): stops.cleared_running,
    (_E, Cleared): stops.cleared,
    (_S, TimerFired): starts.timer_stopped,
    (_B, TimerFired): starts.start_timed_out,
    (_R, TimerFired): _LATE,
    (_E, TimerFired): stops.timer_stopping,
    (_S, Unhealthy): _LATE,
    (_B, Unhealthy): _LATE,
    (_R, Unhealthy): stops.unhealthy,
    (_E, Unhealthy): _LATE,
    (_S, RequirementLost): Ignored("it does not run"),
    (_B, RequirementLost): stops.lost,
    (_R, RequirementLost): stops.lost,
    (_E, RequirementLost): Ignored("it stops already"),
    (_S, RequirementBack): starts.resume_stopped,
    (_B, RequirementBack): Ignored("its start waits for what it requires"),
    (_R, RequirementBack): Ignored("it has what it requires"),
    (_E, RequirementBack): starts.resume_stopping,
}


def step(state: State, event: Event, policy: Policy, now: float) -> Step:
    """The state after `event` at `now`, and what to do. Raises Impossible and changes nothing."""
    entry = TABLE[state.status, type(event)]
    if isinstance(entry, Ignored):
        return state, ()
    if isinstance(entry, Refused):
        raise Impossible(f"{type(event).__name__} while {state.status.value}: {entry.reason}")
    return entry(state, event, policy, now)
