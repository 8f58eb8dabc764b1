"""What a service is: a frozen description that the daemon acts on.

A definition says which names it provides, what it requires, what to prepare, which program to run, how it is
known to be ready and well, and which actions it offers (action.py). Procedures (set-up, health) are coroutines
that reach the world only through the Host they are given (host.py).
Vocabulary: the Shepherd manual, "Defining Services".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import Factory, field, frozen

from herd.core.action import Action
from herd.core.completion import Listing
from herd.core.endpoint import Endpoint
from herd.core.host import Host
from herd.core.limits import UNLIMITED, Limits
from herd.core.person import Identity, Moderation
from herd.core.preparation import Preparation
from herd.core.readiness import Probe, Readiness
from herd.core.respawn import Respawn
from herd.core.schedule import Schedule
from herd.core.symptom import Symptom


@frozen
class Program:
    """What to execute, as whom and where. No user means the one who runs herdd."""

    command: tuple[str, ...]
    user: str | None = None
    group: str | None = None
    supplementary_groups: tuple[str, ...] = ()
    directory: Path = Path("/")
    umask: int = 0o077
    environment: Mapping[str, str] = field(factory=dict)
    # NAME=value lines, read at each start; the environment above prevails.
    environment_file: Path | None = None
    # Soft and hard limit by the name of resource(3) without RLIMIT_, in lower case; None: infinity.
    resource_limits: Mapping[str, tuple[int | None, int | None]] = field(factory=dict)
    # Of all its processes together, where herdd has control groups to give.
    limits: Limits = UNLIMITED
    # The Debian package that brings the program, for whoever lacks it.
    package: str = ""

    @property
    def names_somebody(self) -> bool:
        """Whether whom it runs as has to be looked up."""
        return self.user is not None or self.group is not None or bool(self.supplementary_groups)


@frozen
class Health:
    """What is asked every `interval` seconds, for at most `timeout`, once the service runs.

    `check` is a probe, or a procedure that returns when the service is well. The `failures`th failure in a row
    ends the service; those before are warnings.
    """

    check: Probe | Callable[[Host], Awaitable[None]]
    interval: float = 30.0
    timeout: float = 10.0
    failures: int = 3


@frozen
class Service:
    """One service. Seconds throughout; the first name of `provision` is the canonical one."""

    provision: tuple[str, ...]
    program: Program
    documentation: str = "[No description]."
    requirement: tuple[str, ...] = ()
    preparation: tuple[Preparation, ...] = ()
    # What has to be so before anything is started for it, its requirements included. Raises HerdError: what is not.
    preflight: Callable[[Host], Awaitable[None]] | None = None
    # What else is done before the program is executed.
    before: Callable[[Host], Awaitable[None]] | None = None
    # Further words of its command, asked for at each execution: what only the installed program can tell.
    arguments: Callable[[Host], Awaitable[tuple[str, ...]]] | None = None
    # None: once it was executed.
    readiness: Readiness | None = None
    # A bus the daemon connects to once the program runs, for set-up, health and actions.
    bus_path: Path | None = None
    setup: Callable[[Host], Awaitable[None]] | None = None
    # In place of set-up for a process that an earlier herdd set up.
    resumption: Callable[[Host], Awaitable[None]] | None = None
    # What goes on beside the process from set-up to its end; if it returns or fails, the service is unwell.
    companion: Callable[[Host], Awaitable[None]] | None = None
    health: Health | None = None
    respawn: Respawn | None = Respawn()
    start_timeout: float = 90.0
    grace_period: float = 5.0
    # SIGTERM.
    stop_signal: int = 15
    # It has been started once its program ended with 0, and is then stopped; what requires it may run.
    one_shot: bool = False
    # It is forgotten once it has stopped.
    transient: bool = False
    # Sockets that herdd opens for it; lazily, the program is executed at the first connection.
    endpoints: tuple[Endpoint, ...] = ()
    lazy: bool = True
    # It runs without a process, and the program is executed at these times.
    schedule: Schedule | None = None
    # False: its output is thrown away. None: LOG-DIR/NAME.log.
    log: Path | Literal[False] | None = None
    # Whether its lines get time stamps there. None: as the configuration has it for all.
    log_time_stamps: bool | None = None
    auto_start: bool = True
    actions: tuple[Action, ...] = ()
    # How people are banned from it.
    moderation: Moderation | None = None
    # What can stand for an argument of its actions, by its name in the usage, or by that of one action with it,
    # "unban WHO", which prevails. It is asked whenever somebody presses the tabulator key, so nobody may notice it.
    listings: Mapping[str, Listing] = Factory(dict)
    # What its program says of well-known troubles, for `herd why`.
    symptoms: tuple[Symptom, ...] = ()

    @property
    def name(self) -> str:
        """The canonical name."""
        return self.provision[0]

    @property
    def is_on_demand(self) -> bool:
        """Whether its process comes and goes while it runs."""
        return self.schedule is not None or (bool(self.endpoints) and self.lazy)

    @property
    def is_ready_at_once(self) -> bool:
        """Whether it runs as soon as its program was executed."""
        return self.readiness is None and self.setup is None and self.bus_path is None and not self.one_shot

    def action(self, name: str) -> Action | None:
        """The action of that name."""
        return next((action for action in self.actions if action.name == name), None)


@frozen
class Surroundings:
    """Where a definition lives: directories for services' state, sockets and logs, and who runs herdd."""

    state_dir: Path
    services_dir: Path
    log_dir: Path
    user: str
    is_root: bool
    # The host's own name, without its domain.
    host_name: str = "localhost"
    # Mebibytes of memory that it has.
    memory: int = 4096


@frozen
class Section:
    """A table of herd.toml: the attrs class its keys are read into, and the services that come of it.

    `shape` is "one" for `[jami]`, "named" for `[service.NAME]`, "several" for tables that make services together, each
    an attribute of the class; `build` takes the configuration (for "named" a mapping of them by name) and the
    surroundings, and may raise ConfigurationError.
    """

    name: str
    configuration: type[Any]
    build: Callable[[Any, Surroundings], tuple[Service, ...]]
    shape: Literal["one", "named", "several"] = "one"
    # What its servers know people by.
    identity: Identity | None = None
