"""What a service is: a frozen description that the daemon acts on.

A definition says which names it provides, what it requires, what to prepare, which program to run, how it is
known to be ready and well, and which actions it offers. Procedures (set-up, health, actions) are coroutines
that reach the world only through the Host they are given, so a definition imports neither trio nor a socket.
Vocabulary: the Shepherd manual, "Defining Services".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from attrs import field, frozen

from herd.core.arguments import Arguments
from herd.core.endpoint import Endpoint
from herd.core.ledger import Change, Entry
from herd.core.readiness import Probe, Readiness
from herd.core.respawn import Respawn
from herd.core.schedule import Schedule
from herd.core.symptom import Symptom

T = TypeVar("T")


class Access(Enum):
    """Who may ask for an action; declared beside each and checked by daemon/access.py alone."""

    READ = "read"
    CHANGE = "change"


@frozen
class BusCall:
    """One D-Bus method call; `body` has one value for each complete type of `signature`."""

    destination: str
    path: str
    interface: str
    member: str
    signature: str = ""
    body: tuple[Any, ...] = ()


@frozen
class BusSignal:
    """One D-Bus signal as received."""

    interface: str
    member: str
    body: tuple[Any, ...]


class Bus(Protocol):
    """A connection to a message bus."""

    async def call(self, call: BusCall, timeout: float = 60.0) -> tuple[Any, ...]:
        """The reply's values. Raises HerdError for an error reply, a time-out (seconds), a lost bus."""
        ...

    def signals(self, interface: str, *members: str) -> AbstractAsyncContextManager[AsyncIterator[BusSignal]]:
        """The named signals from entry to exit of the context, in order, none lost."""
        ...


class Stream(Protocol):
    """A connection to a server. Every method raises OSError, which says why."""

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        ...

    async def receive(self) -> bytes:
        """What comes next; nothing at the end."""
        ...

    async def start_tls(self, name: str, trusted: str) -> None:
        """Encrypt from now on. The server's certificate has to be for `name`, and trusted (PEM) or signed by one."""
        ...


@frozen
class HttpAnswer:
    """A status of HTTP, and what came with it."""

    status: int
    content: bytes = b""


class Ledger(Protocol):
    """The service's part of the ledger of moderation. Every method but wait() raises HerdError if it cannot be kept."""

    async def record(self, changes: Sequence[Change]) -> list[int]:
        """Keep the changes, all or none, whatever happens from then on; their numbers."""
        ...

    async def withdraw(self, numbers: Sequence[int], instead: Sequence[Change] = ()) -> None:
        """Let these not count, for they did not take, and keep others in their place; all of it or nothing."""
        ...

    async def counting(self) -> list[Entry]:
        """The entries that count, those whose time is up among them."""
        ...

    async def history(self) -> list[Entry]:
        """Every entry, the first one first."""
        ...

    async def remember(self, name: str, value: str) -> None:
        """Keep a text under a name, in place of another."""
        ...

    async def forget(self, name: str) -> None:
        """Keep nothing under that name."""
        ...

    async def recall(self, prefix: str = "") -> dict[str, str]:
        """The texts whose names begin so, by name."""
        ...

    @property
    def version(self) -> int:
        """Another number after each change of the ledger; to be asked before the ledger is read."""
        ...

    async def wait(self, version: int, until: float | None) -> None:
        """Return once the ledger is no longer at that version, at the latest at that moment (wall-clock seconds)."""
        ...


@frozen
class Note:
    """What a service tells of itself while it runs: a name and a value for programs, a line for people."""

    name: str
    value: str
    text: str


class Host(Protocol):
    """What a procedure may ask of the daemon, for the service it belongs to."""

    @property
    def bus(self) -> Bus:
        """The service's bus. Raises HerdError while there is none."""
        ...

    @property
    def ledger(self) -> Ledger:
        """What lasts of the service's moderation."""
        ...

    def now(self) -> float:
        """Wall-clock seconds."""
        ...

    def say(self, text: str) -> None:
        """One line in herdd's own log."""
        ...

    def publish(self, topic: str, notes: Sequence[Note]) -> None:
        """Have these, and no others on the topic, shown by status and to watchers until the process ends."""
        ...

    def alone(self) -> AbstractAsyncContextManager[None]:
        """A turn in which no other procedure of the service has its own: to change what others change, too."""
        ...

    async def secret(self, name: str) -> str:
        """The text of that name that only herdd knows: made when first asked for, kept from then on. Raises OSError."""
        ...

    async def renew_secret(self, name: str) -> str:
        """Another in its place. Raises OSError."""
        ...

    def connected(self, address: str, port: int) -> AbstractAsyncContextManager[Stream]:
        """A TCP connection from entry to exit. Raises OSError."""
        ...

    async def fetch(self, url: str, *, method: str = "GET", content: bytes | None = None) -> HttpAnswer:
        """An answer by HTTP to `content`, which is JSON; bounded. Raises OSError, ValueError, which say why."""
        ...

    async def until(self, check: Callable[[], Awaitable[str | None]], seconds: float) -> str | None:
        """Ask again and again until the answer is None, at most so long; else the last answer.

        For what nobody tells of when it comes to be so.
        """
        ...

    def output(self) -> list[str]:
        """The last lines that the program printed."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait before asking again, for what nobody tells of."""
        ...

    def watching(self, paths: Sequence[Path]) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Tells, from entry to exit, when one of the files may have changed. Raises OSError."""
        ...

    async def is_executable(self, path: Path) -> bool:
        """Whether there is a program."""
        ...

    async def taker(self, host: str, port: int, style: Literal["stream", "datagram"] = "stream") -> str | None:
        """Who takes what comes for that address, none of the service's own, as the subject of a sentence."""
        ...

    async def listens(self, host: str, port: int, style: Literal["stream", "datagram"] = "stream") -> bool:
        """Whether a process of the service itself takes what comes for that address."""
        ...

    def stop(self) -> None:
        """Have the service stopped, as if somebody had asked for that."""
        ...

    def signal(self, number: int) -> None:
        """Signal the main process; nothing if there is none."""
        ...

    def warn(self, text: str) -> None:
        """Say that the service runs, but not all of it: shown by status, by start and in the log."""
        ...

    async def read_file(self, path: Path, limit: int) -> bytes:
        """A file's bytes. Raises OSError; a file of more than `limit` bytes is EFBIG."""
        ...

    async def read_guarded(self, path: Path, limit: int) -> bytes:
        """As read_file(), where the service's user may have laid links: they are refused."""
        ...

    async def is_private(self, path: Path) -> bool:
        """Whether nobody but its owner, and root, may read the file. Raises OSError."""
        ...

    async def write_file(self, path: Path, content: bytes, mode: int) -> None:
        """Write a file owned by the service's user, replacing what bears its name, following no link."""
        ...

    async def remove_file(self, path: Path) -> None:
        """Remove a file, following no link; one that is not there is no error."""
        ...

    async def names(self, directory: Path) -> list[str]:
        """What is in a directory of the service's user, reached by no link of its; nothing if it is not there."""
        ...

    async def clear(self, what: Clear) -> None:
        """Remove trees of the service's user, as before a start."""
        ...

    async def unbroken(self, procedure: Callable[[], Awaitable[T]]) -> T:
        """Run a procedure to its end, even for a caller that is broken off meanwhile."""
        ...

    async def gather(self, procedures: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
        """Run all at once and return what each returned, in their order; one that raises cancels the rest."""
        ...

    async def within(self, seconds: float, procedure: Callable[[], Awaitable[T]]) -> T:
        """Run a procedure for at most so long. Raises TimeoutError."""
        ...

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run blocking work outside the main loop."""
        ...

    async def run(self, command: Sequence[str], *, timeout: float, limit: int) -> Output:
        """Run a command as the service's program is run, with $MAINPID, to its end; nothing of it is left.

        It is ended after `timeout` seconds, and when it has printed more than `limit` bytes.
        """
        ...


@frozen
class Output:
    """What a command printed on standard output, and the last lines of its standard error."""

    text: str
    messages: tuple[str, ...] = ()
    # Why it did not do what it is for, as the end of a sentence; None: it ended with 0.
    failure: str | None = None


@frozen
class Reply:
    """What an action answers: an object for programs, text for people, warnings beside it."""

    result: Mapping[str, Any] = field(factory=dict)
    text: str = ""
    warnings: tuple[str, ...] = ()
    exit_status: int = 0
    # What a person at a terminal is shown in place of the text.
    drawing: str | None = None


class Caller(Protocol):
    """Who asks for an action. Files are the caller's: found from its working directory and opened with its rights."""

    @property
    def name(self) -> str:
        """The user's name."""
        ...

    async def read_file(self, name: str, limit: int) -> bytes:
        """The content of a file or a pipe, /dev/stdin and /dev/fd/N among them. Raises HerdError."""
        ...

    async def write_new_files(self, files: Mapping[str, bytes]) -> None:
        """Files that were not there, readable by the caller alone; all or none. Raises HerdError."""
        ...


@frozen
class Invocation:
    """One request for an action: what was given, and who gave it."""

    arguments: Arguments
    caller: Caller


# What no action of a service's may be called: what every service offers, what the command herd does by itself, and what
# `herd doc` takes for words of its own.
TAKEN_NAMES = frozenset(
    {"status", "why", "start", "stop", "restart", "enable", "disable", "doc", "log", "watch", "action", "list-actions"}
)


@frozen
class Action:
    """A verb of a service. `usage` is as core/arguments.py reads it: `CONTACT [ACCOUNT] [--reason TEXT]`."""

    name: str
    documentation: str
    handler: Callable[[Host, Invocation], Awaitable[Reply]]
    usage: str = ""
    access: Access = Access.READ
    # It is broken off when whoever asked for it leaves; others go on to their end, so that nothing is left half done.
    ends_with_caller: bool = False


@frozen
class MakeDirectory:
    """A directory of the service's user, made with its parents before the start."""

    path: Path
    mode: int = 0o700


@frozen
class WriteFile:
    """A generated file of the service's user, written anew at every start."""

    path: Path
    content: bytes
    mode: int = 0o600


@frozen
class Clear:
    """Trees below `directory`, which belongs to the service's user, removed before the start."""

    directory: Path
    names: tuple[str, ...]


Preparation = MakeDirectory | WriteFile | Clear


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
