"""Runs a command on behalf of a service, to its end: a probe's (probe.py) or an action's (host.py).

It runs as the service's program does, in a group of its own. Whatever way it ends, by itself, late, or broken off from
outside, all that it left is ended before anybody is told.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from functools import partial
from signal import SIGKILL

import trio
from attrs import define, evolve, field, frozen

from herd.core.events import Ending
from herd.core.service import Program
from herd.daemon.children import reap_orphans
from herd.daemon.execution import FIRST_SOCKET, output_pipe
from herd.daemon.identity import Identity
from herd.daemon.process import Process, spawn

# Of what it says on standard error the end is kept. Bytes.
MOST_MESSAGES = 16 * 1024
_BLOCK = 65536
# As many blocks as the largest pipe holds (/proc/sys/fs/pipe-max-size).
_MOST_BLOCKS = 16


@frozen
class Finished:
    """How a command ended and what it wrote; one that was `late` or wrote `too_much` was ended for that."""

    ending: Ending
    output: bytes
    messages: bytes
    late: bool
    too_much: bool


async def run_command(
    service: str,
    program: Program,
    who: Identity,
    command: Sequence[str],
    extra: Mapping[str, str] | None = None,
    *,
    content: bytes | None = None,
    timeout: float = math.inf,
    limit: int | None = None,
) -> Finished:
    """Run it in the program's place. More than `limit` bytes of output are too much; None: nobody wants to see any.

    `content` is what it reads on standard input. Raises OSError where it cannot be executed. To be cancelled at any
    time.
    """
    begin = partial(_begin, service, evolve(program, command=tuple(command)), who, extra)
    if content is not None:
        begin = partial(_begin_with_input, service, evolve(program, command=_reading(command)), who, extra, content)
    started = await trio.to_thread.run_sync(begin, limit)
    process = started.process
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(started.read, process.output)
            nursery.start_soon(started.read, started.errors)
            with trio.move_on_after(timeout) as patience:
                await started.wait()
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await started.end()
    assert started.ending is not None
    return Finished(
        ending=started.ending,
        output=bytes(started.output),
        messages=bytes(started.messages),
        late=patience.cancelled_caught,
        too_much=started.is_over_limit,
    )


def _reading(command: Sequence[str]) -> tuple[str, ...]:
    """The same, with descriptor 3 as its standard input."""
    return ("/bin/sh", "-c", f'exec "$@" <&{FIRST_SOCKET} {FIRST_SOCKET}<&-', "sh", *command)


def _begin_with_input(
    service: str, program: Program, who: Identity, extra: Mapping[str, str] | None, content: bytes, limit: int | None
) -> _Started:
    # In memory alone: it may be a password.
    with os.fdopen(os.memfd_create("input", os.MFD_CLOEXEC), "w+b") as given:
        # And for whoever reads it alone, though /proc names it.
        os.fchmod(given.fileno(), 0o600)
        if os.geteuid() == 0:
            os.fchown(given.fileno(), who.uid, who.gid)
        given.write(content)
        given.flush()
        given.seek(0)
        return _begin(service, program, who, extra, limit, (given.fileno(),))


def _begin(
    service: str,
    program: Program,
    who: Identity,
    extra: Mapping[str, str] | None,
    limit: int | None,
    descriptors: Sequence[int] = (),
) -> _Started:
    reading, writing = output_pipe(who)
    try:
        return _Started(spawn(service, program, who, extra, descriptors, writing), reading, limit)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)


@define
class _Started:
    """A command under way, the reading end of its standard error, and what it has written so far."""

    process: Process
    errors: int
    limit: int | None
    output: bytearray = field(factory=bytearray)
    messages: bytearray = field(factory=bytearray)
    ending: Ending | None = None

    @property
    def is_over_limit(self) -> bool:
        return self.limit is not None and len(self.output) > self.limit

    async def read(self, descriptor: int) -> None:
        """Take what it writes there, lest it wait for a reader."""
        while True:
            await trio.lowlevel.wait_readable(descriptor)
            if not self._take(descriptor):
                return

    def _take(self, descriptor: int) -> bool:
        """One block; whether there may be more."""
        data = os.read(descriptor, _BLOCK)
        if descriptor == self.errors:
            self.messages += data
            del self.messages[:-MOST_MESSAGES]
        elif self.limit is not None and not self.is_over_limit:
            self.output += data
            if self.is_over_limit:
                self.process.signal(SIGKILL)
        return bool(data)

    async def wait(self) -> None:
        """Once: its first process has ended."""
        self.ending = await self.process.wait()

    async def end(self) -> None:
        """Leave nothing of it; what it wrote last is read."""
        process = self.process
        process.signal(SIGKILL)
        if self.ending is None:
            await self.wait()
        await process.wait_cleared()
        reap_orphans()
        for descriptor in (process.output, self.errors):
            self._take_rest(descriptor)
        process.close()
        os.close(self.errors)

    def _take_rest(self, descriptor: int) -> None:
        """What is there now: a process that could not be found may still write."""
        try:
            for _ in range(_MOST_BLOCKS):
                if not self._take(descriptor):
                    return
        except BlockingIOError:
            pass
