"""What surrounds a controller, played: no process, no file, no bus, so that the clock may be a fake one.

A fake process does what its script says: it prints what a test lets it print, and ends when told to, or not.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import Any, NoReturn

import trio
from trio.testing import wait_all_tasks_blocked

from herd.core.bus import BusCall, BusSignal
from herd.core.errors import HerdError, StartFailed
from herd.core.events import Ending, Status
from herd.core.ledger import Ledger
from herd.core.service import Program, Service
from herd.core.state import State
from herd.daemon.controller import Controller
from herd.daemon.host import Lent, ServiceHost
from herd.daemon.identity import Identity
from herd.daemon.log import ServiceLog
from herd.daemon.process import Process
from herd.daemon.secrets import Secrets

NOBODY = Identity("nobody", 65534, 65534, (), "/")
_PIDS = itertools.count(1000)


def _nothing() -> NoReturn:
    raise AssertionError("there is none here")


class FakeProcess(Process):
    """Ends on TERM if it is obedient, on KILL always; with a `lasting` child it is cleared later than it exits."""

    def __init__(self, *, obedient: bool = True, lasting: bool = False) -> None:
        pid = next(_PIDS)
        super().__init__(pid, pid, -1, "")
        self.born = trio.current_time()
        self.signals: list[tuple[float, Signals]] = []
        self.exited, self.cleared = trio.Event(), trio.Event()
        self.ending = Ending(0, None, 0.0)
        self.closed = False
        self.print, self.printed = trio.open_memory_channel[str](float("inf"))
        self._obedient, self._lasting = obedient, lasting

    def say(self, line: str) -> None:
        """Print a line."""
        self.print.send_nowait(line)

    def end(self, code: int | None = 0, signal: int | None = None) -> None:
        """Let it exit, and be cleared unless a child lasts."""
        self.ending = Ending(code, signal, 0.0)
        self.exited.set()
        if not self._lasting:
            self.cleared.set()

    async def wait(self) -> Ending:
        await self.exited.wait()
        return self.ending

    def signal(self, number: Signals) -> None:
        self.signals.append((trio.current_time(), number))
        if number == SIGKILL or self._obedient:
            self.end(None, number)
        if number == SIGKILL:
            self.cleared.set()

    async def wait_cleared(self) -> None:
        await self.cleared.wait()

    def close(self) -> None:
        self.closed = True


class FakeLog(ServiceLog):
    """Shows what the fake processes print and keeps none of it."""

    def __init__(self, around: FakeSurroundings) -> None:
        super().__init__("web", Path("/nowhere"))
        self._around = around

    async def capture(
        self,
        output: int,
        seen: Callable[[str], None],
        *,
        waits: Callable[[], bool] = lambda: True,
        is_over: Callable[[], bool] = lambda: True,
    ) -> None:
        process = next(each for each in self._around.processes if each.pid == output)
        async for line in process.printed:
            seen(line)


class FakeSurroundings:
    """The daemon around one controller; a test sets what it shall meet (controller.Surroundings)."""

    def __init__(self) -> None:
        self.make: Callable[[], FakeProcess] = FakeProcess
        self.processes: list[FakeProcess] = []
        self.statuses: list[Status] = []
        self.said: list[str] = []
        self.lost: list[bool] = []
        self.requirement_error: HerdError | None = None
        self.prepare_error: Exception | None = None
        self.spawn_error: OSError | None = None
        # While it is not set, execution takes its time.
        self.may_spawn = trio.Event()
        self.may_spawn.set()

    @property
    def process(self) -> FakeProcess:
        """The last one that was spawned."""
        return self.processes[-1]

    @property
    def secrets(self) -> Secrets:
        raise AssertionError("no service here has one")

    async def start_requirements(self, name: str) -> None:
        if self.requirement_error is not None:
            raise self.requirement_error

    async def prepare(self, service: Service) -> Identity:
        if self.prepare_error is not None:
            raise self.prepare_error
        return NOBODY

    async def spawn(
        self, service: Service, words: Sequence[str], who: Identity, extra: dict[str, str], sockets: Sequence[int]
    ) -> Process:
        # Like a thread that is not abandoned.
        with trio.CancelScope(shield=True):
            await self.may_spawn.wait()
        if self.spawn_error is not None:
            raise self.spawn_error
        self.processes.append(self.make())
        return self.process

    async def join_bus(self, service: Service, host: ServiceHost, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep_forever()

    def ledger(self, name: str) -> Ledger:
        raise AssertionError("no service here keeps one")

    def advanced(self, name: str) -> None:
        pass

    def missing_requirement(self, name: str) -> str | None:
        return None

    async def remember(self, service: Service, process: Process) -> None:
        pass

    def stopped(self, controller: Controller) -> None:
        pass

    def lose_dependents(self, name: str, *, returns: bool) -> None:
        self.lost.append(returns)

    def changed(self, controller: Controller, before: State) -> None:
        if controller.state.status is not before.status:
            self.statuses.append(controller.state.status)

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append(text)


def bare_host(ledger: Callable[[], Ledger] = _nothing) -> ServiceHost:
    """A host with neither a process nor a secret, for what needs only a bus, and perhaps a ledger."""
    service = Service(("jami",), Program(("/bin/true",)))
    lent = Lent(
        say=print, warn=print, process=lambda: None, ledger=ledger, secrets=_nothing, noted=lambda: None, output=list,
        stop=lambda: None, sockets=list,
    )  # fmt: skip
    return ServiceHost(service, lent)


class DeafBus:
    """A bus whose other end answers always the same, member by member, and does nothing that it is asked.

    `breaks_at`: the member with which it is gone, and answers nothing from then on.
    """

    def __init__(self, answers: Mapping[str, Any], breaks_at: str = "") -> None:
        self.answers = answers
        self.breaks_at = breaks_at
        self.asked: list[str] = []
        self.gone = False

    async def call(self, call: BusCall, timeout: float = 60.0) -> tuple[Any, ...]:
        await trio.lowlevel.checkpoint()
        self.asked.append(call.member)
        self.gone = self.gone or call.member == self.breaks_at
        if self.gone:
            raise HerdError(f"cannot call {call.member}: the bus is gone")
        return (self.answers[call.member],) if call.member in self.answers else ()

    @asynccontextmanager
    async def signals(self, interface: str, *members: str) -> AsyncIterator[AsyncIterator[BusSignal]]:
        send, receive = trio.open_memory_channel[BusSignal](0)
        if self.gone:
            send.close()
        async with send, receive:
            yield receive


async def controlled(nursery: trio.Nursery, around: FakeSurroundings, **keys: Any) -> Controller:
    """The controller of a service `web` with those attributes, its task running."""
    service = Service(provision=("web",), program=Program(command=("/bin/web",), package="webd"), **keys)
    controller = Controller(service, FakeLog(around), around)
    nursery.start_soon(controller.run)
    await wait_all_tasks_blocked()
    return controller


async def begin(nursery: trio.Nursery, procedure: Callable[[], Any]) -> list[str]:
    """Run a start or a stop beside the test, as far as it goes by itself; the list gets how it ended."""
    outcome: list[str] = []

    async def run() -> None:
        try:
            await procedure()
        except StartFailed as error:
            outcome.append(error.message)
        else:
            outcome.append("done")

    nursery.start_soon(partial(run))
    await wait_all_tasks_blocked()
    return outcome


def numbers(process: FakeProcess) -> list[Signals]:
    """The signals it got, in order."""
    return [number for _, number in process.signals]


TERM, KILL = SIGTERM, SIGKILL
