"""A control group for each service, where systemd has delegated its own to herdd: the kernel's cgroup-v2.rst.

Below the group that systemd made for herdd, `herdd` is for herdd itself and what it asks services by, and
`herd-NAME` for the processes of a service. Rules: a group that has processes gives its children no controllers, so
herdd leaves its own at once; and systemd can put no process into one that does, so the unit takes the controllers
back whenever herdd has ended (ExecStopPost=), and the next herdd gives them out again. What shows that a group is
delegated is an attribute that systemd sets (systemd's CGROUP_DELEGATION.md). All of it blocks: call it in a thread.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from herd.core.limits import Limits

# The second where herdd runs as a user, or may not see the first.
_DELEGATED = ("trusted.delegate", "user.delegate")
_HERDD, _PREFIX = "herdd", "herd-"
# Where systemd runs commands beside the main process.
_LEAVES = (_HERDD, ".control")
_CONTROLLERS = ("memory", "cpu", "pids")


@frozen
class Group:
    """That of one service."""

    path: Path

    def take_in(self, pid: int) -> None:
        """Move a process here. Raises OSError."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def pids(self) -> set[int]:
        """The living processes in it, and in the groups that they may have made below."""
        found: set[int] = set()
        for path in self._all():
            with suppress(OSError):
                found |= _processes(path)
        return found

    def kill(self) -> None:
        """End every process in it at once; before Linux 5.14 nobody."""
        with suppress(OSError):
            (self.path / "cgroup.kill").write_text("1")

    def limit(self, files: Mapping[str, str]) -> None:
        """Let these hold (Limits.files). Raises OSError. Those whose controller is not here are left out."""
        for name, value in files.items():
            with suppress(FileNotFoundError):
                _write(self.path / name, value)

    @property
    def memory(self) -> int | None:
        """Bytes, what the kernel keeps for them included; None without the controller."""
        return self._number("memory.current")

    @property
    def cpu(self) -> float | None:
        """Seconds, of those that have ended too."""
        usage = self._number("cpu.stat", "usage_usec")
        return None if usage is None else usage / 1e6

    @property
    def is_short_of_memory(self) -> bool:
        """Whether the kernel ended one of them, for they would have taken more than they may.

        That alone: oom_kill counts whom it ended for want of memory on the whole machine, too, and without a limit of
        its own a group can be short only of that.
        """
        events = "memory.events.local"
        is_limited = self._number("memory.max") is not None
        return bool(is_limited and self._number(events, "oom") and self._number(events, "oom_kill"))

    def _number(self, file: str, name: str | None = None) -> int | None:
        # What is no number is "max".
        with suppress(OSError, ValueError):
            lines = (self.path / file).read_text().splitlines()
            return next((int(line.split()[-1]) for line in lines if name in (None, line.split()[0])), None)
        return None

    def remove(self) -> None:
        """Let it be no more, if nobody is in it."""
        for path in self._all():
            with suppress(OSError):
                path.rmdir()

    def _all(self) -> Iterator[Path]:
        """It and those below, the lowest first."""
        for path, _, _ in os.walk(self.path, topdown=False):
            yield Path(path)


@frozen
class Groups:
    """Those of all services, below `root`."""

    root: Path

    @classmethod
    def delegated(cls) -> Groups | None:
        """Where herdd, or a command of its unit, may make groups; None where systemd has delegated none."""
        own = _own()
        if own is None:
            return None
        root = own.parent if own.name in _LEAVES else own
        return cls(root) if _is_delegated(root) else None

    def settle(self) -> None:
        """Have herdd itself in a group of its own. Raises OSError where it may not, or shares the unit with others."""
        own = self.root / _HERDD
        if not _processes(self.root) <= {os.getpid()}:
            raise OSError(errno.EBUSY, "processes that are not herdd are in it", str(self.root))
        own.mkdir(exist_ok=True)
        Group(own).take_in(os.getpid())
        self._give_controllers()

    def lacking(self, limits: Limits) -> str:
        """The controllers that these limits need and herdd was not given, as words; empty if there are all."""
        there = (self.root / "cgroup.subtree_control").read_text().split()
        wanted = dict.fromkeys(name.partition(".")[0] for name in limits.files)
        return ", ".join(each for each in wanted if each not in there)

    def make(self, service: str, limits: Limits) -> Group:
        """A group for the service's next process. Raises OSError."""
        group = Group(self.root / f"{_PREFIX}{service}")
        # One that is there still has what an earlier run was limited to, and counted.
        group.remove()
        group.path.mkdir(exist_ok=True)
        group.limit(limits.files)
        return group

    def of(self, service: str, pid: int) -> Group | None:
        """The service's, if the process is in it."""
        group = Group(self.root / f"{_PREFIX}{service}")
        return group if pid in group.pids() else None

    def others(self, services: Collection[str]) -> list[Group]:
        """Those of services that are not among these."""
        kept = {f"{_PREFIX}{service}" for service in services}
        return [Group(path) for path in self.root.glob(f"{_PREFIX}*") if path.name not in kept]

    def all(self) -> list[Group]:
        """Those of all services, and that of herdd, where the commands are that it had under way."""
        return [*self.others(()), Group(self.root / _HERDD)]

    def _give_controllers(self) -> None:
        there = (self.root / "cgroup.controllers").read_text().split()
        for each in _CONTROLLERS:
            if each in there:
                # A machine that has it may still forbid it, for threads of real-time priority for instance.
                with suppress(OSError):
                    _write(self.root / "cgroup.subtree_control", f"+{each}")


def _write(path: Path, text: str) -> None:
    """Into a file that is there: the kernel makes them. Raises OSError that names it."""
    with path.open("r+") as file:
        file.write(text)


def _processes(path: Path) -> set[int]:
    """Those in the group itself. Raises OSError."""
    # Of a process that is outside of our namespace the kernel says 0.
    return set(map(int, (path / "cgroup.procs").read_text().split())) - {0}


def _is_delegated(path: Path) -> bool:
    for name in _DELEGATED:
        with suppress(OSError):
            if os.getxattr(path, name) == b"1":
                return True
    return False


def _own() -> Path | None:
    """herdd's own group, in version 2; None where that is not to be seen."""
    mount = _mount()
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if mount is not None and line.startswith("0::/"):
                return mount / line.removeprefix("0::/")
    return None


def _mount() -> Path | None:
    """Where the whole hierarchy is mounted (proc_pid_mountinfo(5))."""
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            before, _, after = line.partition(" - ")
            words = before.split()
            if after.startswith("cgroup2 ") and words[3] == "/":
                return Path(words[4])
    return None
