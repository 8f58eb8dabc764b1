"""One service of the model: its controller, its runner, and what the world may do to it."""

from __future__ import annotations

from collections import deque
from enum import Enum

from attrs import define, field, frozen

from herd.core import events
from herd.core.events import Effect, Ending, Event, Failure, Stage, Timer
from herd.core.state import Policy, State


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

    handled: bool = False
    answered: bool = False
    failure: Failure | None = None

    def answer(self, failure: Failure | None = None) -> None:
        """It is told, never twice, and never by what came before it."""
        assert not self.answered
        assert self.handled, "told of what came before it was handled"
        self.answered, self.failure = True, failure


@frozen(eq=False)
class Armed:
    """A timer that was set."""

    timer: Timer
    due: float


@frozen
class Posted:
    """An event on its way; of a timer, with which one fired; of a start or a stop, with who waits for it."""

    event: Event
    armed: Armed | None = None
    request: Request | None = None


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
    # The last that was handled, and those who wait.
    request: Request | None = None
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
    # When it was respawned since anybody asked for anything, and how often since a stop that was asked for.
    respawned: list[float] = field(factory=list)
    respawns: int = 0
    # It was asked to stop, and nobody has asked for a start since.
    unwanted: bool = False

    def post(self, event: Event, armed: Armed | None = None) -> None:
        """Let the event be handled, after those before it."""
        self.queue.append(Posted(event, armed))

    def ask(self, event: events.Start | events.Stop) -> Request:
        """The same, for somebody who waits for what comes of it."""
        request = Request()
        self.queue.append(Posted(event, request=request))
        return request

    def register(self, posted: Posted) -> None:
        """Who asked for what is being handled waits from now on."""
        self.request = posted.request
        if posted.request is not None:
            posted.request.handled = True
            (self.starters if isinstance(posted.event, events.Start) else self.stoppers).append(posted.request)

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
        return self.state.serves

    @property
    def all_needs(self) -> set[Keeper]:
        """All that it requires, directly or not."""
        return {each for need in self.needs for each in (need, *need.all_needs)}

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
