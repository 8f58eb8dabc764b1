"""What a procedure of a service may ask of the daemon.

Procedures (preflight, set-up, health, companions, actions) reach the world through this alone, so a definition imports
neither trio nor a socket, and what is asked for says by itself what a service can do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from attrs import frozen

from herd.core.bus import Bus
from herd.core.ledger import Ledger
from herd.core.preparation import Clear


class Stream(Protocol):
    """A connection to a server. Every method raises OSError, which says why."""

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        ...

    async def receive(self) -> bytes:
        """What comes next; nothing at the end."""
        ...

    async def start_tls(self, name: str, trusted: str | None) -> None:
        """Encrypt from now on. The server's certificate has to be for `name`, and trusted (PEM) or signed by one.

        None: any certificate will do, for the server is known by other means.
        """
        ...


@frozen
class HttpAnswer:
    """A status of HTTP, and what came with it."""

    status: int
    content: bytes = b""


@frozen
class Note:
    """What a service tells of itself while it runs: a name and a value for programs, a line for people."""

    name: str
    value: str
    text: str
    # It names somebody, or says what somebody did: for moderators.
    is_about_people: bool = False


@frozen
class Output:
    """What a command printed on standard output, and the last lines of its standard error."""

    text: str
    messages: tuple[str, ...] = ()
    # Why it did not do what it is for, as the end of a sentence; None: it ended with 0.
    failure: str | None = None


T = TypeVar("T")


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

    async def keep_secret(self, name: str, text: str) -> None:
        """This one in its place: one line. Raises OSError."""
        ...

    def connected(self, address: str, port: int, source: str | None = None) -> AbstractAsyncContextManager[Stream]:
        """A TCP connection from entry to exit, by one of this host's addresses, `source`. Raises OSError."""
        ...

    async def ask_datagram(self, address: str, port: int, question: bytes) -> bytes:
        """The first answer to a datagram (UDP). Raises OSError. To be ended with within(): it may be lost."""
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
        """Say that the service runs, but not all of it: shown to everybody by status, by start, and in the log.

        So it names nobody.
        """
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

    async def run(self, command: Sequence[str], *, timeout: float, limit: int, content: bytes | None = None) -> Output:
        """Run a command as the service's program is run, with $MAINPID, to its end; nothing of it is left.

        `content` is its standard input. It is ended after `timeout` seconds, and when it has printed more than `limit`
        bytes.
        """
        ...
