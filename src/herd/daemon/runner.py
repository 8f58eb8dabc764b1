"""What runs of one service: the stages of a start, and what executes its program on demand.

A controller (controller.py) decides when; nothing here knows a status. Everything that happens is posted as an event.
A runner belongs to one definition: another definition of the service gets another runner, once nothing of this one is
left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from signal import SIGKILL, Signals

import trio

from herd.core import events
from herd.core.errors import HerdError, StartFailed
from herd.core.events import Event, Failure, Stage
from herd.core.readiness import Notification, PidFile
from herd.core.service import Service
from herd.daemon import pidfile
from herd.daemon.activation import activation_environment
from herd.daemon.attendance import OUTPUT_LINES, Attendance
from herd.daemon.host import Lent, ServiceHost
from herd.daemon.identity import Identity, NoIdentity
from herd.daemon.log import ServiceLog
from herd.daemon.means import Means
from herd.daemon.moments import Start
from herd.daemon.notify import NotifySocket
from herd.daemon.occasions import Occasions
from herd.daemon.process import Process


class Runner:
    """The stages of one service. Its tasks run in `nursery`, which the controller's task brings."""

    def __init__(
        self,
        service: Service,
        log: ServiceLog,
        means: Means,
        post: Callable[[Event], trio.Event],
        nursery: trio.Nursery | None,
        former: Occasions | None = None,
    ) -> None:
        self.nursery = nursery
        self.service = service
        name = service.name
        lent = Lent(
            say=self._say,
            warn=self._warn,
            process=lambda: self.process,
            ledger=lambda: means.ledger(name),
            secrets=lambda: means.secrets,
            noted=lambda: means.advanced(name),
            output=lambda: self.output,
            stop=self._stop,
            sockets=lambda: self.occasions.held,
        )
        self.host = ServiceHost(service, lent)
        # The present process.
        self.attendance: Attendance | None = None
        self.occasions = Occasions(service, lambda: means.advanced(name), former)
        self.is_adopted = False
        # The first start since herdd began, by its moments.
        self.first_start: Start | None = None
        self._output: deque[str] = deque(maxlen=OUTPUT_LINES)
        self._stage: Stage | None = None
        self._log = log
        self._means = means
        self._post = post
        self._who: Identity | None = None
        self._times = Start(0.0)
        self._procedure: trio.CancelScope | None = None
        self._procedure_done = trio.Event()

    @property
    def output(self) -> list[str]:
        """The last lines of the present or last process."""
        return list(self._output)

    @property
    def process(self) -> Process | None:
        """The present process."""
        return None if self.attendance is None else self.attendance.process

    @property
    def stage(self) -> Stage | None:
        """Where a start under way is."""
        return self._stage

    @stage.setter
    def stage(self, stage: Stage | None) -> None:
        self._stage = stage
        if stage is not None:
            self._means.advanced(self.service.name)

    @property
    def unready_because(self) -> str:
        """What a start that takes long waits for, as the end of a sentence; empty where that is not known."""
        if self.stage is Stage.READINESS and self.attendance is not None:
            return self.attendance.unready_because
        return ""

    # A start or an adoption, in a task of its own.

    def begin(self) -> None:
        """Go through the stages of a start; Ready or Failed tells how they ended."""
        self._times = Start(trio.current_time())
        self.first_start = self.first_start or self._times
        self._begin(self._start)

    def begin_adoption(self, process: Process, who: Identity) -> None:
        """Take a process over that an earlier herdd started; it is looked after before anything can be broken off."""
        self._times = Start(trio.current_time())
        self.is_adopted = True
        self._who = who
        self.host.become(who)
        self._begin(partial(self._adopt, self._attend(process, None)))

    def _begin(self, procedure: Callable[[], Awaitable[None]]) -> None:
        assert self.nursery is not None, "the controller's task runs"
        self._procedure_done = trio.Event()
        self._procedure = trio.CancelScope()
        self.nursery.start_soon(self._go, procedure, self._procedure)

    async def cancel(self) -> None:
        """Break off the stages, or what waits for the next run, and wait until they have ended."""
        if self._procedure is not None:
            self._procedure.cancel()
            await self._procedure_done.wait()

    async def _go(self, procedure: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
        """Cancelled at any stage it leaves no more than a process, which a stop ends."""
        self.host.begin()
        with scope:
            try:
                # Broken off before it began, it asks nothing of its requirements.
                await trio.lowlevel.checkpoint()
                await procedure()
            except StartFailed as error:
                # Of what it requires: the sentence says already what to try.
                self._fail(error.sentence, error.notes, has_remedy=True)
            except HerdError as error:
                self._fail(error.message)
            except (OSError, NoIdentity) as error:
                self._fail(_reason(error, self.service))
            except Exception as error:
                # A definition's fault is its service's trouble, not herdd's.
                self._fail(f"internal fault: {error!r}")
        self._procedure = None
        self.occasions.next_run = None
        self._procedure_done.set()

    def _fail(self, reason: str, notes: tuple[str, ...] = (), *, has_remedy: bool = False) -> None:
        self._times.failed = trio.current_time()
        self._post(events.Failed(Failure(self.stage or Stage.SETUP, reason, notes, has_remedy)))

    async def _start(self) -> None:
        service, means = self.service, self._means
        if service.preflight is not None:
            self.stage = Stage.PREPARATION
            await service.preflight(self.host)
        self.stage = Stage.REQUIREMENT
        await means.start_requirements(service.name)
        self._times.began = trio.current_time()
        self.stage = Stage.PREPARATION
        self._who = await means.prepare(service)
        self.host.become(self._who)
        if service.before is not None:
            await service.before(self.host)
        await self.occasions.listen(self._who)
        if service.is_on_demand:
            self._be_ready()
            await self._run_on_demand()
        await self._execute()
        if service.one_shot:
            # Its end is the end of the start.
            await trio.sleep_forever()
        await self._settle()
        self._be_ready()
        if not service.is_ready_at_once and self.process is not None:
            await means.remember(service, self.process)

    def _be_ready(self) -> None:
        self._times.ready = trio.current_time()
        self._post(events.Ready())

    async def _adopt(self, attendance: Attendance) -> None:
        service = self.service
        self.stage = Stage.REQUIREMENT
        if missing := self._means.missing_requirement(service.name):
            raise HerdError(f"it requires {missing}, which does not run any more")
        if service.one_shot:
            await trio.sleep_forever()
        await self._settle(resumed=True)
        self._post(events.Ready())
        if service.is_on_demand:
            await attendance.cleared.wait()
            assert self._who is not None
            await self.occasions.listen(self._who)
            await self._run_on_demand()

    async def _execute(self) -> Attendance:
        service, who = self.service, self._who
        assert who is not None
        self.stage = Stage.EXECUTION
        words = () if service.arguments is None else await service.arguments(self.host)
        if isinstance(service.readiness, PidFile):
            # What an earlier run left names nobody.
            await trio.to_thread.run_sync(pidfile.forget, service.readiness.path)
        extra = dict(activation_environment(service.endpoints))
        with ExitStack() as stack:
            notices = None
            if isinstance(service.readiness, Notification):
                notices = stack.enter_context(NotifySocket(self._has))
                extra |= notices.environment
            # spawn() cannot be cancelled half-way, and _attend() does not wait: no process is ever lost.
            process = await self._means.spawn(service, words, who, extra, self.occasions.descriptors)
            self._times.executed = trio.current_time()
            attendance = self._attend(process, notices)
            # The attendance closes it.
            stack.pop_all()
        if service.readiness is not None:
            self.stage = Stage.READINESS
            await attendance.until_ready()
        return attendance

    def _has(self, pid: int) -> bool:
        return self.process is not None and self.process.has(pid)

    def _attend(self, process: Process, notices: NotifySocket | None) -> Attendance:
        assert self.nursery is not None
        assert self._who is not None
        self.attendance = Attendance(self.service, process, self._who, self.nursery, self._tell, self._means.warn)
        self._output = self.attendance.output
        self.attendance.begin(self._log, notices)
        return self.attendance

    def _tell(self, event: Event) -> trio.Event:
        if self.service.one_shot and isinstance(event, events.Exited) and event.ending.code == 0:
            self._times.ready = trio.current_time()
        return self._post(event)

    async def _settle(self, *, resumed: bool = False) -> None:
        """What has to be there before the service runs, beside its process."""
        service, attendance = self.service, self.attendance
        assert attendance is not None
        if service.bus_path is not None:
            self.stage = Stage.READINESS
            await attendance.keep_bus(partial(self._means.join_bus, service, self.host))
        if set_up := service.resumption if resumed else service.setup:
            self.stage = Stage.SETUP
            await set_up(self.host)
        if service.companion is not None:
            attendance.accompany(service.companion, self.host)
        if service.health is not None:
            attendance.watch_health(service.health, self.host)

    # What runs on demand, from the end of a start to a stop.

    async def _run_on_demand(self) -> None:
        """Execute the program whenever it is time, one run after the other, until cancelled."""
        self.stage = None
        while True:
            await self.occasions.next()
            try:
                attendance = await self._execute()
            except Exception as error:
                reason = _reason(error, self.service) if isinstance(error, OSError) else f"internal fault: {error!r}"
                if self.service.schedule is None:
                    self._post(events.Unhealthy(reason))
                    return
                self._warn(f"cannot run: {reason}")
            else:
                self.stage = None
                await attendance.cleared.wait()

    # Its end.

    def signal(self, number: Signals) -> bool:
        """Signal every process of the service; False where there is none."""
        if self.attendance is not None:
            self.attendance.signal(number)
        return self.attendance is not None

    def abandon(self) -> None:
        """KILL whatever runs, without a word: herdd itself is failing."""
        self.signal(SIGKILL)

    def drop(self) -> None:
        """Let go of a process of which nothing is left."""
        if self.attendance is not None:
            self.attendance.process.close()
            self.attendance = None
        self.is_adopted = False

    def _stop(self) -> None:
        self._post(events.Stop())

    def _say(self, text: str) -> None:
        self._means.say(f"{self.service.name}: {text}")

    def _warn(self, text: str) -> None:
        self._means.warn(f"{self.service.name}: {text}")


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
