"""What is known of one service's life, and the two ways it goes: into a start, and towards its end.

Only the handlers of core/lifecycle.py's table make another state of it.
"""

from __future__ import annotations

from attrs import evolve, frozen

from herd.core.events import (
    BeginStart,
    Effect,
    Ending,
    Failure,
    SetTimer,
    Status,
    Terminate,
    Timer,
)
from herd.core.respawn import Respawn


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
    # It is down for want of a requirement, and nobody asked it to be: once that is back, it starts again.
    awaits_requirement: bool = False
    # When the waiting respawn is due; None when none waits.
    respawn_at: float | None = None
    # Respawns in a row, for the delay; the moments of the last ones, as many as the limit looks at.
    attempts: int = 0
    respawn_history: tuple[float, ...] = ()
    # Respawns since the last stop that was asked for.
    respawned: int = 0
    failure: Failure | None = None
    ending: Ending | None = None
    # A one-shot whose last run ended well.
    done: bool = False
    # Why it stopped, when nobody asked for that: the end of a sentence.
    cause: str | None = None

    @property
    def serves(self) -> bool:
        """Those who require it may run: it runs, or is a one-shot that did what it is for."""
        return self.status is Status.RUNNING or self.done

    @property
    def is_wanted(self) -> bool:
        """It runs, or is to come to that by itself: nobody asked it to stop."""
        returns = self.starts_again or self.respawns or self.awaits_requirement or self.respawn_at is not None
        return self.status in (Status.STARTING, Status.RUNNING) or (self.enabled and returns)


Step = tuple[State, tuple[Effect, ...]]


class Impossible(Exception):
    """An event that cannot come in that status: a fault of the daemon, never of a user."""


def begin(state: State, policy: Policy, *, asked: bool) -> Step:
    fresh = evolve(
        state,
        status=Status.STARTING, asked=asked, adopts=False, starts_again=False, respawns=False, awaits_requirement=False,
        respawn_at=None, pid=None, running_since=None, failure=None, cause=None, done=False,
    )  # fmt: skip
    return fresh, (BeginStart(), SetTimer(Timer.START, policy.start_timeout))


def leave(state: State, policy: Policy, *effects: Effect) -> Step:
    """Towards STOPPED: end what runs, with the grace period."""
    going = evolve(state, status=Status.STOPPING, running_since=None)
    return going, (*effects, Terminate(), SetTimer(Timer.GRACE, policy.grace_period))


def forget_respawns(state: State) -> State:
    """The next delay is the first again, and the limit far."""
    return evolve(state, attempts=0, respawn_history=())


def may_respawn(state: State, policy: Policy) -> bool:
    return state.enabled and policy.respawn is not None
