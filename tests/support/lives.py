"""Short lives of one service, played through core/lifecycle.py's table. Events come a second apart."""

from __future__ import annotations

from herd.core import events
from herd.core.events import Ending, Failure, Stage, Timer
from herd.core.lifecycle import step
from herd.core.respawn import Respawn
from herd.core.state import Policy, State

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
    events.RequirementBack: events.RequirementBack(),
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
    """What those who wait for a start, or who asked for this one, are told."""
    return [effect.failure for effect in effects if isinstance(effect, events.AnswerStart | events.RefuseStart)]


STARTING = (events.Start(), events.Spawned(7))
RUNNING = (*STARTING, events.Ready())
EXITED = events.Exited(Ending(3, None, 0.0))
GONE = (EXITED, events.Cleared())
LATER = events.TimerFired(Timer.RESPAWN)


def crash(state: State, policy: Policy = POLICY) -> tuple[State, list[events.Effect]]:
    """After a start that has begun: it runs, and ends."""
    return play(events.Spawned(7), events.Ready(), *GONE, state=state, policy=policy)


def crashes(count: int, state: State, policy: Policy) -> tuple[State, list[float]]:
    """The state after so many ends, each respawned, and the delays."""
    delays = []
    for _ in range(count):
        state, effects = crash(state, policy)
        delays += [effect.delay for effect in effects if isinstance(effect, events.SetTimer)]
        state, _ = play(LATER, state=state, policy=policy)
    return state, delays


def exited(code: int | None, signal: int | None = None) -> events.Exited:
    """The end of its main process."""
    return events.Exited(Ending(code, signal, 0.0))
