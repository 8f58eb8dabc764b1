"""One task owns one service: it receives events, asks core/lifecycle.py and performs the effects.

Others post events and await answers; nobody else changes the state, so there are no locks. What runs of the service is
the runner's (runner.py), in tasks beside this one, so that a stop can break a start off.
"""

from __future__ import annotations

import time
from contextlib import suppress
from signal import SIGKILL, Signals
from typing import Protocol

import trio

from herd.core import events
from herd.core.errors import StartFailed
from herd.core.events import Event, Failure, Stage, Status
from herd.core.lifecycle import step
from herd.core.service import Service
from herd.core.state import Impossible, Policy, State
from herd.daemon.host import ServiceHost
from herd.daemon.identity import Identity
from herd.daemon.log import ServiceLog
from herd.daemon.means import Means
from herd.daemon.occasions import Occasions
from herd.daemon.process import Process
from herd.daemon.requests import Request
from herd.daemon.runner import Runner

_STAGES_WITH_OUTPUT = (Stage.READINESS, Stage.SETUP, Stage.RESPAWN)


class Surroundings(Means, Protocol):
    """What a controller needs of the daemon around it; the supervisor gives it, tests give doubles."""

    def lose_dependents(self, name: str, *, returns: bool) -> None:
        """Tell the dependents that their requirement ended."""
        ...

    def changed(self, controller: Controller, before: State) -> None:
        """The state is another than before."""
        ...

    def stopped(self, controller: Controller) -> None:
        """It has come to a stop, and whoever waited for that knows."""
        ...


class Controller:
    """The owner of one service."""

    def __init__(self, service: Service, log: ServiceLog, around: Surroundings, *, enabled: bool = True) -> None:
        self.log = log
        self.state = State(enabled=enabled)
        # Wall-clock time of the last change of status, for display alone.
        self.since = time.time()
        # The definition that the next start takes.
        self.replacement: Service | None = None
        self._around = around
        self._send, self._receive = trio.open_memory_channel[Request](float("inf"))
        # Handled, and to be answered.
        self._starts: list[Request] = []
        self._stops: list[Request] = []
        self._is_retired = False
        self._timer = trio.CancelScope()
        # There was no process to signal, and that is on its way to be handled.
        self._is_clearing = False
        self._inherited: tuple[Process, Identity] | None = None
        self._inherited_since = self.since
        self._nursery: trio.Nursery | None = None
        self._take(service)

    def _take(self, service: Service, former: Occasions | None = None) -> None:
        """Live by this definition from now on; of another one nothing is left but the sockets of `former`."""
        self.service = service
        self.replacement = None
        self.log.settle(service.log, time_stamps=service.log_time_stamps)
        self._policy = Policy(
            service.respawn,
            service.start_timeout,
            service.grace_period,
            one_shot=service.one_shot,
            on_demand=service.is_on_demand,
            is_timer=service.schedule is not None,
        )
        self.runner = Runner(service, self.log, self._around, self.post, self._nursery, former)

    # What others ask.

    @property
    def host(self) -> ServiceHost:
        """What the service's own procedures act through."""
        return self.runner.host

    def post(self, event: Event) -> trio.Event:
        """Let the event be handled; the returned one is set once it is."""
        return self._ask(event).handled

    def _ask(self, event: Event) -> Request:
        request = Request(event)
        if self._is_retired:
            _dismiss(request)
        else:
            self._send.send_nowait(request)
        return request

    async def start(self, *, asked: bool = True) -> None:
        """Start and wait until the service runs. Raises StartFailed."""
        if failure := await self._ask(events.Start(asked)).outcome():
            raise StartFailed(failure.sentence(self.service.name), (*self._last_words(failure), *failure.notes))

    async def stop(self) -> None:
        """Stop and wait until nothing is left."""
        await self._ask(events.Stop()).outcome()

    def adopt(self, process: Process, who: Identity, since: float) -> None:
        """Take a process over that an earlier herdd started at `since` (wall clock). Asked before anything else is."""
        self._inherited, self._inherited_since = (process, who), since
        self.post(events.Adopt())

    def replace(self, service: Service) -> None:
        """Live by another definition, now if nothing runs, else once it has stopped."""
        if self.state.status is Status.STOPPED:
            self._take(service, self.runner.occasions)
        else:
            self.replacement = service

    def retire(self) -> None:
        """Answer everybody who waits or is still to come: nothing will happen here any more."""
        self._is_retired = True
        waiting = [*self._starts, *self._stops]
        with suppress(trio.WouldBlock):
            while True:
                waiting.append(self._receive.receive_nowait())
        for request in waiting:
            _dismiss(request)

    def abandon(self) -> None:
        """KILL whatever runs, without a word: herdd itself is failing."""
        self.runner.abandon()

    def _last_words(self, failure: Failure) -> tuple[str, ...]:
        """What its program printed last, where that may tell more."""
        output = self.runner.output if failure.stage in _STAGES_WITH_OUTPUT else []
        return (f"the last output of {self.service.name}:", *(f"  {line}" for line in output)) if output else ()

    # The task.

    async def run(self) -> None:
        """Handle events until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = self.runner.nursery = nursery
            async for request in self._receive:
                await self._handle(request)
                request.handled.set()

    async def _handle(self, request: Request) -> None:
        event = request.event
        self._register(request)
        if isinstance(event, events.Cleared):
            self._is_clearing = False
            self.runner.drop()
            if self.replacement is not None and self.state.status is Status.STOPPING:
                self._take(self.replacement, self.runner.occasions)
        before = self.state
        try:
            self.state, effects = step(before, event, self._policy, trio.current_time())
        except Impossible as fault:
            # A fault of ours: the service keeps its state, and the log says what to report.
            self._around.warn(f"{self.service.name}: internal fault: {fault}")
            return
        if self.state.status is not before.status:
            # A process that was taken over runs since before this herdd; its end is of today.
            is_of_before = self.runner.is_adopted and self.state.status is Status.RUNNING
            self.since = self._inherited_since if is_of_before else time.time()
            self.runner.stage = None
        if self.state.status is Status.STOPPED and self.state.respawn_at is None:
            # Before anybody hears of it: who was told that it stopped finds nothing of it.
            await self.runner.occasions.release()
        if self.state != before:
            self._around.changed(self, before)
        for effect in effects:
            await self._perform(effect, request)
        if self.state.status is Status.STOPPED and before.status is not Status.STOPPED:
            self._around.stopped(self)

    def _register(self, request: Request) -> None:
        """Now, and not when it was posted: what was handled before it answers others."""
        match request.event:
            case events.Start():
                self._starts.append(request)
            case events.Stop():
                self._stops.append(request)

    async def _perform(self, effect: events.Effect, request: Request) -> None:
        match effect:
            case events.BeginStart():
                self.runner.begin()
            case events.BeginAdoption():
                assert self._inherited is not None
                self.runner.begin_adoption(*self._inherited)
                self._inherited = None
            case events.CancelStart():
                await self.runner.cancel()
            case events.Terminate():
                await self._signal(Signals(self.service.stop_signal))
            case events.Kill():
                await self._signal(SIGKILL)
            case events.SetTimer(timer, delay):
                self._timer.cancel()
                self._timer = trio.CancelScope()
                assert self._nursery is not None
                self._nursery.start_soon(self._run_timer, timer, delay, self._timer)
            case events.ClearTimer():
                self._timer.cancel()
            case events.AnswerStart(failure):
                _answer(self._starts, failure)
            case events.RefuseStart(failure):
                self._starts.remove(request)
                request.answer(failure)
            case events.AnswerStop():
                _answer(self._stops)
            case events.LoseDependents(returns):
                self._around.lose_dependents(self.service.name, returns=returns)

    async def _run_timer(self, timer: events.Timer, delay: float, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep(delay)
            # Fired or replaced, never both: a timer that was replaced meanwhile says nothing.
            if scope is self._timer and not scope.cancel_called:
                self.post(events.TimerFired(timer, self.runner.unready_because))

    async def _signal(self, number: Signals) -> None:
        # What runs on demand must not begin another run.
        await self.runner.cancel()
        # KILL of what TERM found gone says nothing new.
        if not self.runner.signal(number) and not self._is_clearing:
            self._is_clearing = True
            self.post(events.Cleared())


def _answer(requests: list[Request], failure: Failure | None = None) -> None:
    for request in requests:
        request.answer(failure)
    requests.clear()


def _dismiss(request: Request) -> None:
    request.handled.set()
    request.answer(Failure(Stage.REQUIREMENT, "it is not there any more"))
