"""One process of a service: started with what it is due and nothing else, awaited through a pidfd, ended whole.

A service's processes are its main process, that one's descendants, and orphans: descendants that left the tree, for
whom herdd is the subreaper. Orphans are told apart by a mark in their environment, which setsid and fork keep.
One that empties its environment and forks twice is found only when herdd itself stops.
"""

from __future__ import annotations

import ctypes
import errno
import grp
import os
import pwd
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from signal import Signals, pidfd_send_signal

import trio
from attrs import define, field, frozen

from herd.core.events import Ending
from herd.core.service import Program
from herd.daemon.census import Census, environment

MARK = "HERD_INVOCATION"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PR_SET_CHILD_SUBREAPER = 36


class NoIdentity(Exception):
    """There is no such user or group, or herdd may not become it; the text is the end of a sentence."""


@frozen
class Identity:
    """Whom a program runs as, looked up."""

    user: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def identity(program: Program) -> Identity:
    """The program's user and groups. Raises NoIdentity. Blocks: it may ask a network."""
    entry = _user(program.user)
    group = _group(program.group) if program.group else entry.pw_gid
    extra = tuple(_group(name) for name in program.supplementary_groups)
    return Identity(entry.pw_name, entry.pw_uid, group, extra, entry.pw_dir)


def _user(name: str | None) -> pwd.struct_passwd:
    if name is None:
        uid = os.geteuid()
        with suppress(KeyError):
            return pwd.getpwuid(uid)
        return pwd.struct_passwd((str(uid), "", uid, os.getegid(), "", "/", ""))
    try:
        return pwd.getpwnam(name)
    except KeyError:
        create = f"useradd --system --user-group --shell /usr/sbin/nologin {name}"
        raise NoIdentity(f"there is no user {name}; create it with: {create}") from None


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise NoIdentity(f"there is no group {name}; create it with: groupadd --system {name}") from None


def become_subreaper() -> None:
    """Let orphaned descendants become our children, not PID 1's (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


class _Awaited:
    """Children that are a service's, or are about to be: not for reap_orphans(), even if they end at once."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        # Programs are executed in threads; while one is, a child that nobody knows may be its.
        self.beginning = 0
        self.lock = threading.Lock()

    @contextmanager
    def newcomer(self) -> Iterator[None]:
        """While a program is executed."""
        with self.lock:
            self.beginning += 1
        try:
            yield
        finally:
            with self.lock:
                self.beginning -= 1


_AWAITED = _Awaited()
_CENSUS = Census(_AWAITED.pids)


@define
class Process:
    """A running program. The output descriptor is the reading end of its standard output and error."""

    pid: int
    output: int
    _pidfd: int
    _mark: str
    _signal: Signals | None = None
    _reaped: bool = False
    _members: dict[int, int] = field(factory=dict)

    async def wait(self) -> Ending:
        """How it ended, as soon as it has."""
        await trio.lowlevel.wait_readable(self._pidfd)
        _AWAITED.pids.discard(self.pid)
        # It has ended: this only collects it.
        result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)  # noqa: ASYNC222
        self._reaped = True
        assert result is not None
        if result.si_code == os.CLD_EXITED:
            return Ending(result.si_status, None, time.time())
        return Ending(None, result.si_status, time.time())

    def signal(self, number: Signals) -> None:
        """Send a signal to every process of the service, now and to those found later (see wait_cleared).

        Once to each: many programs take a second TERM for a wish to end at once.
        """
        # One that has just appeared is found later.
        self._find(_CENSUS.recent())
        self._signal = number
        group = self._signal_group(number)
        for pid, descriptor in self._members.items():
            if pid not in group:
                _send(descriptor, number)

    def _signal_group(self, number: Signals) -> set[int]:
        """Signal the main process and its group in one go; return which other members that reached."""
        if self._reaped:
            # Without its leader the group's number may be another's.
            return set()
        group = {pid for pid in self._members if _group_of(pid) == self.pid}
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        return group

    async def wait_cleared(self) -> None:
        """After wait(): return once no process of the service is left; newcomers get the last signal too."""
        while True:
            # What is done meanwhile, other services' ends, shares one look at the processes.
            asked = time.monotonic()
            await trio.lowlevel.checkpoint()
            self._find(_CENSUS.children(asked))
            if not self._members:
                return
            pid, descriptor = next(iter(self._members.items()))
            await trio.lowlevel.wait_readable(descriptor)
            os.close(self._members.pop(pid))

    def close(self) -> None:
        """Let go of every descriptor."""
        for descriptor in (self._pidfd, self.output, *self._members.values()):
            with suppress(OSError):
                os.close(descriptor)
        self._members.clear()

    def _find(self, children: Mapping[int, list[int]]) -> None:
        """Take in members not known yet and give them the signal that the others had."""
        for pid in members(self.pid, self._mark, children) - self._members.keys() - {self.pid}:
            with suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
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


def members(pid: int, mark: str, children: Mapping[int, list[int]] | None = None) -> set[int]:
    """The living processes below `pid`, and orphans of ours that bear `mark` with all below them.

    By the census given, or else by one taken now.
    """
    if children is None:
        children = _CENSUS.children(time.monotonic())
    found = {orphan for orphan in children.get(os.getpid(), []) if f"{MARK}={mark}".encode() in environment(orphan)}
    waiting = [pid, *found]
    while waiting:
        below = children.get(waiting.pop(), [])
        waiting += below
        found.update(below)
    return found


def spawn(service: str, program: Program, who: Identity) -> Process:
    """Execute the program. Raises OSError. Blocks: call it in a thread, and keep what it returns."""
    mark = secrets.token_hex(16)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reading, False)
    try:
        with _AWAITED.newcomer():
            pid = _execute(program, who, _environment(service, program, who, mark), writing)
            _AWAITED.pids.add(pid)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return Process(pid, reading, os.pidfd_open(pid), mark)


def _execute(program: Program, who: Identity, environment: dict[str, str], output: int) -> int:
    changes_user = os.geteuid() == 0
    try:
        child = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=program.directory,
            env=environment,
            start_new_session=True,
            umask=program.umask,
            user=who.uid if changes_user else None,
            group=who.gid if changes_user else None,
            extra_groups=who.groups if changes_user else None,
        )
    except ValueError as error:
        # A NUL byte in a word, an = in the name of a variable.
        raise OSError(errno.EINVAL, str(error), program.command[0]) from error
    # The exit is ours to collect, by pidfd; Popen shall not try.
    child.returncode = 0
    return child.pid


def _environment(service: str, program: Program, who: Identity, mark: str) -> dict[str, str]:
    clean = {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": who.home, "USER": who.user, "LOGNAME": who.user}
    return {**clean, **program.environment, "HERD_SERVICE": service, MARK: mark}


def reap_orphans() -> None:
    """Collect ended children that no service awaits; stop at one that a service does."""
    with _AWAITED.lock, suppress(ChildProcessError):
        if _AWAITED.beginning:
            # Whoever begins calls this again.
            return
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in _AWAITED.pids:
                # Its own task collects it and calls this again.
                return
            os.waitpid(ended.si_pid, 0)
