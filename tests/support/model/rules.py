"""What must never happen in the model at a move, and what must hold between any two. All raise AssertionError."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from herd.core import events
from herd.core.events import Event, Status, Timer
from herd.core.state import State
from model.keeper import Keeper, Place, Posted

# At a move.


def check_requirements(keeper: Keeper) -> None:
    """No start goes on before its requirements serve, unless word that they are lost is on its way."""
    for need in keeper.needs:
        # A one-shot that was done may be on its way to be done again.
        serves = need.serves or need.policy.one_shot
        assert serves or keeper.is_posted(events.RequirementLost), f"{keeper.name} starts without {need.name}"


def check_step(keeper: Keeper, posted: Posted, before: State, now: float) -> None:
    """What the table made of an event fits what was before."""
    event, state = posted.event, keeper.state
    if posted.armed is not None and posted.armed is not keeper.armed:
        # A late KILL of nothing, or of what was KILLed already, is the same as none.
        is_idle = keeper.process is None or keeper.process.killed
        assert state == before, "a timer that is over acts"
        assert not keeper.effects or is_idle, "a timer that is over acts"
    if isinstance(event, events.Stop | events.Hurry):
        assert not state.is_wanted, "it was asked to stop, and would start again"
    if isinstance(event, events.Stop | events.Enable | events.Hurry) or event == events.Start():
        keeper.respawned.clear()
    if isinstance(event, events.Start | events.Stop | events.Hurry):
        keeper.unwanted = not isinstance(event, events.Start)
    if state.status is Status.STARTING and before.status is not Status.STARTING:
        assert not keeper.unwanted, "it was asked to stop, and starts without being asked"
    if state.status is Status.STARTING and (before.respawns or before.respawn_at is not None):
        _check_respawn(keeper, event, before, now)
    _check_count(keeper, event)


def _check_count(keeper: Keeper, event: Event) -> None:
    """The respawns since the last stop that was asked for are counted."""
    if isinstance(event, events.Stop | events.Hurry):
        keeper.respawns = 0
    assert keeper.state.respawned == keeper.respawns


def _check_respawn(keeper: Keeper, event: Event, before: State, now: float) -> None:
    """What ended unasked keeps its delay, unless somebody asks for a start, and its limit."""
    is_due = before.respawn_at is not None and now >= before.respawn_at
    assert keeper.state.asked or is_due, "a respawn before its time"
    if isinstance(event, events.TimerFired):
        keeper.respawned.append(now)
        keeper.respawns += 1
        _check_limit(keeper, now)


def _check_limit(keeper: Keeper, now: float) -> None:
    policy = keeper.policy.respawn
    assert policy is not None, "a respawn without a policy"
    recent = [moment for moment in keeper.respawned if now - moment < policy.window]
    assert policy.times == 0 or len(recent) <= policy.times, "a respawn beyond the limit"


def check_delay(keeper: Keeper, timer: Timer, delay: float, now: float) -> None:
    """A respawn keeps to its delays."""
    if timer is Timer.RESPAWN:
        policy = keeper.policy.respawn
        assert policy is not None
        assert min(policy.delay, policy.ceiling) <= delay <= policy.ceiling
        assert keeper.state.respawn_at == now + delay


# Between any two moves.


def check(keepers: Iterable[Keeper]) -> None:
    """Nobody has two processes, and what is known of each agrees with what it is."""
    for keeper in keepers:
        assert sum(not process.cleared for process in keeper.processes) <= 1, "two processes of one service"
        if not keeper.effects:
            _check_state(keeper)
            _check_timer(keeper)


def check_quiet(keepers: Sequence[Keeper]) -> None:
    """Nothing is on its way: nobody waits in vain, and nobody runs without what it requires."""
    for keeper in keepers:
        status = keeper.state.status
        assert not keeper.stoppers or status is Status.STOPPING
        may_wait = status in (Status.STARTING, Status.STOPPING) or keeper.state.respawn_at is not None
        assert not keeper.starters or may_wait
        goes_on = keeper.place in (Place.PREPARED, Place.SETTLING, Place.LASTING)
        if status is Status.RUNNING and keeper.process is not None:
            assert not keeper.process.exited or keeper.policy.on_demand, "it runs, and its program has ended"
            assert not keeper.process.unwell, "it runs unwell"
        if status is Status.RUNNING or goes_on:
            assert all(_is_there(need) for need in keeper.needs), "it runs without what it requires"
        if keeper.state.awaits_requirement and status is Status.STOPPED and keeper.state.enabled:
            assert not all(need.serves for need in keeper.all_needs), "it waits for nothing"


def _is_there(need: Keeper) -> bool:
    """What was taken over may take its time, and a one-shot may be on its way to be done again."""
    is_taken_over = need.adopted and need.state.status is Status.STARTING
    return need.serves or is_taken_over or need.policy.one_shot


def _check_state(keeper: Keeper) -> None:
    """What is known agrees with what the service is."""
    state, process = keeper.state, keeper.process
    known = process is not None and not keeper.is_posted(events.Spawned)
    ended = process is not None and process.exited and not keeper.is_posted(events.Exited)
    assert state.pid == (process.pid if process is not None and known and not ended else None)
    assert (state.running_since is not None) == (state.status is Status.RUNNING)
    if state.status is Status.STOPPED:
        assert (process, keeper.place) == (None, None)
    if state.status is not Status.STOPPING:
        assert (state.starts_again, state.respawns) == (False, False)
    if state.status in (Status.STARTING, Status.RUNNING):
        assert (state.failure, state.cause, state.done) == (None, None, False)
    if state.done:
        assert keeper.policy.one_shot
        assert state.ending is not None
        assert state.ending.code == 0
    if state.status is Status.RUNNING and not keeper.policy.on_demand:
        assert process is not None


def _check_timer(keeper: Keeper) -> None:
    """The timer is the one of the status, and none is on without a purpose."""
    state, armed = keeper.state, keeper.armed
    purpose = {
        Status.STARTING: Timer.START,
        Status.STOPPING: Timer.GRACE,
        Status.STOPPED: None if state.respawn_at is None else Timer.RESPAWN,
        Status.RUNNING: None,
    }[state.status]
    if purpose is None or armed is not None:
        assert (armed.timer if armed is not None else None) == purpose
    if state.status is Status.STARTING:
        assert armed is not None
    if state.respawn_at is not None:
        assert (state.status, state.enabled) == (Status.STOPPED, True)
        assert armed is not None
        assert armed.due == state.respawn_at
