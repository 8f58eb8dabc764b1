"""A herdd without processes, files and time: many services' lives by core/lifecycle.py, for histories in any order.

Effects are performed as daemon/controller.py, runner.py and supervisor.py do: one controller a service with a queue of
events, one task for the stages of its start, one for each service of a stop. Nothing moves by itself: `turns()` are the
moves that some task of the daemon may make next, and whoever plays the world makes the others (`exit`, `execute` …).
What must never happen is in rules.py; what must hold between any two moves is checked by `check()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count

from attrs import define, frozen

from herd.core import events
from herd.core.events import Effect, Event, Failure, Stage, Status
from herd.core.graph import Graph
from herd.core.lifecycle import step
from herd.core.service import Program, Service
from herd.core.state import Policy, State
from model import rules
from model.keeper import Armed, FakeProcess, Keeper, Place, Request


@define(eq=False)
class StopTask:
    """One service's part in a stop of several: first those that require it."""

    keeper: Keeper
    after: list[StopTask]
    request: Request | None = None

    @property
    def can_begin(self) -> bool:
        """All that require it have been stopped."""
        return self.request is None and all(task.request is not None and task.request.answered for task in self.after)


@frozen
class Kind:
    """What a service is like, and what it was when this herdd began. `needs` are positions before its own."""

    policy: Policy
    needs: Sequence[int] = ()
    enabled: bool = True
    adopted: bool = False


class Daemon:
    """All services. Times are seconds."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.now = 0.0
        self.requests: list[Request] = []
        self.stops: list[StopTask] = []
        self.seen: set[tuple[Status, type[Event]]] = set()
        self._pids: Iterator[int] = count(1)
        self.keepers: list[Keeper] = []
        for position, kind in enumerate(kinds):
            needs = tuple(self.keepers[need] for need in kind.needs)
            state = State(enabled=kind.enabled)
            self.keepers.append(Keeper(f"s{position}", needs, kind.policy, state))
        by_name = {keeper.name: keeper for keeper in self.keepers}
        program = Program(("/bin/true",))
        graph = Graph.of(
            Service((each.name,), program, requirement=tuple(need.name for need in each.needs)) for each in self.keepers
        )
        self._order = [by_name[name] for name in graph.stop_order()]
        self._dependents = {
            keeper: [by_name[name] for name in graph.dependents(keeper.name)] for keeper in self.keepers
        }
        self._taken_over = {keeper for keeper, kind in zip(self.keepers, kinds, strict=True) if kind.adopted}
        for keeper in self._taken_over:
            keeper.adopted = True
            keeper.post(events.Adopt())

    # What people ask.

    def start(self, keeper: Keeper) -> None:
        """Somebody asks for a start and waits."""
        self.requests.append(keeper.ask(events.Start()))

    def stop(self, keepers: Iterable[Keeper]) -> None:
        """Somebody asks for a stop, and waits for each of these and of those that require them."""
        wanted = {each for keeper in keepers for each in (keeper, *self._dependents[keeper])}
        tasks = {keeper: StopTask(keeper, []) for keeper in self._order if keeper in wanted}
        for keeper, task in tasks.items():
            task.after += [tasks[dependent] for dependent in self._dependents[keeper]]
        self.stops += tasks.values()

    @property
    def is_ending(self) -> bool:
        """All are being stopped."""
        return bool(self.stops) and {task.keeper for task in self.stops[-len(self.keepers) :]} == set(self.keepers)

    def hurry(self) -> None:
        """Every process is to end at once."""
        for keeper in self.keepers:
            keeper.post(events.Hurry())

    def process(self, *, obedient: bool, leaves: bool) -> FakeProcess:
        """Another process."""
        return FakeProcess(next(self._pids), obedient, leaves)

    def next_process(self) -> FakeProcess:
        """Another process; they are of all sorts in turn."""
        pid = next(self._pids)
        return FakeProcess(pid, obedient=pid % 3 != 0, leaves=pid % 4 == 0)

    def wait(self, seconds: float) -> None:
        """Time passes, and timers fire at theirs."""
        until = self.now + seconds
        while (due := self.next_timer()) is not None and due <= until:
            self.now = max(self.now, due)
            for keeper in self.keepers:
                if keeper.timer_is_on and keeper.armed is not None and keeper.armed.due <= self.now:
                    keeper.fired = True
                    keeper.post(events.TimerFired(keeper.armed.timer), keeper.armed)
        self.now = until

    def wait_for_timer(self) -> None:
        """Time passes until the next timer fires."""
        if (due := self.next_timer()) is not None:
            self.wait(max(0.0, due - self.now))

    def next_timer(self) -> float | None:
        """When the next timer fires."""
        return min(
            (each.armed.due for each in self.keepers if each.armed is not None and not each.fired),
            default=None,
        )

    # What the daemon does.

    def turns(self) -> list[Callable[[], None]]:
        """What some task of the daemon may do next."""
        found: list[Callable[[], None]] = [partial(self._pursue, task) for task in self.stops if task.can_begin]
        for keeper in self.keepers:
            if (keeper.queue or keeper.effects) and not keeper.is_blocked:
                found.append(partial(self._handle, keeper))
            if keeper.can_proceed:
                found.append(partial(self._proceed, keeper))
        return found

    def _pursue(self, task: StopTask) -> None:
        task.request = task.keeper.ask(events.Stop())
        self.requests.append(task.request)

    def _proceed(self, keeper: Keeper) -> None:
        if keeper.place is Place.BEGUN:
            keeper.place = Place.REQUIREMENTS
            keeper.waits = [self._bring_up(need, keeper) for need in keeper.needs if not need.serves]
        elif keeper.place is Place.PREPARED:
            keeper.place = Place.FOLLOWING
            keeper.post(events.Ready())
        elif any(wait.failure is not None for wait in keeper.waits):
            keeper.fail(Stage.REQUIREMENT)
        else:
            rules.check_requirements(keeper)
            keeper.place = Place.PREPARED

    def _bring_up(self, need: Keeper, dependent: Keeper) -> Request:
        # One that waits to respawn keeps its delay.
        return need.ask(events.Start(dependent.state.asked and need.state.respawn_at is None))

    def _handle(self, keeper: Keeper) -> None:
        """The next event, or the rest of the last one."""
        before = keeper.state
        if not keeper.effects:
            self._step(keeper)
        if keeper.state.status is not before.status:
            self._tell_those_who_wait(keeper, before)
        while keeper.effects:
            breaks_off = isinstance(keeper.effects[0], events.CancelStart | events.Terminate | events.Kill)
            if breaks_off and not keeper.break_off():
                return
            self._perform(keeper, keeper.effects.popleft())

    def _step(self, keeper: Keeper) -> None:
        posted, before = keeper.queue.popleft(), keeper.state
        event = posted.event
        keeper.register(posted)
        keeper.backlog = max(0, keeper.backlog - 1)
        self.seen.add((before.status, type(event)))
        if isinstance(event, events.Cleared):
            keeper.let_go()
        keeper.state, effects = step(before, event, keeper.policy, self.now)
        keeper.effects.extend(effects)
        rules.check_step(keeper, posted, before, self.now)

    def _tell_those_who_wait(self, keeper: Keeper, before: State) -> None:
        if keeper.serves and not before.serves:
            for dependent in self._dependents[keeper]:
                if dependent.state.awaits_requirement:
                    dependent.post(events.RequirementBack())
        if keeper.state.awaits_requirement and all(need.serves for need in keeper.all_needs):
            keeper.post(events.RequirementBack())

    def _perform(self, keeper: Keeper, effect: Effect) -> None:
        match effect:
            case events.BeginStart():
                assert keeper.state.enabled, "a start while disabled"
                self._begin(keeper, Place.BEGUN)
            case events.BeginAdoption():
                self._begin(keeper, Place.SETTLING)
                self._adopt(keeper)
            case events.CancelStart():
                assert keeper.place is None
            case events.Terminate() | events.Kill():
                keeper.signal(kill=isinstance(effect, events.Kill))
            case events.SetTimer(timer, delay):
                rules.check_delay(keeper, timer, delay, self.now)
                keeper.armed, keeper.fired = Armed(timer, self.now + delay), False
            case events.ClearTimer():
                keeper.armed = None
            case events.AnswerStart(failure):
                assert failure is not None or keeper.serves, "told of a start that is not done"
                self._answer(keeper.starters, failure)
            case events.RefuseStart(failure):
                # Nobody waits where the daemon itself asked.
                if keeper.request is not None:
                    keeper.starters.remove(keeper.request)
                    keeper.request.answer(failure)
            case events.AnswerStop():
                assert keeper.process is None, "told of a stop, and there is a process"
                self._answer(keeper.stoppers)
            case events.LoseDependents(returns):
                assert keeper.state.enabled or not returns, "it returns, and is disabled"
                for dependent in self._dependents[keeper]:
                    dependent.post(events.RequirementLost(keeper.name, returns))

    def _begin(self, keeper: Keeper, place: Place) -> None:
        assert keeper.place is None, "two starts"
        assert keeper.process is None, "a start beside a process"
        keeper.place = place
        keeper.backlog = len(keeper.queue)

    def _adopt(self, keeper: Keeper) -> None:
        keeper.attend(self.process(obedient=True, leaves=False))
        if any(need not in self._taken_over and not need.policy.one_shot for need in keeper.needs):
            keeper.fail(Stage.REQUIREMENT)
        elif keeper.policy.one_shot:
            keeper.place = Place.LASTING

    def _answer(self, requests: list[Request], failure: Failure | None = None) -> None:
        for request in requests:
            request.answer(failure)
        requests.clear()

    # Whether all is in order.

    def check(self) -> None:
        """What holds between any two moves. Raises AssertionError."""
        rules.check(self.keepers)
        if not self.turns() and not any(keeper.is_blocked for keeper in self.keepers):
            rules.check_quiet(self.keepers)

    def check_end(self) -> None:
        """Everybody was asked to stop, and nothing more happens. Raises AssertionError."""
        assert all(request.answered for request in self.requests), "a request that was never answered"
        for keeper in self.keepers:
            assert keeper.state.status is Status.STOPPED, "it was asked to stop and did not"
            assert all(process.cleared for process in keeper.processes)
            assert keeper.armed is None
