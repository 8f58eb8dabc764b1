"""One task owns one service: it receives events, asks core/lifecycle.py and performs the effects.

Others post events and await answers; nobody else changes the state, so there are no locks. The stages of a start run in
a task of their own beside it, so that a stop can break them off; the process has a task that awaits its end.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from signal import SIGKILL, SIGTERM
from typing import Any, Protocol

import trio

from herd.core import events
from herd.core import lifecycle as life
from herd.core.errors import HerdError, StartFailed
from herd.core.events import Event, Failure, Stage
from herd.core.lifecycle import State
from herd.core.readiness import OutputLine
from herd.core.service import Service
from herd.daemon.host import ServiceHost
from herd.daemon.log import ServiceLog
from herd.daemon.process import Identity, NoIdentity, Process

# The lines of output that a caller of a failed start is shown (Pebble shows as many).
OUTPUT_LINES = 20
_STAGES_WITH_OUTPUT = (Stage.READINESS, Stage.SETUP, Stage.RESPAWN)


class Surroundings(Protocol):
    """What a controller needs of the daemon around it; the supervisor gives it, tests give doubles."""

    async def start_requirements(self, name: str) -> None:
        """Start what the service requires. Raises StartFailed."""
        ...

    async def prepare(self, service: Service) -> Identity:
        """Look up the user and carry out the preparation. Raises OSError, NoIdentity."""
        ...

    async def spawn(self, service: Service, who: Identity) -> Process:
        """Execute the program. Raises OSError. Not cancelled: what it started is returned."""
        ...

    async def join_bus(self, service: Service, host: ServiceHost, task_status: trio.TaskStatus[None]) -> None:
        """Keep the host on the service's bus until cancelled."""
        ...

    def lose_dependents(self, name: str, *, returns: bool) -> None:
        """Tell the dependents that their requirement ended."""
        ...

    def changed(self, controller: Controller, before: State) -> None:
        """The state is another than before."""
        ...

    def say(self, text: str) -> None:
        """One line in herdd's own log."""
        ...


class Controller:
    """The owner of one service."""

    def __init__(self, service: Service, log: ServiceLog, around: Surroundings) -> None:
        self.service = service
        self.log = log
        self.state = State()
        # Wall-clock time of the last change of status, for display alone.
        self.since = time.time()
        self.host = ServiceHost(service.name, self._warn)
        self.stage: Stage | None = None
        self._around = around
        self._policy = life.Policy(service.respawn, service.start_timeout, service.grace_period)
        self._send, self._receive = trio.open_memory_channel[tuple[Event, trio.Event]](float("inf"))
        self._starters: list[trio.MemorySendChannel[Failure | None]] = []
        self._stoppers: list[trio.Event] = []
        self._process: Process | None = None
        self._procedure: trio.CancelScope | None = None
        self._procedure_done = trio.Event()
        self._timer = trio.CancelScope()
        # The last lines of the present or last process.
        self._output: deque[str] = deque(maxlen=OUTPUT_LINES)
        # End with the process: the connection to its bus, the health check.
        self._company: list[trio.CancelScope] = []
        self._nursery: trio.Nursery

    # What others ask.

    def post(self, event: Event) -> trio.Event:
        """Let the event be handled; the returned one is set once it is."""
        handled = trio.Event()
        self._send.send_nowait((event, handled))
        return handled

    async def start(self, *, asked: bool = True) -> None:
        """Start and wait until the service runs. Raises StartFailed."""
        send, receive = trio.open_memory_channel[Failure | None](1)
        self._starters.append(send)
        self.post(events.Start(asked))
        if failure := await receive.receive():
            raise StartFailed(self.failure_text(failure))

    async def stop(self) -> None:
        """Stop and wait until nothing is left."""
        stopped = trio.Event()
        self._stoppers.append(stopped)
        self.post(events.Stop())
        await stopped.wait()

    async def settled(self) -> None:
        """Wait as a starter for the start that is under way or due, without asking for one."""
        send, receive = trio.open_memory_channel[Failure | None](1)
        self._starters.append(send)
        if failure := await receive.receive():
            raise StartFailed(self.failure_text(failure))

    def failure_text(self, failure: Failure) -> str:
        """The failure as the sentence a user reads, with the last lines of output below it."""
        name = self.service.name
        text = f"cannot start {name}: {failure.reason}; see: herd status {name}"
        if failure.stage in _STAGES_WITH_OUTPUT and self._output:
            text += "\nits last output:\n" + "\n".join(f"  {line}" for line in self._output)
        return text

    # The task.

    async def run(self) -> None:
        """Handle events until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            async for event, handled in self._receive:
                await self._handle(event)
                handled.set()

    async def _handle(self, event: Event) -> None:
        if isinstance(event, events.Cleared):
            self._drop_process()
        before = self.state
        try:
            self.state, effects = life.step(before, event, self._policy, trio.current_time())
        except life.Impossible as fault:
            # A fault of ours: the service keeps its state, and the log says what to report.
            self._warn(f"internal fault: {fault}")
            return
        if self.state.status is not before.status:
            self.since = time.time()
            self.stage = None
        if self.state != before:
            self._around.changed(self, before)
        for effect in effects:
            await self._perform(effect)

    async def _perform(self, effect: events.Effect) -> None:
        match effect:
            case events.BeginStart():
                self._procedure_done = trio.Event()
                self._procedure = trio.CancelScope()
                self._nursery.start_soon(self._start_procedure, self._procedure)
            case events.CancelStart():
                if self._procedure is not None:
                    self._procedure.cancel()
                    await self._procedure_done.wait()
            case events.Terminate():
                self._signal(SIGTERM)
            case events.Kill():
                self._signal(SIGKILL)
            case events.SetTimer(timer, delay):
                self._timer.cancel()
                self._timer = trio.CancelScope()
                self._nursery.start_soon(self._run_timer, timer, delay, self._timer)
            case events.ClearTimer():
                self._timer.cancel()
            case events.AnswerStart(failure):
                self._answer_start(failure)
            case events.AnswerStop():
                for stopper in self._stoppers:
                    stopper.set()
                self._stoppers.clear()
            case events.LoseDependents(returns):
                self._around.lose_dependents(self.service.name, returns=returns)

    def _answer_start(self, failure: Failure | None) -> None:
        for starter in self._starters:
            # One that was cancelled no longer listens.
            with suppress(trio.BrokenResourceError):
                starter.send_nowait(failure)
        self._starters.clear()

    async def _run_timer(self, timer: events.Timer, delay: float, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep(delay)
            # Fired or replaced, never both: a timer that was replaced meanwhile says nothing.
            if scope is self._timer and not scope.cancel_called:
                self.post(events.TimerFired(timer))

    def _signal(self, number: int) -> None:
        if self._process is None:
            self.post(events.Cleared())
        else:
            self._process.signal(SIGTERM if number == SIGTERM else SIGKILL)

    def abandon(self) -> None:
        """KILL whatever runs, without a word: herdd itself is failing."""
        if self._process is not None:
            self._process.signal(SIGKILL)

    def _drop_process(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    # The start, stage by stage.

    async def _start_procedure(self, scope: trio.CancelScope) -> None:
        """Go through the stages. Cancelled at any of them it leaves no more than a process, which a stop ends."""
        self.host.begin()
        with scope:
            try:
                # Broken off before it began, it asks nothing of its requirements.
                await trio.lowlevel.checkpoint()
                await self._stages()
                self.post(events.Ready())
            except HerdError as error:
                self._fail(error.message)
            except (OSError, NoIdentity) as error:
                self._fail(_reason(error, self.service))
            except Exception as error:
                # A definition's fault is its service's trouble, not herdd's.
                self._fail(f"internal fault: {error!r}")
        self._procedure = None
        self._procedure_done.set()

    def _fail(self, reason: str) -> None:
        self.post(events.Failed(Failure(self.stage or Stage.SETUP, reason)))

    async def _stages(self) -> None:
        service, around = self.service, self._around
        self.stage = Stage.REQUIREMENT
        await around.start_requirements(service.name)
        self.stage = Stage.PREPARATION
        who = await around.prepare(service)
        self.host.become(who)
        self.stage = Stage.EXECUTION
        # spawn() cannot be cancelled half-way, and the next two lines have no await: no process is ever lost.
        self._process = process = await around.spawn(service, who)
        self._output.clear()
        ready_line = trio.Event()
        self._nursery.start_soon(self._attend, process, partial(self._see, ready_line))
        self.post(events.Spawned(process.pid))
        self.stage = Stage.READINESS
        if isinstance(service.readiness, OutputLine):
            await ready_line.wait()
        if service.bus_path is not None:
            await self._nursery.start(self._keep_bus, self._companion())
        self.stage = Stage.SETUP
        if service.setup is not None:
            await service.setup(self.host)
        if service.health is not None:
            self._nursery.start_soon(self._check_health, self._companion())

    def _see(self, ready_line: trio.Event, text: str) -> None:
        """Take note of one or more lines of output."""
        self._output.extend(text.rsplit("\n", OUTPUT_LINES)[-OUTPUT_LINES:])
        readiness = self.service.readiness
        if isinstance(readiness, OutputLine) and readiness.text in text:
            ready_line.set()

    async def _attend(self, process: Process, seen: Callable[[str], None]) -> None:
        """The life of one process: its output, its end, the end of all that it left."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.log.capture, process.output, seen)
            ending = await process.wait()
            self._leave_company()
            self.post(events.Exited(ending))
            await process.wait_cleared()
            nursery.cancel_scope.cancel()
        self.post(events.Cleared())

    def _companion(self) -> trio.CancelScope:
        scope = trio.CancelScope()
        self._company.append(scope)
        return scope

    def _leave_company(self) -> None:
        for scope in self._company:
            scope.cancel()
        self._company.clear()

    async def _keep_bus(self, scope: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
        with scope:
            await self._around.join_bus(self.service, self.host, task_status)

    async def _check_health(self, scope: trio.CancelScope) -> None:
        """Ask from time to time until one answer fails to come; the process's end ends it too."""
        health = self.service.health
        assert health is not None
        with scope:
            while True:
                await trio.sleep(health.interval)
                if reason := await self._unwell(health.check, health.timeout):
                    self.post(events.Unhealthy(reason))
                    return

    async def _unwell(self, procedure: Any, timeout: float) -> str | None:
        try:
            with trio.fail_after(timeout):
                await procedure(self.host)
        except trio.TooSlowError:
            return f"it did not answer for {timeout:g} seconds"
        except HerdError as error:
            return error.message
        except Exception as error:
            return f"internal fault: {error!r}"
        return None

    def _warn(self, text: str) -> None:
        self._around.say(f"{self.service.name}: {text}")
        self._around.changed(self, self.state)


def _reason(error: Exception, service: Service) -> str:
    """A stage's error as the end of "cannot start NAME: …"."""
    if not isinstance(error, OSError):
        return str(error)
    if isinstance(error, FileNotFoundError) and error.filename == service.program.command[0]:
        package = service.program.package
        remedy = f"install the package {package}" if package else "correct its command"
        return f"there is no program {error.filename}; {remedy}"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror}"
