"""What one herdd leaves for the next: who is disabled, and which processes run.

Disabled names outlive the machine's power: they are written whole, synced and renamed. Processes outlive herdd alone,
so their records lie in the runtime directory, a file each, unsynced; a record counts only if its process is still the
same one (pid, start time, boot, and the mark in its environment). All functions block: call them in a thread.
"""

from __future__ import annotations

import functools
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from attrs import asdict, evolve, field, frozen

from herd.core.errors import HerdError
from herd.core.service import Program
from herd.daemon import process
from herd.daemon.census import hold, mark_of
from herd.daemon.cgroups import Groups
from herd.daemon.process import Process

_MAX_RECORD = 64 * 1024


@frozen
class Record:
    """One running process. `start_time` is in clock ticks since the boot (proc_pid_stat(5)), `since` wall-clock."""

    service: str
    pid: int
    start_time: int
    boot_id: str
    mark: str
    # The program as it was executed, to tell whether the definition is another now.
    program: str
    since: float
    is_ready: bool = False
    # What its control group was told at its start (Limits.files).
    limits: Mapping[str, str] = field(factory=dict)


def home(directory: Path) -> str:
    """What the marks of all processes begin with that herdds of this directory start. Raises HerdError.

    No path, for that may be the same in a container. It is made by the first herdd, whole or not at all. Asked by the
    sole daemon.
    """
    path = directory / "home"
    try:
        with suppress(FileNotFoundError):
            if text := path.read_text().strip():
                return f"{text}-"
        text = secrets.token_hex(8)
        temporary = path.with_suffix(".new")
        temporary.write_text(text)
        temporary.replace(path)
    except OSError as error:
        remedy = f"let herdd read and write {path}, and make room where there is none"
        raise HerdError(f"cannot use the directory {directory}: {error.strerror}; {remedy}") from error
    return f"{text}-"


def left_home(directory: Path) -> str:
    """The same for what a herdd has left; empty if it has left no record, for then it has ended in order.

    Raises HerdError.
    """
    return home(directory) if any(directory.glob("*.json")) else ""


def digest(program: Program) -> str:
    """What two equal programs share and others do not."""
    return sha256(repr(program).encode()).hexdigest()


@functools.cache
def boot_id() -> str:
    """This boot's own number (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """When a process began; None for one that is not there."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field, in parentheses, may hold anything; the 22nd is the start time.
    return int(stat.rpartition(b")")[2].split()[19])


def save(directory: Path, record: Record) -> None:
    """Write the record, over the service's last one. Raises OSError.

    By one write(2) of one line, which no KILL cuts in two; what a longer one before it leaves behind that line is not
    read.
    """
    line = json.dumps(asdict(record, recurse=False)) + "\n"
    descriptor = os.open(f"{directory}/{record.service}.json", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def mark_ready(directory: Path, service: str, pid: int) -> None:
    """Say in the record that the service was ready, and which process is its main one."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        record = _load(directory / f"{service}.json")
        begun = start_time(pid)
        if begun is not None:
            save(directory, evolve(record, pid=pid, start_time=begun, is_ready=True))


def load(directory: Path) -> list[Record]:
    """Every record that can be read; the others are as good as none."""
    found = []
    for path in sorted(directory.glob("*.json")):
        with suppress(OSError, ValueError, TypeError, KeyError):
            found.append(_load(path))
    return found


def _load(path: Path) -> Record:
    with path.open("rb") as file:
        return Record(**json.loads(file.readline(_MAX_RECORD)))


def forget(directory: Path, services: Iterable[str]) -> None:
    """Remove records."""
    for service in services:
        (directory / f"{service}.json").unlink(missing_ok=True)


def is_same(record: Record) -> bool:
    """Whether the pid of a record is still that process's.

    Some programs write over their environment, and their mark with it; another mark says that it is another process.
    """
    if record.boot_id != boot_id() or start_time(record.pid) != record.start_time:
        return False
    return mark_of(record.pid) in (record.mark, None)


def reclaim(record: Record, groups: Groups | None) -> Process | None:
    """The process of a record, if it is still the same one; its output is read again from where it was left."""
    try:
        descriptor = hold(record.pid)
    except OSError:
        return None
    # The pid is held now: what is read of it below is of the process that the descriptor means.
    if is_same(record):
        with suppress(OSError):
            group = None if groups is None else groups.of(record.service, record.pid)
            return process.reclaim(record.pid, descriptor, record.mark, group)
    os.close(descriptor)
    return None


class DisabledNames:
    """The names of disabled services, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.names: frozenset[str] = frozenset()
        with suppress(OSError, ValueError):
            self.names = frozenset(name for name in json.loads(path.read_bytes()) if isinstance(name, str))

    def save(self, names: Iterable[str]) -> None:
        """Keep these from now on, whatever happens. Raises OSError."""
        kept = frozenset(names)
        temporary = self._path.with_suffix(".new")
        with temporary.open("w") as file:
            json.dump(sorted(kept), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        self.names = kept
