"""What runs of one service: the stages of a start, its process, and the tasks that end with it.

A controller (controller.py) decides when; nothing here knows a status. Everything that happens is posted as an event.
A runner belongs to one definition: another definition of the service gets another runner, once nothing of this one is
left.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from signal import SIGKILL, Signals
from typing import Protocol

import trio

from herd.core import events
from herd.core.errors import HerdError, StartFailed
from herd.core.events import Event, Failure, Stage
from herd.core.readiness import OutputLine
from herd.core.schedule import Schedule
from herd.core.service import Health, Service
from herd.daemon.host import ServiceHost
from herd.daemon.log import ServiceLog
from herd.daemon.process import Identity, NoIdentity, Process

# The lines of output that a caller of a failed start is shown (Pebble shows as many).
OUTPUT_LINES = 20
# A clock that is set meanwhile is noticed at the latest then. Seconds.
_LONGEST_SLEEP = 3600.0


class Means(Protocol):
    """What a runner needs of the daemon around it; the supervisor gives it, tests give doubles."""

    async def start_requirements(self, name: str) -> None:
        """Start what the service requires. Raises StartFailed."""
        ...

    def missing_requirement(self, name: str) -> str | None:
        """A requirement that neither runs nor is about to."""
        ...

    async def prepare(self, service: Service) -> Identity:
        """Look up the user and carry out the preparation. Raises OSError, NoIdentity."""
        ...

    async def spawn(self, service: Service, who: Identity) -> Process:
        """Execute the program. Raises OSError. Not cancelled: what it started is returned."""
        ...

    async def remember(self, service: Service, process: Process) -> None:
        """Note the process for the herdd after this one: it is ready."""
        ...

    async def join_bus(self, service: Service, host: ServiceHost, task_status: trio.TaskStatus[None]) -> None:
        """Keep the host on the service's bus until cancelled."""
        ...

    def advanced(self, name: str) -> None:
        """The start of the service is at another stage."""
        ...

    def say(self, text: str) -> None:
        """One line in herdd's own log."""
        ...


class Runner:
    """One service's process and its company. Its tasks run in `nursery`, which the controller's task brings."""

    def __init__(
        self,
        service: Service,
        log: ServiceLog,
        means: Means,
        post: Callable[[Event], trio.Event],
        nursery: trio.Nursery | None,
    ) -> None:
        self.nursery = nursery
        self.service = service
        self.host = ServiceHost(service.name, self._warn)
        self._stage: Stage | None = None
        self.process: Process | None = None
        # The last lines of the present or last process.
        self.output: deque[str] = deque(maxlen=OUTPUT_LINES)
        # What the last health check said, if it failed.
        self.health: str | None = None
        # Wall-clock seconds.
        self.next_run: float | None = None
        self.is_adopted = False
        self._log = log
        self._means = means
        self._post = post
        self._who: Identity | None = None
        self._procedure: trio.CancelScope | None = None
        self._procedure_done = trio.Event()
        # End with the process: the connection to its bus, the health check.
        self._company: list[trio.CancelScope] = []
        self._cleared = trio.Event()

    @property
    def _tasks(self) -> trio.Nursery:
        assert self.nursery is not None, "the controller's task runs"
        return self.nursery

    @property
    def stage(self) -> Stage | None:
        """Where a start under way is."""
        return self._stage

    @stage.setter
    def stage(self, stage: Stage | None) -> None:
        self._stage = stage
        if stage is not None:
            self._means.advanced(self.service.name)

    # A start or an adoption, in a task of its own.

    def begin(self) -> None:
        """Go through the stages of a start; Ready or Failed tells how they ended."""
        self._launch(self._start)

    def begin_adoption(self, process: Process) -> None:
        """Take a process over that an earlier herdd started."""
        self._launch(partial(self._adopt, process))

    def _launch(self, procedure: Callable[[], object]) -> None:
        self._procedure_done = trio.Event()
        self._procedure = trio.CancelScope()
        self._tasks.start_soon(self._go, procedure, self._procedure)

    async def cancel(self) -> None:
        """Break off the stages, or what waits for the next run, and wait until they have ended."""
        if self._procedure is not None:
            self._procedure.cancel()
            await self._procedure_done.wait()

    async def _go(self, procedure: Callable[[], object], scope: trio.CancelScope) -> None:
        """Cancelled at any stage it leaves no more than a process, which a stop ends."""
        self.host.begin()
        self.health = None
        with scope:
            try:
                # Broken off before it began, it asks nothing of its requirements.
                await trio.lowlevel.checkpoint()
                await procedure()  # type: ignore[misc]
            except HerdError as error:
                self._fail(error.message)
            except (OSError, NoIdentity) as error:
                self._fail(_reason(error, self.service))
            except Exception as error:
                # A definition's fault is its service's trouble, not herdd's.
                self._fail(f"internal fault: {error!r}")
        self._procedure = None
        self.next_run = None
        self._procedure_done.set()

    def _fail(self, reason: str) -> None:
        self._post(events.Failed(Failure(self.stage or Stage.SETUP, reason)))

    async def _start(self) -> None:
        service, means = self.service, self._means
        self.stage = Stage.REQUIREMENT
        await means.start_requirements(service.name)
        self.stage = Stage.PREPARATION
        self._who = await means.prepare(service)
        self.host.become(self._who)
        if service.schedule is not None:
            self._post(events.Ready())
            await self._follow(service.schedule)
        await self._execute()
        if service.one_shot:
            # Its end is the end of the start.
            await trio.sleep_forever()
        await self._settle()
        self._post(events.Ready())
        if not service.is_ready_at_once and self.process is not None:
            await means.remember(service, self.process)

    async def _adopt(self, process: Process) -> None:
        service = self.service
        self.is_adopted = True
        self._attend(process)
        self.stage = Stage.REQUIREMENT
        if missing := self._means.missing_requirement(service.name):
            raise StartFailed(f"it requires {missing}, which does not run any more")
        if service.one_shot:
            await trio.sleep_forever()
        await self._settle(set_up=False)
        self._post(events.Ready())
        if service.schedule is not None:
            await self._cleared.wait()
            await self._follow(service.schedule)

    async def _execute(self) -> None:
        self.stage = Stage.EXECUTION
        assert self._who is not None
        # spawn() cannot be cancelled half-way, and _attend() does not wait: no process is ever lost.
        process = await self._means.spawn(self.service, self._who)
        self.output.clear()
        ready_line = self._attend(process)
        if self.service.readiness is None:
            return
        self.stage = Stage.READINESS
        if isinstance(self.service.readiness, OutputLine):
            await ready_line.wait()

    async def _settle(self, *, set_up: bool = True) -> None:
        """What has to be there before the service runs, beside its process."""
        service = self.service
        if service.bus_path is not None:
            self.stage = Stage.READINESS
            await self._tasks.start(self._keep_bus, self._companion())
        if service.setup is not None and set_up:
            self.stage = Stage.SETUP
            await service.setup(self.host)
        if service.health is not None:
            self._tasks.start_soon(self._check_health, service.health, self._companion())

    async def _follow(self, schedule: Schedule) -> None:
        """Execute the program at its times, one run after the other, until cancelled."""
        while True:
            due = schedule.next(datetime.now().astimezone())
            self.next_run = due.timestamp()
            await _until(self.next_run)
            try:
                await self._execute()
            except OSError as error:
                self._warn(f"cannot run: {_reason(error, self.service)}")
            else:
                await self._cleared.wait()
            self.stage = None

    # A process and what ends with it.

    def _attend(self, process: Process) -> trio.Event:
        """Look after the process from now on; the event is set by its ready line."""
        self.process = process
        self._cleared = trio.Event()
        ready_line = trio.Event()
        self._tasks.start_soon(self._live, process, partial(self._see, ready_line), self._cleared)
        self._post(events.Spawned(process.pid))
        return ready_line

    def _see(self, ready_line: trio.Event, text: str) -> None:
        """Take note of one or more lines of output."""
        self.output.extend(text.rsplit("\n", OUTPUT_LINES)[-OUTPUT_LINES:])
        readiness = self.service.readiness
        if isinstance(readiness, OutputLine) and readiness.text in text:
            ready_line.set()

    async def _live(self, process: Process, seen: Callable[[str], None], cleared: trio.Event) -> None:
        """The life of one process: its output, its end, the end of all that it left."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._log.capture, process.output, seen)
            ending = await process.wait()
            self._leave_company()
            self._post(events.Exited(ending))
            await process.wait_cleared()
            nursery.cancel_scope.cancel()
        # The next run must not begin before the controller has let go of this one.
        await self._post(events.Cleared()).wait()
        cleared.set()

    def signal(self, number: Signals) -> bool:
        """Signal every process of the service; False where there is none."""
        if self.process is not None:
            self.process.signal(number)
        return self.process is not None

    def abandon(self) -> None:
        """KILL whatever runs, without a word: herdd itself is failing."""
        self.signal(SIGKILL)

    def drop(self) -> None:
        """Let go of a process of which nothing is left."""
        if self.process is not None:
            self.process.close()
            self.process = None
        self.is_adopted = False

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
            await self._means.join_bus(self.service, self.host, task_status)

    async def _check_health(self, health: Health, scope: trio.CancelScope) -> None:
        """Ask from time to time; too many failures in a row end the service, its end ends the asking."""
        failures = 0
        with scope:
            while True:
                await trio.sleep(health.interval)
                reason = await self._unwell(health)
                failures = failures + 1 if reason else 0
                self.health = reason and f"{failures} of {health.failures} checks failed: {reason}"
                if reason is None:
                    continue
                if failures >= health.failures:
                    self._post(events.Unhealthy(reason))
                    return
                self._means.say(f"{self.service.name}: {self.health}")

    async def _unwell(self, health: Health) -> str | None:
        try:
            with trio.fail_after(health.timeout):
                assert callable(health.check)
                await health.check(self.host)
        except trio.TooSlowError:
            return f"it did not answer for {health.timeout:g} seconds"
        except HerdError as error:
            return error.message
        except Exception as error:
            return f"internal fault: {error!r}"
        return None

    def _warn(self, text: str) -> None:
        self._means.say(f"{self.service.name}: {text}")


async def _until(moment: float) -> None:
    """Sleep until a wall-clock time, even if the clock is set meanwhile."""
    while (left := moment - time.time()) > 0:  # noqa: ASYNC110
        await trio.sleep(min(left, _LONGEST_SLEEP))


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
