"""All services together: one controller each, started and stopped in the order of the graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from attrs import evolve

from herd.core import events
from herd.core.errors import NoSuchService, StartFailed
from herd.core.graph import Graph
from herd.core.ledger import Ledger
from herd.core.role import Access
from herd.core.service import Service
from herd.core.state import State
from herd.core.status import Snapshot
from herd.core.suggest import did_you_mean
from herd.daemon import audit, snapshots
from herd.daemon.accesslist import warnings
from herd.daemon.audit import Audit
from herd.daemon.bulletin import Bulletin, announcement, urgency
from herd.daemon.children import reap_orphans
from herd.daemon.compressor import Compressor
from herd.daemon.config import Configuration
from herd.daemon.confinement import NOWHERE, Confinement
from herd.daemon.controller import Controller
from herd.daemon.enabling import Enabling
from herd.daemon.host import ServiceHost
from herd.daemon.identity import Identity
from herd.daemon.journal import Journal, Line, Priority, is_there
from herd.daemon.launch import launch, prepare
from herd.daemon.limits import OPEN_FILES
from herd.daemon.log import ServiceLog
from herd.daemon.logpolicy import LogPolicy
from herd.daemon.process import Process
from herd.daemon.readers import Readers
from herd.daemon.remembered import DisabledNames, mark_ready
from herd.daemon.secrets import Secrets

if TYPE_CHECKING:
    from herd.daemon.ledger import Book


class Supervisor:
    """The services and what they need of the daemon (controller.Surroundings)."""

    def __init__(
        self,
        configuration: Configuration,
        read: Callable[[], Configuration],
        log_dir: Path,
        processes_dir: Path,
        disabled: DisabledNames,
        state_dir: Path,
        show: Callable[[Sequence[Line]], None],
        confinement: Confinement = NOWHERE,
    ) -> None:
        # Reads the configuration; blocks. Raises ConfigurationError.
        self.read = read
        self.reloading = trio.Lock()
        self.graph = Graph.of(())
        self._compressor = Compressor()
        self.log_policy = configuration.log
        self.people = configuration.people
        self.access = configuration.access
        self._log_dir = log_dir
        self.bulletin = Bulletin(self._own_log("root", self.log_policy), show)
        lasting = audit.kept(self.log_policy)
        self.audit = Audit(self._own_log(audit.DONE, lasting), self._own_log(audit.ASKED, lasting))
        self.readers = Readers()
        self.controllers: dict[str, Controller] = {}
        # herdd is to end; for an upgrade, without its services.
        self.end_asked = trio.Event()
        self.is_upgrade = False
        self.processes_dir = processes_dir
        # What services' processes are kept in, where there is any.
        self.confinement = confinement
        # The services whose processes an earlier herdd started.
        self.taken_over: set[str] = set()
        self._ledger_file = state_dir / "ledger.sqlite"
        self.secrets = Secrets(state_dir / "secrets")
        self._book: Book | None = None
        self.enabling = Enabling(self.controllers, disabled, self.warn)
        # Who waits for which services to come up, and those that did.
        self._arrivals: list[tuple[Collection[str], dict[str, Controller]]] = []
        self._scopes: dict[str, trio.CancelScope] = {}
        self._nursery: trio.Nursery | None = None
        self.register(configuration.services)
        self.give_roles(configuration.access)
        self._look_for_journal()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the controllers until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for name in self.controllers:
                self._own(name)
            nursery.start_soon(self.bulletin.run)
            nursery.start_soon(self._compressor.run)
            nursery.start_soon(self.enabling.run)
            task_status.started()

    # Who there is.

    def find(self, name: str) -> Controller:
        """The controller of whoever provides `name`. Raises NoSuchService."""
        if name in self.graph.names:
            return self.controllers[self.graph.names[name]]
        known = [*self.graph.names, "root"]
        remedy = did_you_mean(name, known) or f"the services are: {', '.join(sorted(known))}"
        raise NoSuchService(f"cannot find a service {name}; {remedy}")

    def register(self, services: Iterable[Service]) -> None:
        """Make these the services: new ones get a controller, known ones a replacement if they are others now.

        Those that are left out are still there: forget() them.
        """
        services = list(services)
        if missing := OPEN_FILES.make_room(len(services)):
            self.warn(f"herdd may need {missing} open files more than it is allowed; raise its limit (LimitNOFILE=).")
        for service in services:
            if lacking := self.confinement.lacking(service.program.limits):
                self.warn(f"cannot limit {service.name}: {lacking}.")
            known = self.controllers.get(service.name)
            if known is None:
                enabled = self.enabling.is_enabled(service.name)
                self.controllers[service.name] = Controller(service, self._log(service), self, enabled=enabled)
                self._own(service.name)
            elif service != (known.replacement or known.service):
                known.replace(service)
        self.graph = Graph.of(services)

    def _log(self, service: Service) -> ServiceLog:
        return ServiceLog(
            service.name,
            self._log_dir,
            service.log,
            time_stamps=service.log_time_stamps,
            policy=self.log_policy,
            compressor=self._compressor,
            spool=self.processes_dir / f"{service.name}.output",
            journal=Journal(service.name),
        )

    def _own_log(self, name: str, policy: LogPolicy) -> ServiceLog:
        # Whatever is said of the others, herdd's own tell when something was.
        return ServiceLog(name, self._log_dir, time_stamps=True, policy=policy, compressor=self._compressor)

    def keep_logs(self, policy: LogPolicy) -> None:
        """Keep all logs by this policy from now on."""
        self.log_policy = policy
        self._look_for_journal()
        for log in self.audit.logs:
            log.follow(audit.kept(policy))
        for log in (self.bulletin.log, *(controller.log for controller in self.controllers.values())):
            log.follow(policy)

    def give_roles(self, access: Access) -> None:
        """Let these have their roles from now on, those included who are connected."""
        self.access = access
        for warning in warnings(access):
            self.say(warning)

    def _look_for_journal(self) -> None:
        if self.log_policy.journal and not is_there():
            self.warn("cannot write to the journal: there is none; leave journal out of [log]")

    def _own(self, name: str) -> None:
        if self._nursery is not None:
            self._scopes[name] = trio.CancelScope()
            self._nursery.start_soon(self._run_controller, self.controllers[name], self._scopes[name])

    async def _run_controller(self, controller: Controller, scope: trio.CancelScope) -> None:
        with scope:
            await controller.run()

    def forget(self, name: str) -> None:
        """Know the service, which has stopped, no more."""
        controller = self.controllers.pop(name)
        self.graph = Graph.of(each.replacement or each.service for each in self.controllers.values())
        controller.retire()
        self._scopes.pop(name).cancel()

    # What controllers need (controller.Surroundings).

    async def start_requirements(self, name: str) -> None:
        """Bring up what the service requires, side by side. Raises StartFailed."""
        failures: dict[str, StartFailed] = {}
        asked = self.controllers[name].state.asked

        async def bring_up(need: str) -> None:
            controller = self.controllers[need]
            try:
                # One that waits to respawn keeps its delay.
                await controller.start(asked=asked and controller.state.respawn_at is None)
            except StartFailed as error:
                failures[need] = error

        async with trio.open_nursery() as nursery:
            for need in self.unserved(name):
                nursery.start_soon(bring_up, need)
        if failures:
            sentence = "; ".join(f"it requires {need}, and: {error.sentence}" for need, error in failures.items())
            raise StartFailed(sentence, tuple(note for error in failures.values() for note in error.notes))

    def missing_requirement(self, name: str) -> str | None:
        """A requirement whose process ended with the herdd before this one."""
        needs = [self.graph.services[need] for need in self.graph.requirements(name)]
        return next((need.name for need in needs if need.name not in self.taken_over and not need.one_shot), None)

    async def prepare(self, service: Service) -> Identity:
        """Whom it runs as, and its directories and files in place. Raises OSError, NoIdentity."""
        if not service.preparation and not service.program.names_somebody:
            # Whoever runs herdd needs no looking up; a thread would take longer than all there is to do.
            return prepare(service)
        return await trio.to_thread.run_sync(prepare, service)

    async def spawn(
        self, service: Service, words: Sequence[str], who: Identity, extra: dict[str, str], sockets: Sequence[int]
    ) -> Process:
        """Execute the program, in a thread that is not abandoned. Raises OSError."""
        return await trio.to_thread.run_sync(
            launch, service, words, who, self.processes_dir, extra, sockets, self.confinement.groups
        )

    async def remember(self, service: Service, process: Process) -> None:
        """Note that the process serves, for the herdd after this one."""
        await trio.to_thread.run_sync(mark_ready, self.processes_dir, service.name, process.pid)

    def ledger(self, name: str) -> Ledger:
        """The service's part of the ledger."""
        if self._book is None:
            # Not every service keeps one, and SQLite takes its time to be read in.
            from herd.daemon.ledger import Book

            self._book = Book(self._ledger_file)
        return self._book.of(name)

    async def join_bus(self, service: Service, host: ServiceHost, task_status: trio.TaskStatus[None]) -> None:
        """Hold the connection to the service's bus. Raises BusError before it is there, nothing after."""
        # Not every herdd has a bus to join, and this takes its time.
        from herd.daemon.dbus import connected

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
        self.bulletin.publish(controller)
        if controller.state.ending is not before.ending:
            # The main process that was collected may have hidden ended orphans behind it (see reap_orphans).
            reap_orphans()
        if controller.state.enabled is not before.enabled:
            self.enabling.note_change()
        if controller.state.status is before.status:
            return
        self.bulletin.say(announcement(controller), urgency(controller.state))
        if controller.state.serves and not before.serves:
            self._arrived(controller)
        # What it lacked may have come back while word of that loss was on its way.
        if controller.state.awaits_requirement and self._has_all_it_needs(controller.service.name):
            controller.post(events.RequirementBack())

    @contextmanager
    def arriving(self, names: Collection[str]) -> Iterator[dict[str, Controller]]:
        """Those of these that come to serve meanwhile, in that order."""
        arrivals = names, dict[str, Controller]()
        self._arrivals.append(arrivals)
        try:
            yield arrivals[1]
        finally:
            self._arrivals.remove(arrivals)

    def _arrived(self, controller: Controller) -> None:
        name = controller.service.name
        for names, came in self._arrivals:
            if name in names:
                came[name] = controller
        for dependent in self.graph.dependents(name):
            if self.controllers[dependent].state.awaits_requirement:
                self.controllers[dependent].post(events.RequirementBack())

    def _has_all_it_needs(self, name: str) -> bool:
        return all(self.controllers[need].state.serves for need in self.graph.needs(name))

    def advanced(self, name: str) -> None:
        """Show the watchers that a start goes on."""
        self.bulletin.publish(self.controllers[name])

    def unserved(self, name: str) -> list[str]:
        """The requirements that a start of the service has to wait for."""
        return [need for need in self.graph.requirements(name) if not self.controllers[need].state.serves]

    def stopped(self, controller: Controller) -> None:
        """A transient service that has stopped is forgotten."""
        name = controller.service.name
        if controller.service.transient and self.controllers.get(name) is controller:
            self.say(f"Service {name}, which is transient, is forgotten.")
            self.forget(name)

    def say(self, text: str) -> None:
        """One line in herdd's own log."""
        self.bulletin.say(text)

    def warn(self, text: str) -> None:
        """The same, of what should not be so."""
        self.bulletin.say(text, Priority.WARNING)

    async def measured(self, name: str) -> Snapshot:
        """A service as it is now, with what its processes use and where they listen."""
        controller = self.controllers[name]
        known = await snapshots.measured(controller, self.graph.required_by(name))
        return evolve(known, unlimited_because=self.confinement.lacking(controller.service.program.limits))

    def snapshot(self, name: str) -> Snapshot:
        """A service as it is now."""
        return snapshots.snapshot(self.controllers[name], self.graph.required_by(name))
