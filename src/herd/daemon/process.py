"""One process of a service: started with what it is due and nothing else, awaited through a pidfd, ended whole.

A service's processes are its main process, that one's descendants, and orphans: descendants that left the tree, for
whom herdd is the subreaper. Orphans are told apart by a mark in their environment, which setsid and fork keep, or,
where they have written over it, by their session.
One that empties its environment and forks twice is found by its control group, or, without one, only when herdd itself
stops.
"""

from __future__ import annotations

import errno
import math
import os
import stat
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from signal import Signals, pidfd_send_signal

import trio
from attrs import define, field

from herd.core.events import Ending
from herd.core.service import Program
from herd.daemon.census import MARK, Census, belongs, hold, in_session, living_parent, mark_of, members
from herd.daemon.cgroups import Group
from herd.daemon.children import AWAITED, MARKS
from herd.daemon.execution import environment_of, execute, output_pipe
from herd.daemon.identity import Identity

_CENSUS = Census(AWAITED.pids)


@define
class Process:
    """A running program. The output descriptor is the reading end of its standard output and error."""

    pid: int
    output: int
    _pidfd: int
    mark: str
    group: Group | None = None
    # False for one that an earlier herdd started, unless herdd was only executed anew: another process is its parent.
    _is_child: bool = True
    _signal: Signals | None = None
    _reaped: bool = False
    # When wait() returned (time.monotonic).
    _ended: float = -math.inf
    _members: dict[int, int] = field(factory=dict)

    @property
    def collected(self) -> bool:
        """Whether wait() has returned."""
        return self._reaped

    async def wait(self) -> Ending:
        """How it ended, as soon as it has."""
        await trio.lowlevel.wait_readable(self._pidfd)
        AWAITED.pids.discard(self.pid)
        self._reaped, self._ended = True, time.monotonic()
        # One that herdd has signalled ends for that; the kernel may have ended another of the service's some time ago.
        took_too_much = self._signal is None and self.group is not None and self.group.is_short_of_memory
        if not self._is_child:
            return Ending(None, None, time.time(), took_too_much)
        # It has ended: this only collects it.
        result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)  # noqa: ASYNC222
        assert result is not None
        if result.si_code == os.CLD_EXITED:
            return Ending(result.si_status, None, time.time())
        return Ending(None, result.si_status, time.time(), took_too_much and result.si_status == Signals.SIGKILL)

    def signal(self, number: Signals) -> None:
        """Send a signal to every process of the service, now and to those found later (see wait_cleared).

        Once to each: many programs take a second TERM for a wish to end at once.
        """
        # One that has just appeared is found later.
        self._find(_CENSUS.recent())
        self._signal = number
        if number is Signals.SIGKILL and self.group is not None:
            # Those as well who multiply faster than they are found.
            self.group.kill()
        group = self._signal_group(number)
        for pid, descriptor in self._members.items():
            if pid not in group:
                _send(descriptor, number)

    def signal_main(self, number: Signals) -> None:
        """Send a signal to the main process alone, if it is still there."""
        _send(self._pidfd, number)

    def _signal_group(self, number: Signals) -> set[int]:
        """Signal the main process and its group in one go; return which other members that reached."""
        if not self._is_child:
            # Somebody else collects it, and then the group's number may be another's.
            _send(self._pidfd, number)
        if self._reaped or not self._is_child:
            return set()
        if _group_of(self.pid) != self.pid:
            # One that was adopted may be in the group of a process that has ended.
            _send(self._pidfd, number)
            return set()
        group = {pid for pid in self._members if _group_of(pid) == self.pid}
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        return group

    async def wait_cleared(self) -> None:
        """After wait(): return once no process of the service is left; newcomers get the last signal too."""
        # A look for the signal, or for another service's end, may have been after this one's: it is looked at once.
        since = self._ended
        while True:
            await trio.lowlevel.checkpoint()
            self._find(_CENSUS.children(since))
            if not self._members:
                return
            pid, descriptor = next(iter(self._members.items()))
            await trio.lowlevel.wait_readable(descriptor)
            os.close(self._members.pop(pid))
            since = time.monotonic()

    async def adopt(self, pid: int) -> None:
        """Take a process of the service for its main one, once the one before was collected: wait() is then its.

        Waits until herdd is its parent, for only then is its ending told; to be cancelled at a time limit.
        Raises ProcessLookupError if it is not, or no longer, the service's.
        """
        assert self._reaped
        # From here on reap_orphans() leaves it.
        AWAITED.pids.add(pid)
        try:
            descriptor = hold(pid)
            try:
                await self._orphaned(pid)
            except BaseException:
                os.close(descriptor)
                raise
        except BaseException:
            AWAITED.pids.discard(pid)
            raise
        os.close(self._pidfd)
        if known := self._members.pop(pid, None):
            os.close(known)
        self.pid, self._pidfd, self._reaped = pid, descriptor, False

    async def _orphaned(self, pid: int) -> None:
        """Wait for the end of every parent that the process has before herdd."""
        while (parent := living_parent(pid)) != os.getpid():
            if parent is None or not self.has(pid):
                raise ProcessLookupError(errno.ESRCH, "it is no process of the service", str(pid))
            with suppress(ProcessLookupError):
                descriptor = hold(parent)
                try:
                    await trio.lowlevel.wait_readable(descriptor)
                finally:
                    os.close(descriptor)

    def pids(self) -> set[int]:
        """Every living process of the service, as of a moment ago. Reads /proc: call it in a thread."""
        found = members(self.pid, self.mark, _CENSUS.recent()) | self._grouped()
        return found if self._reaped else found | {self.pid}

    def has(self, pid: int) -> bool:
        """Whether the process is the service's: its main process, below that, or below an orphan of its."""
        place = pid
        while parent := living_parent(place):
            if place == self.pid and not self._reaped:
                return True
            if parent == os.getpid():
                return belongs(place, self.pid, self.mark) or pid in self._grouped()
            place = parent
        # One on the way has ended: what is below it has another parent now.
        return (parent is None and place != pid and self.has(pid)) or pid in self._grouped()

    def may_adopt(self, pid: int, uid: int) -> bool:
        """Whether a pid file of the service's may name this process: it is the service's, or has hidden whose it is.

        Daemons that show their state in the process list (setproctitle) write it over their environment, the mark with
        it. It counts if it is herdd's orphan, hence some service's, and that user's, who could signal it anyway.
        """
        if self.has(pid):
            return True
        with suppress(OSError):
            orphan = living_parent(pid) == os.getpid() and pid not in AWAITED.pids
            # The directory of a process in /proc is its effective user's.
            return orphan and os.stat(f"/proc/{pid}").st_uid == uid and mark_of(pid) is None
        return False

    def close(self) -> None:
        """Let go of every descriptor."""
        for descriptor in (self._pidfd, self.output, *self._members.values()):
            with suppress(OSError):
                os.close(descriptor)
        self._members.clear()
        if self.group is not None:
            self.group.remove()

    def _grouped(self) -> set[int]:
        return set() if self.group is None else self.group.pids()

    def _find(self, children: dict[int, list[int]]) -> None:
        """Take in members not known yet and give them the signal that the others had."""
        found = members(self.pid, self.mark, children) | self._grouped()
        if not self._is_child:
            # Its orphans went to another subreaper.
            found.update(in_session(self.pid, self.mark))
        for pid in found - self._members.keys() - {self.pid}:
            with suppress(ProcessLookupError):
                descriptor = hold(pid)
                self._members[pid] = descriptor
                if self._signal is not None:
                    _send(descriptor, self._signal)


def _group_of(pid: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None


def _send(descriptor: int, number: Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        pidfd_send_signal(descriptor, number)


def reclaim(pid: int, descriptor: int, mark: str, group: Group | None) -> Process:
    """A process that an earlier herdd started, by its pidfd; its output is read on. Raises OSError."""
    output = os.open(f"/proc/{pid}/fd/1", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISFIFO(os.fstat(output).st_mode):
        os.close(output)
        raise OSError(errno.ENXIO, "its output is no pipe")
    is_child = living_parent(pid) == os.getpid()
    if is_child:
        AWAITED.pids.add(pid)
    return Process(pid, output, descriptor, mark, group, is_child)


def spawn(
    service: str,
    program: Program,
    who: Identity,
    extra: Mapping[str, str] | None = None,
    sockets: Sequence[int] = (),
    errors: int | None = None,
    group: Group | None = None,
) -> Process:
    """Execute the program; `sockets` become its descriptors from 3 on, `extra` prevails in its environment.

    Its standard error is `errors`, which stays the caller's, or else part of the output. All its processes are in
    `group`.
    Raises OSError. Blocks: call it in a thread, and keep what it returns.
    """
    mark = MARKS.new()
    environment = {**environment_of(program, who), **(extra or {}), "HERD_SERVICE": service, MARK: mark}
    reading, writing = output_pipe(who)
    try:
        with AWAITED.newcomer():
            pid = execute(program, who, environment, writing, sockets, errors, group)
            AWAITED.pids.add(pid)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return Process(pid, reading, hold(pid), mark, group)
