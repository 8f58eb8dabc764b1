"""One process of a service, from its execution to the end of all that it left, and the tasks that keep it company.

Company ends with the process: the connection to its bus, the health check, the ear for its notices. What happens to the
process is posted as events; a pid file's main process takes the place of the one that forked it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from signal import Signals

import trio

from herd.core import events
from herd.core.errors import HerdError
from herd.core.events import Event
from herd.core.host import Host
from herd.core.readiness import CommandSuccess, HttpStatus, Notification, OutputLine, PidFile, TcpPort, UnixSocket
from herd.core.service import Health, Service
from herd.daemon import pidfile
from herd.daemon.host import ServiceHost
from herd.daemon.identity import Identity
from herd.daemon.log import ServiceLog
from herd.daemon.notify import NotifySocket
from herd.daemon.probe import Prober
from herd.daemon.process import Process

# The lines of output that a caller of a failed start is shown (Pebble shows as many).
OUTPUT_LINES = 20


class Attendance:
    """Looks after one process; its tasks run in `tasks`."""

    def __init__(
        self,
        service: Service,
        process: Process,
        who: Identity,
        tasks: trio.Nursery,
        post: Callable[[Event], trio.Event],
        say: Callable[[str], None],
    ) -> None:
        self.process = process
        # Set once nothing is left of the process and the controller knows.
        self.cleared = trio.Event()
        # What the last health check said, if it failed; what the service says of itself (sd_notify(3), STATUS=).
        self.health: str | None = None
        self.status: str | None = None
        self.output: deque[str] = deque(maxlen=OUTPUT_LINES)
        self._service = service
        self._uid = who.uid
        self._tasks = tasks
        self._post = post
        self._say = say
        self._ready = trio.Event()
        self._prober = Prober(service.name, service.program, who, process.pids)
        self._company: list[trio.CancelScope] = []
        self._forking = trio.CancelScope()
        # Nothing of it is left that could write.
        self._is_gone = False

    def begin(self, log: ServiceLog, notices: NotifySocket | None = None) -> None:
        """Look after it from now on. Does not wait, so no process is ever lost."""
        self._tasks.start_soon(self._live, log)
        if notices is not None:
            self._tasks.start_soon(self._hear, notices, self._companion())
        self._post(events.Spawned(self.process.pid))

    @property
    def unready_because(self) -> str:
        """What the start waits for, as the end of a sentence; empty where that is plain."""
        match self._service.readiness:
            case OutputLine(text):
                return f"no line of its output holds {text!r}"
            case Notification():
                return "it has not sent READY=1"
            case PidFile(path):
                return f"{path} names no process of its own"
            case None:
                return ""
            case _:
                return self._prober.reason

    async def until_ready(self) -> None:
        """Return once the program is ready; never for one that does not become so."""
        match self._service.readiness:
            case None:
                pass
            case OutputLine() | Notification() | PidFile():
                await self._ready.wait()
            case TcpPort() | UnixSocket() | HttpStatus() | CommandSuccess() as probe:
                await self._prober.until_ready(probe)

    async def keep_bus(self, join: Callable[[trio.TaskStatus[None]], object]) -> None:
        """Have the connection to its bus as company; returns once it is there."""
        await self._tasks.start(self._in_company, join, self._companion())

    async def _in_company(
        self,
        join: Callable[[trio.TaskStatus[None]], object],
        scope: trio.CancelScope,
        task_status: trio.TaskStatus[None],
    ) -> None:
        with scope:
            await join(task_status)  # type: ignore[misc]

    def accompany(self, companion: Callable[[Host], Awaitable[None]], host: Host) -> None:
        """Let a definition's own procedure go on beside it."""
        self._tasks.start_soon(self._accompanied, companion, host, self._companion())

    def watch_health(self, health: Health, host: ServiceHost) -> None:
        """Check it from time to time."""
        self._tasks.start_soon(self._check_health, health, host, self._companion())

    def signal(self, number: Signals) -> None:
        """Signal every process of the service."""
        self._forking.cancel()
        self.process.signal(number)

    # Its tasks.

    async def _live(self, log: ServiceLog) -> None:
        process = self.process
        async with trio.open_nursery() as nursery:
            capture = partial(log.capture, waits=self._waits_for_line, is_over=lambda: self._is_gone)
            nursery.start_soon(capture, process.output, self._see)
            ending = await process.wait()
            if isinstance(self._service.readiness, PidFile) and ending.code == 0 and await self._follow_fork():
                ending = await process.wait()
            self._leave_company()
            # Handled before anything else comes of it: a start that is over says nothing more then.
            await self._post(events.Exited(ending)).wait()
            await process.wait_cleared()
            self._is_gone = True
            nursery.cancel_scope.cancel()
        # The next run must not begin before the controller has let go of this one.
        await self._post(events.Cleared()).wait()
        self.cleared.set()

    async def _follow_fork(self) -> bool:
        """Whether the process that the pid file names is the main one now; not so where a stop comes before."""
        readiness = self._service.readiness
        assert isinstance(readiness, PidFile)
        with self._forking:
            pid = await pidfile.main_pid(readiness.path, self._may_be_main)
            try:
                await self.process.adopt(pid)
            except ProcessLookupError:
                return False
            self._post(events.Spawned(pid))
            self._ready.set()
            return True
        return False

    def _may_be_main(self, pid: int) -> bool:
        return self.process.may_adopt(pid, self._uid)

    def _waits_for_line(self) -> bool:
        return isinstance(self._service.readiness, OutputLine) and not self._ready.is_set()

    def _see(self, text: str) -> None:
        """Take note of one or more lines of output."""
        self.output.extend(text.rsplit("\n", OUTPUT_LINES)[-OUTPUT_LINES:])
        readiness = self._service.readiness
        if isinstance(readiness, OutputLine) and readiness.text in text:
            self._ready.set()

    async def _hear(self, notices: NotifySocket, scope: trio.CancelScope) -> None:
        with notices, scope:
            async for notice in notices:
                self.status = notice.status or self.status
                if notice.ready:
                    self._ready.set()

    async def _accompanied(
        self, companion: Callable[[Host], Awaitable[None]], host: Host, scope: trio.CancelScope
    ) -> None:
        with scope:
            try:
                await companion(host)
                reason = "its companion ended"
            except HerdError as error:
                reason = error.message
            except Exception as error:
                # A definition's fault is its service's trouble, not herdd's.
                reason = f"internal fault: {error!r}"
            self._post(events.Unhealthy(reason))

    async def _check_health(self, health: Health, host: ServiceHost, scope: trio.CancelScope) -> None:
        """Too many failures in a row end the service; those before are said."""
        failures = 0
        with scope:
            while True:
                await trio.sleep(health.interval)
                reason = await self._unwell(health, host)
                failures = failures + 1 if reason else 0
                self.health = reason and f"{failures} of {health.failures} checks failed: {reason}"
                if reason is not None and failures >= health.failures:
                    self._post(events.Unhealthy(reason))
                    return
                if self.health is not None:
                    self._say(f"{self._service.name}: {self.health}")

    async def _unwell(self, health: Health, host: ServiceHost) -> str | None:
        try:
            with trio.fail_after(health.timeout):
                if not callable(health.check):
                    return await self._prober.check(health.check)
                await health.check(host)
        except trio.TooSlowError:
            return f"it did not answer for {health.timeout:g} seconds"
        except HerdError as error:
            return error.message
        except Exception as error:
            # A definition's fault is its service's trouble, not herdd's.
            return f"internal fault: {error!r}"
        return None

    def _companion(self) -> trio.CancelScope:
        scope = trio.CancelScope()
        self._company.append(scope)
        return scope

    def _leave_company(self) -> None:
        for scope in self._company:
            scope.cancel()
        self._company.clear()
