"""All services together: one controller each, started and stopped in the order of the graph."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from herd.core import events
from herd.core.errors import NoSuchService, StartFailed
from herd.core.events import Stage, Status
from herd.core.graph import Graph
from herd.core.lifecycle import State
from herd.core.service import Clear, MakeDirectory, Preparation, Service
from herd.core.status import Snapshot
from herd.core.suggest import did_you_mean
from herd.daemon import files
from herd.daemon.compressor import Compressor
from herd.daemon.controller import Controller
from herd.daemon.dbus import connected
from herd.daemon.host import ServiceHost
from herd.daemon.log import ServiceLog
from herd.daemon.process import Identity, NoIdentity, Process, identity, reap_orphans, spawn

# A watcher this many changes behind is let go.
WATCHER_BUFFER = 4096


class Supervisor:
    """The services and what they need of the daemon (controller.Surroundings)."""

    def __init__(self, services: Iterable[Service], log_dir: Path, say: Callable[[str], None]) -> None:
        self.graph = Graph.of(services)
        self._compressor = Compressor()
        self.log = ServiceLog("root", log_dir, compressor=self._compressor)
        self._say = say
        self._watchers: set[trio.MemorySendChannel[Controller]] = set()
        self.controllers = {
            name: Controller(service, ServiceLog(name, log_dir, service.log, compressor=self._compressor), self)
            for name, service in self.graph.services.items()
        }
        self.stop_asked = trio.Event()
        # Lines of herdd's own log, and events to set once all before them are written.
        self._log_send, self._log_receive = trio.open_memory_channel[str | trio.Event](float("inf"))

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the controllers until cancelled."""
        async with trio.open_nursery() as nursery:
            for controller in self.controllers.values():
                nursery.start_soon(controller.run)
            nursery.start_soon(self._write_log)
            nursery.start_soon(self._compressor.run)
            task_status.started()

    def find(self, name: str) -> Controller:
        """The controller of whoever provides `name`. Raises NoSuchService."""
        if name in self.graph.names:
            return self.controllers[self.graph.names[name]]
        known = [*self.graph.names, "root"]
        remedy = did_you_mean(name, known) or f"the services are: {', '.join(sorted(known))}"
        raise NoSuchService(f"cannot find a service {name}; {remedy}")

    # Starting and stopping.

    def start_all(self) -> None:
        """Ask every service that starts with herdd to start; each waits for what it requires."""
        for name in self.graph.start_order():
            if self.graph.services[name].auto_start:
                self.controllers[name].post(events.Start(asked=False))

    async def start(self, name: str) -> None:
        """Start a service and what it requires. Raises StartFailed."""
        await self.controllers[name].start()

    async def stop(self, name: str) -> list[str]:
        """Stop a service, those that require it first. Returns the names of those that had not been stopped."""
        order = [*self.graph.dependents(name), name]
        active = [each for each in order if self.controllers[each].state.status is not Status.STOPPED]
        for each in order:
            await self.controllers[each].stop()
        return active

    async def restart(self, name: str) -> list[str]:
        """Stop, then start what had been running of the service and its dependents. Raises StartFailed."""
        stopped = await self.stop(name)
        await self.start(name)
        again = [each for each in reversed(stopped) if each != name]
        for each in again:
            await self.start(each)
        return [name, *again]

    async def stop_all(self) -> None:
        """Stop everything, each service once all that require it have stopped."""
        stopped = {name: trio.Event() for name in self.controllers}

        async def stop(name: str) -> None:
            for dependent in self.graph.dependents(name):
                await stopped[dependent].wait()
            await self.controllers[name].stop()
            stopped[name].set()

        async with trio.open_nursery() as nursery:
            for name in self.controllers:
                nursery.start_soon(stop, name)

    def hurry(self) -> None:
        """End every process at once."""
        for controller in self.controllers.values():
            controller.post(events.Hurry())

    # What controllers need (controller.Surroundings).

    async def start_requirements(self, name: str) -> None:
        """Bring up what the service requires, side by side. Raises StartFailed."""
        failures: list[str] = []
        asked = self.controllers[name].state.asked

        async def bring_up(need: str) -> None:
            controller = self.controllers[need]
            try:
                # One that waits to respawn keeps its delay.
                await (controller.settled() if controller.state.respawn_at else controller.start(asked=asked))
            except StartFailed as error:
                failures.append(f"it requires {need}, and: {error.message}")

        async with trio.open_nursery() as nursery:
            for need in self.graph.requirements(name):
                nursery.start_soon(bring_up, need)
        if failures:
            raise StartFailed("; ".join(failures))

    async def prepare(self, service: Service) -> Identity:
        """Whom it runs as, and its directories and files in place. Raises OSError, NoIdentity."""
        return await trio.to_thread.run_sync(prepare, service)

    async def spawn(self, service: Service, who: Identity) -> Process:
        """Execute the program, in a thread that is not abandoned. Raises OSError."""
        return await trio.to_thread.run_sync(spawn, service.name, service.program, who)

    async def join_bus(self, service: Service, host: ServiceHost, task_status: trio.TaskStatus[None]) -> None:
        """Hold the connection to the service's bus. Raises BusError before it is there, nothing after."""
        assert service.bus_path is not None
        try:
            async with connected(service.bus_path) as bus:
                host.join_bus(bus)
                task_status.started()
                await trio.sleep_forever()
        finally:
            host.join_bus(None)

    def lose_dependents(self, name: str, *, returns: bool) -> None:
        """Tell all that require the service, directly or not."""
        for dependent in self.graph.dependents(name):
            self.controllers[dependent].post(events.RequirementLost(name, returns))

    def changed(self, controller: Controller, before: State) -> None:
        """Log the change, tell the watchers, and start again whom only this one's absence kept from it."""
        for watcher in list(self._watchers):
            try:
                watcher.send_nowait(controller)
            except trio.WouldBlock:
                self._watchers.discard(watcher)
                watcher.close()
        # A main process that was collected may have hidden ended orphans behind it (see reap_orphans).
        reap_orphans()
        if controller.state.status is before.status:
            return
        self.say(_announcement(controller))
        if controller.state.status is Status.RUNNING:
            self._resume_dependents(controller.service.name)

    def _resume_dependents(self, name: str) -> None:
        for dependent in self.graph.dependents(name):
            state = self.controllers[dependent].state
            waits = state.failure is not None and state.failure.stage is Stage.REQUIREMENT and not state.asked
            if state.status is Status.STOPPED and waits:
                self.controllers[dependent].post(events.Start(asked=False))

    # Observation.

    def say(self, text: str) -> None:
        """One line in herdd's own log."""
        self._say(text)
        self._log_send.send_nowait(text)

    async def _write_log(self) -> None:
        async for line in self._log_receive:
            if isinstance(line, trio.Event):
                line.set()
            else:
                await self.log.write([line.encode()])

    async def flush(self) -> None:
        """Wait until all that was said is in herdd's log."""
        written = trio.Event()
        self._log_send.send_nowait(written)
        await written.wait()

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[trio.MemoryReceiveChannel[Controller]]:
        """The controllers that change, from now on."""
        send, receive = trio.open_memory_channel[Controller](WATCHER_BUFFER)
        self._watchers.add(send)
        try:
            # Not async: between its end and the next line no other task may send to it.
            with receive:
                yield receive
        finally:
            self._watchers.discard(send)
            send.close()

    def snapshot(self, name: str) -> Snapshot:
        """A service as it is now."""
        controller = self.controllers[name]
        due = controller.state.respawn_at
        return Snapshot(
            service=controller.service,
            state=controller.state,
            since=controller.since,
            warnings=tuple(controller.host.warnings),
            respawn_in=None if due is None else max(0.0, due - trio.current_time()),
            dependents=tuple(each for each in self.controllers if name in self.graph.requirements(each)),
            stage=controller.stage,
            lost_lines=controller.log.lost,
        )


def prepare(service: Service) -> Identity:
    """Blocking part of Supervisor.prepare: the user looked up, then each step in order."""
    who = identity(service.program)
    if os.geteuid() != 0 and who.uid != os.geteuid():
        raise NoIdentity(f"only root can run it as {who.user}; leave out its user, or run herdd as root")
    for step in service.preparation:
        _carry_out(step, who)
    return who


def _carry_out(step: Preparation, who: Identity) -> None:
    if isinstance(step, MakeDirectory):
        files.make_directory(step.path, step.mode, who.uid, who.gid)
    elif isinstance(step, Clear):
        files.clear(step.directory, step.names)
    else:
        files.write_file(step.path, step.content, step.mode, who.uid, who.gid)


def _announcement(controller: Controller) -> str:
    name, state = controller.service.name, controller.state
    match state.status:
        case Status.RUNNING:
            return f"Service {name} is running (pid {state.pid})."
        case Status.STARTING:
            return f"Service {name} is being started."
        case Status.STOPPING:
            if state.failure is not None:
                return f"Service {name} could not be started: {state.failure.reason}."
            return f"Service {name} is being stopped{f': {state.cause}' if state.cause else ''}."
        case Status.STOPPED:
            due = " It will be respawned." if state.respawn_at is not None else ""
            disabled = "" if state.enabled else " It is disabled."
            return f"Service {name} has been stopped.{due}{disabled}"
