"""What the daemon lends to a service's own procedures (core/host.py, Host): bus, files, tasks, threads, commands."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from signal import Signals
from typing import Literal, TypeVar

import trio
from attrs import frozen

from herd.core.bus import Bus
from herd.core.errors import HerdError
from herd.core.host import HttpAnswer, Note, Output, Stream
from herd.core.ledger import Ledger
from herd.core.preparation import Clear
from herd.core.service import Service
from herd.core.words import size
from herd.daemon import files, links
from herd.daemon.command import Finished, run_command
from herd.daemon.identity import Identity
from herd.daemon.process import Process
from herd.daemon.secrets import Secrets
from herd.daemon.watching import watching

Style = Literal["stream", "datagram"]

T = TypeVar("T")

# Of one service, so many run side by side.
_COMMANDS = 8
# Bytes of an answer by HTTP.
_MAX_ANSWER = 4 * 1024 * 1024
# Seconds between two questions whether something is so.
_PAUSE = 0.02
# The last ones that a caller is shown.
_MOST_LINES = 20


@frozen
class Lent:
    """What a host has of the daemon around it."""

    # One line in herdd's own log, and one of what should not be so.
    say: Callable[[str], None]
    warn: Callable[[str], None]
    # The present process.
    process: Callable[[], Process | None]
    ledger: Callable[[], Ledger]
    secrets: Callable[[], Secrets]
    # Another note is to be seen.
    noted: Callable[[], None]
    # The last lines of output.
    output: Callable[[], list[str]]
    # Have the service stopped.
    stop: Callable[[], None]
    # The descriptors that herdd listens with for the service.
    sockets: Callable[[], list[int]]


class ServiceHost:
    """The Host of one service; `join_bus` and `become` are called by its controller as the start goes on."""

    def __init__(self, service: Service, lent: Lent) -> None:
        self._name = service.name
        self._program = service.program
        self._lent = lent
        self._at_once = trio.CapacityLimiter(_COMMANDS)
        self._bus: Bus | None = None
        self._who: Identity | None = None
        self.warnings: list[str] = []
        self._notes: dict[str, tuple[Note, ...]] = {}
        self._turn = trio.Lock()

    def begin(self) -> None:
        """A new start: what the last one warned of is over."""
        self.warnings.clear()
        self._notes.clear()

    def become(self, who: Identity) -> None:
        """Whose files write_file makes, and as whom commands run."""
        self._who = who

    def join_bus(self, bus: Bus | None) -> None:
        """The bus procedures talk to from now on."""
        self._bus = bus

    @property
    def bus(self) -> Bus:
        """The service's bus. Raises HerdError while it has none."""
        if self._bus is None:
            raise HerdError(f"cannot reach {self._name}: it is not running; start it with: herd start {self._name}")
        return self._bus

    @property
    def ledger(self) -> Ledger:
        """What lasts of the service's moderation."""
        return self._lent.ledger()

    def now(self) -> float:
        """Wall-clock seconds."""
        return time.time()

    def say(self, text: str) -> None:
        """One line in herdd's own log."""
        self._lent.say(text)

    def publish(self, topic: str, notes: Sequence[Note]) -> None:
        """Have these notes shown by status and to watchers, in place of others on the topic."""
        if self._notes.get(topic, ()) != (found := tuple(notes)):
            self._notes[topic] = found
            self._lent.noted()

    @property
    def notes(self) -> tuple[Note, ...]:
        """All that was published."""
        return tuple(note for notes in self._notes.values() for note in notes)

    def alone(self) -> AbstractAsyncContextManager[None]:
        """A turn in which no other procedure of the service has its own."""
        return self._turn

    def warn(self, text: str) -> None:
        """Keep the warning for status and for whoever waits for the start, and log it."""
        self.warnings.append(text)
        self._lent.warn(text)

    async def secret(self, name: str) -> str:
        """The text of that name."""
        return await self._lent.secrets().get(name)

    async def renew_secret(self, name: str) -> str:
        """Another in its place."""
        return await self._lent.secrets().renew(name)

    async def keep_secret(self, name: str, text: str) -> None:
        """This one in its place."""
        await self._lent.secrets().keep(name, text)

    def connected(self, address: str, port: int, source: str | None = None) -> AbstractAsyncContextManager[Stream]:
        """A connection from entry to exit."""
        return links.connected(address, port, source)

    async def ask_datagram(self, address: str, port: int, question: bytes) -> bytes:
        """The first answer to a datagram."""
        return await links.ask_datagram(address, port, question)

    async def fetch(self, url: str, *, method: str = "GET", content: bytes | None = None) -> HttpAnswer:
        """An answer by HTTP."""
        # Not every service speaks it, and h11 takes its time to be read in.
        from herd.daemon.http import fetch

        return await fetch(url, method, content, _MAX_ANSWER)

    async def until(self, check: Callable[[], Awaitable[str | None]], seconds: float) -> str | None:
        """Ask until the answer is None; the last answer where that takes longer."""
        reason: str | None = "it does not answer"
        with trio.move_on_after(seconds):
            # Nobody tells when it comes to be so: ASYNC110 asks for an event.
            while (reason := await check()) is not None:  # noqa: ASYNC110
                await trio.sleep(_PAUSE)
        return reason

    def output(self) -> list[str]:
        """The last lines that the program printed."""
        return self._lent.output()

    async def pause(self, seconds: float) -> None:
        """Wait."""
        await trio.sleep(seconds)

    def watching(self, paths: Sequence[Path]) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Tells when one of the files may have changed."""
        return watching(paths)

    async def is_executable(self, path: Path) -> bool:
        """Whether there is a program."""
        return await trio.to_thread.run_sync(lambda: path.is_file() and os.access(path, os.X_OK))

    async def taker(self, host: str, port: int, style: Style = "stream") -> str | None:
        """Who takes what comes for an address, and is not the service."""
        return await trio.to_thread.run_sync(_taker, host, port, style, self._pids, self._lent.sockets())

    async def listens(self, host: str, port: int, style: Style = "stream") -> bool:
        """Whether the service takes what comes for an address."""
        return await trio.to_thread.run_sync(_listens, host, port, style, self._pids)

    def _pids(self) -> set[int]:
        process = self._lent.process()
        return set() if process is None else process.pids()

    def stop(self) -> None:
        """Have the service stopped."""
        self._lent.stop()

    def signal(self, number: int) -> None:
        """Signal the main process."""
        if (process := self._lent.process()) is not None:
            process.signal_main(Signals(number))

    async def read_file(self, path: Path, limit: int) -> bytes:
        """A file's bytes, read in a thread."""
        return await trio.to_thread.run_sync(files.read_file, path, limit)

    async def read_guarded(self, path: Path, limit: int) -> bytes:
        """The same where the service's user may have laid links."""
        return await trio.to_thread.run_sync(files.read_guarded, path, limit)

    async def is_private(self, path: Path) -> bool:
        """Whether the file's mode lets only its owner read it."""
        return await trio.to_thread.run_sync(lambda: path.stat().st_mode & 0o044 == 0)

    async def write_file(self, path: Path, content: bytes, mode: int) -> None:
        """A file of the service's user, written in a thread."""
        assert self._who is not None
        await trio.to_thread.run_sync(files.write_file, path, content, mode, self._who.uid, self._who.gid)

    async def remove_file(self, path: Path) -> None:
        """Remove a file in a thread; done even by whoever is cancelled, for it may hold a secret."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(files.remove_file, path)

    async def names(self, directory: Path) -> list[str]:
        """The names in a directory, read in a thread."""
        return await trio.to_thread.run_sync(files.names, directory)

    async def clear(self, what: Clear) -> None:
        """Remove trees in a thread."""
        await trio.to_thread.run_sync(files.clear, what.directory, what.names)

    async def unbroken(self, procedure: Callable[[], Awaitable[T]]) -> T:
        """A procedure that whoever cancels its caller waits for."""
        with trio.CancelScope(shield=True):
            return await procedure()
        raise AssertionError("nothing cancels it")

    async def within(self, seconds: float, procedure: Callable[[], Awaitable[T]]) -> T:
        """A procedure under a time limit. Raises TimeoutError."""
        with trio.move_on_after(seconds):
            return await procedure()
        raise TimeoutError(f"it took more than {seconds:g} seconds")

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run blocking work in a thread."""
        return await trio.to_thread.run_sync(function)

    async def run(self, command: Sequence[str], *, timeout: float, limit: int, content: bytes | None = None) -> Output:
        """Run a command beside the program; those of one service that are too many at once wait for their turn."""
        assert self._who is not None
        async with self._at_once:
            process = self._lent.process()
            extra = {} if process is None else {"MAINPID": str(process.pid)}
            try:
                finished = await run_command(
                    self._name, self._program, self._who, command, extra, content=content, timeout=timeout, limit=limit
                )
            except OSError as error:
                return Output("", failure=_refusal(error, command))
        failure = _failure(finished, timeout, limit)
        return Output(finished.output.decode("utf-8", "replace"), _lines(finished.messages), failure)

    async def gather(self, procedures: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
        """All at once; results in the order of the procedures."""
        results: dict[int, T] = {}

        async def run(index: int, procedure: Callable[[], Awaitable[T]]) -> None:
            results[index] = await procedure()

        try:
            async with trio.open_nursery() as nursery:
                for index, procedure in enumerate(procedures):
                    nursery.start_soon(run, index, procedure)
        except* HerdError as group:
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            # One reason is what a caller can act on; the others are its like.
            failure = error
        else:
            return [results[index] for index in range(len(results))]
        raise failure


def _taker(host: str, port: int, style: Style, pids: Callable[[], set[int]], sockets: Sequence[int]) -> str | None:
    from herd.daemon.listeners import described, owners, taking

    inodes = taking(host, port, style) - {os.fstat(each).st_ino for each in sockets}
    return described(inodes) if inodes and not owners(inodes, pids()) else None


def _listens(host: str, port: int, style: Style, pids: Callable[[], set[int]]) -> bool:
    from herd.daemon.listeners import owners, taking

    return bool(owners(taking(host, port, style), pids()))


def _refusal(error: OSError, command: Sequence[str]) -> str:
    """Why the command was not executed, as the end of a sentence."""
    if isinstance(error, FileNotFoundError) and error.filename == command[0]:
        return f"there is no program {command[0]}"
    return f"{f'{error.filename}: ' if error.filename else ''}{error.strerror}"


def _failure(finished: Finished, timeout: float, limit: int) -> str | None:
    """Why it did not do what it is for, as the end of a sentence."""
    if finished.late:
        return f"its program took more than {timeout:g} seconds and was ended"
    if finished.too_much:
        return f"its program printed more than {size(limit)} and was ended"
    return None if finished.ending.code == 0 else f"its program {finished.ending.words}"


def _lines(messages: bytes) -> tuple[str, ...]:
    lines = messages.decode("utf-8", "replace").splitlines()
    return tuple([line for line in lines if line.strip()][-_MOST_LINES:])
