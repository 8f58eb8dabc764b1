"""A herdd without processes, files and time: many services' lives by core/lifecycle.py, for histories in any order.

Effects are performed as daemon/controller.py, runner.py and supervisor.py do: one controller a service with a queue of
events, one task for the stages of its start, one for each service of a stop. Nothing moves by itself: `turns()` are the
moves that some task of the daemon may make next, and whoever plays the world makes the others (`exit`, `execute` …).
What must never happen at a move is asserted here; what must hold between any two of them is `check()`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from functools import partial
from itertools import count

from attrs import define, field, frozen

from herd.core import events
from herd.core.events import Effect, Ending, Event, Failure, Stage, Status, Timer
from herd.core.graph import Graph
from herd.core.lifecycle import Policy, State, step
from herd.core.service import Program, Service


@define(eq=False)
class FakeProcess:
    """Ends on TERM if it is obedient, on KILL always; a child that it leaves is there until KILL, or ends by itself."""

    pid: int
    obedient: bool
    leaves: bool
    # Whose start went to its end with it, and whose health check has said its last word.
    settled: bool = False
    unwell: bool = False
    killed: bool = False
    exited: bool = False
    cleared: bool = False


class Place(Enum):
    """Where the task of a start stands."""

    BEGUN = "begun"
    REQUIREMENTS = "it waits for the requirements"
    PREPARED = "what is next is to execute the program"
    EXECUTING = "a thread executes the program and cannot be broken off"
    SETTLING = "readiness and set-up"
    LASTING = "the end of the program is the end of the start"
    FOLLOWING = "on demand, it executes the program again and again"


@define(eq=False)
class Request:
    """Somebody who waits for a start or a stop."""

    answered: bool = False
    failure: Failure | None = None

    def answer(self, failure: Failure | None = None) -> None:
        """It is told, and never twice."""
        assert not self.answered
        self.answered, self.failure = True, failure


@frozen(eq=False)
class Armed:
    """A timer that was set."""

    timer: Timer
    due: float


@frozen
class Posted:
    """An event on its way; of a timer, with which one fired."""

    event: Event
    armed: Armed | None = None


@define(eq=False)
class Keeper:
    """One service: its controller and its runner."""

    name: str
    needs: tuple[Keeper, ...]
    policy: Policy
    state: State = field(factory=State)
    queue: deque[Posted] = field(factory=deque)
    # Still to be performed once the thread that executes the program has come back.
    effects: deque[Effect] = field(factory=deque)
    starters: list[Request] = field(factory=list)
    stoppers: list[Request] = field(factory=list)
    armed: Armed | None = None
    fired: bool = False
    place: Place | None = None
    cancelled: bool = False
    waits: list[Request] = field(factory=list)
    # What lay in the queue when the start began is handled sooner than threads prepare and execute.
    backlog: int = 0
    process: FakeProcess | None = None
    processes: list[FakeProcess] = field(factory=list)
    adopted: bool = False
    # When it was respawned since anybody asked for anything.
    respawned: list[float] = field(factory=list)

    def post(self, event: Event, armed: Armed | None = None) -> None:
        """Let the event be handled, after those before it."""
        self.queue.append(Posted(event, armed))

    def is_posted(self, kind: type[Event]) -> bool:
        """Whether such an event is on its way."""
        return any(isinstance(posted.event, kind) for posted in self.queue)

    @property
    def is_blocked(self) -> bool:
        """The controller waits for the thread that executes the program."""
        return bool(self.effects) and self.place is Place.EXECUTING

    @property
    def serves(self) -> bool:
        """Whether those who require it may start."""
        return self.state.status is Status.RUNNING or self.state.done

    @property
    def timer_is_on(self) -> bool:
        """A timer is set and has not fired."""
        return self.armed is not None and not self.fired

    # What the world may do to it.

    @property
    def can_proceed(self) -> bool:
        """The task of the start has something to do that needs nobody else."""
        if self.place is Place.REQUIREMENTS:
            return all(wait.answered for wait in self.waits)
        return self.place is Place.BEGUN or (self.place is Place.PREPARED and self.policy.on_demand)

    @property
    def can_execute(self) -> bool:
        """Its program may be executed now."""
        if self.policy.on_demand:
            return self.place is Place.FOLLOWING and self.process is None
        return self.place is Place.PREPARED and self.backlog == 0

    @property
    def can_exit(self) -> bool:
        """Its main process is there."""
        return self.process is not None and not self.process.exited

    @property
    def can_clear(self) -> bool:
        """Only children of its process are left."""
        return self.process is not None and self.process.exited and not self.process.cleared

    @property
    def can_be_unwell(self) -> bool:
        """Its health is looked after."""
        return self.can_exit and self.process is not None and self.process.settled and not self.process.unwell

    def exit(self, code: int | None, signal: int | None = None) -> None:
        """The main process ends."""
        assert self.process is not None
        self.process.exited = True
        self.post(events.Exited(Ending(code, signal, 0.0)))
        if not self.process.leaves:
            self.clear()

    def clear(self) -> None:
        """Nothing is left of the process."""
        assert self.process is not None
        self.process.cleared = True
        self.post(events.Cleared())

    def be_unwell(self) -> None:
        """Too many health checks failed in a row."""
        assert self.process is not None
        self.process.unwell = True
        self.post(events.Unhealthy("it did not answer"))

    def execute(self) -> None:
        """A thread begins to execute the program."""
        self.place = Place.EXECUTING

    def be_executed(self, process: FakeProcess | None, *, at_once: bool) -> None:
        """The thread comes back, with no process if that failed. Some services are ready at once."""
        cancelled, self.cancelled = self.cancelled, False
        follows = Place.FOLLOWING if self.policy.on_demand and not cancelled else None
        if process is None:
            self.place = follows
            if not self.policy.on_demand:
                self.post(events.Failed(Failure(Stage.EXECUTION, "there is no program")))
            return
        self.attend(process)
        if self.policy.on_demand or self.policy.one_shot:
            self.place = follows if self.policy.on_demand or cancelled else Place.LASTING
        elif at_once:
            # Nothing is waited for between the thread's end and this, so that nothing can be broken off.
            self.be_ready()
        else:
            self.place = None if cancelled else Place.SETTLING

    def attend(self, process: FakeProcess) -> None:
        """Look after the process from now on."""
        assert all(earlier.cleared for earlier in self.processes), "two processes of one service"
        assert self.process is None, "a process beside one that was not let go of"
        self.process = process
        self.processes.append(process)
        self.post(events.Spawned(process.pid))

    def be_ready(self) -> None:
        """The last stage is done."""
        assert self.process is not None
        self.process.settled = True
        self.place = Place.FOLLOWING if self.policy.on_demand else None
        self.post(events.Ready())

    def fail(self, stage: Stage) -> None:
        """A stage fails."""
        self.place = None
        self.post(events.Failed(Failure(stage, "it broke")))

    def break_off(self) -> bool:
        """Cancel the task of the start; False while it cannot end."""
        if self.place is Place.EXECUTING:
            self.cancelled = True
            return False
        self.place = None
        self.waits = []
        return True

    def signal(self, *, kill: bool) -> None:
        """Signal all that is there; where nothing is, that is said."""
        process = self.process
        if process is None:
            self.post(events.Cleared())
            return
        if kill:
            process.killed, process.leaves = True, False
        if not process.exited and (kill or process.obedient):
            self.exit(None, 9 if kill else 15)
        elif process.exited and not process.cleared and kill:
            self.clear()

    def let_go(self) -> None:
        """Nothing of the process is left."""
        assert self.process is None or self.process.cleared, "let go of a process that is there"
        self.process, self.adopted = None, False


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
        keeper.starters.append(request := Request())
        self.requests.append(request)
        keeper.post(events.Start())

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
        task.keeper.stoppers.append(request := Request())
        task.request = request
        self.requests.append(request)
        task.keeper.post(events.Stop())

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
            self._check_requirements(keeper)
            keeper.place = Place.PREPARED

    def _bring_up(self, need: Keeper, dependent: Keeper) -> Request:
        need.starters.append(request := Request())
        # One that waits to respawn keeps its delay.
        if not need.state.respawn_at:
            need.post(events.Start(dependent.state.asked))
        return request

    def _check_requirements(self, keeper: Keeper) -> None:
        """No start goes on before its requirements serve, unless word that they are lost is on its way."""
        for need in keeper.needs:
            # A one-shot that was done may be on its way to be done again.
            serves = need.serves or need.policy.one_shot
            assert serves or keeper.is_posted(events.RequirementLost), f"{keeper.name} starts without {need.name}"

    def _handle(self, keeper: Keeper) -> None:
        """The next event, or the rest of the last one."""
        before = keeper.state.status
        if not keeper.effects:
            self._step(keeper)
        if keeper.state.status is not before and keeper.serves:
            self._resume_dependents(keeper)
        while keeper.effects:
            breaks_off = isinstance(keeper.effects[0], events.CancelStart | events.Terminate | events.Kill)
            if breaks_off and not keeper.break_off():
                return
            self._perform(keeper, keeper.effects.popleft())

    def _step(self, keeper: Keeper) -> None:
        posted, before = keeper.queue.popleft(), keeper.state
        event = posted.event
        keeper.backlog = max(0, keeper.backlog - 1)
        self.seen.add((before.status, type(event)))
        if isinstance(event, events.Cleared):
            keeper.let_go()
        keeper.state, effects = step(before, event, keeper.policy, self.now)
        keeper.effects.extend(effects)
        self._check_step(keeper, posted, before)

    def _check_step(self, keeper: Keeper, posted: Posted, before: State) -> None:
        event, state = posted.event, keeper.state
        if posted.armed is not None and posted.armed is not keeper.armed:
            # A late KILL of nothing, or of what was KILLed already, is the same as none.
            is_idle = keeper.process is None or keeper.process.killed
            assert state == before, "a timer that is over acts"
            assert not keeper.effects or is_idle, "a timer that is over acts"
        if isinstance(event, events.Stop | events.Hurry):
            wishes = (state.starts_again, state.respawns, state.respawn_at)
            assert wishes == (False, False, None), "it was asked to stop, and would start again"
        if isinstance(event, events.Stop | events.Enable | events.Hurry) or event == events.Start():
            keeper.respawned.clear()
        if state.status is Status.STARTING and (before.respawns or before.respawn_at is not None):
            self._check_respawn(keeper, event, before)

    def _check_respawn(self, keeper: Keeper, event: Event, before: State) -> None:
        """What ended unasked keeps its delay, unless somebody asks for a start, and its limit."""
        is_due = before.respawn_at is not None and self.now >= before.respawn_at
        assert keeper.state.asked or is_due, "a respawn before its time"
        if isinstance(event, events.TimerFired):
            keeper.respawned.append(self.now)
            self._check_limit(keeper)

    def _check_limit(self, keeper: Keeper) -> None:
        policy = keeper.policy.respawn
        assert policy is not None, "a respawn without a policy"
        recent = [moment for moment in keeper.respawned if self.now - moment < policy.window]
        assert policy.times == 0 or len(recent) <= policy.times, "a respawn beyond the limit"

    def _resume_dependents(self, keeper: Keeper) -> None:
        for dependent in self._dependents[keeper]:
            state = dependent.state
            waits = state.failure is not None and state.failure.stage is Stage.REQUIREMENT and not state.asked
            if state.status is Status.STOPPED and waits:
                dependent.post(events.Start(asked=False))

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
                self._check_delay(keeper, timer, delay)
                keeper.armed, keeper.fired = Armed(timer, self.now + delay), False
            case events.ClearTimer():
                keeper.armed = None
            case events.AnswerStart(failure):
                assert failure is not None or keeper.serves, "told of a start that is not done"
                self._answer(keeper.starters, failure)
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

    def _check_delay(self, keeper: Keeper, timer: Timer, delay: float) -> None:
        if timer is Timer.RESPAWN:
            policy = keeper.policy.respawn
            assert policy is not None
            assert min(policy.delay, policy.ceiling) <= delay <= policy.ceiling
            assert keeper.state.respawn_at == self.now + delay

    def _answer(self, requests: list[Request], failure: Failure | None = None) -> None:
        for request in requests:
            request.answer(failure)
        requests.clear()

    # What holds between any two moves.

    def check(self) -> None:
        """Raises AssertionError."""
        for keeper in self.keepers:
            assert sum(not process.cleared for process in keeper.processes) <= 1, "two processes of one service"
            if not keeper.effects:
                check_state(keeper)
                check_timer(keeper)
        if not self.turns() and not any(keeper.is_blocked for keeper in self.keepers):
            self._check_quiet()

    def _check_quiet(self) -> None:
        """Nothing is on its way: nobody waits in vain, and nobody runs without what it requires."""
        for keeper in self.keepers:
            status = keeper.state.status
            assert not keeper.stoppers or status is Status.STOPPING
            may_wait = status in (Status.STARTING, Status.STOPPING) or keeper.state.respawn_at is not None
            assert not keeper.starters or may_wait
            goes_on = keeper.place in (Place.PREPARED, Place.SETTLING, Place.LASTING)
            if status is Status.RUNNING and keeper.process is not None:
                assert not keeper.process.exited or keeper.policy.on_demand, "it runs, and its program has ended"
                assert not keeper.process.unwell, "it runs unwell"
            if status is Status.RUNNING or goes_on:
                assert all(self._is_there(need) for need in keeper.needs), "it runs without what it requires"

    def _is_there(self, need: Keeper) -> bool:
        """What was taken over may take its time, and a one-shot may be on its way to be done again."""
        is_taken_over = need.adopted and need.state.status is Status.STARTING
        return need.serves or is_taken_over or need.policy.one_shot

    def check_end(self) -> None:
        """Everybody was asked to stop, and nothing more happens. Raises AssertionError."""
        assert all(request.answered for request in self.requests), "a request that was never answered"
        for keeper in self.keepers:
            assert keeper.state.status is Status.STOPPED, "it was asked to stop and did not"
            assert all(process.cleared for process in keeper.processes)
            assert keeper.armed is None


def check_state(keeper: Keeper) -> None:
    """What is known agrees with what the service is. Raises AssertionError."""
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


def check_timer(keeper: Keeper) -> None:
    """The timer is the one of the status, and none is on without a purpose. Raises AssertionError."""
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
