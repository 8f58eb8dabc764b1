"""One measurement of one supervisor each, from outside: what runs is what /proc shows, whatever the supervisor says.

Nothing outlives `running`: this process is the subreaper of all that it starts, and ends it at once.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL
from time import perf_counter

from attrs import frozen

import proc
from bench_theirs import run
from peers import PROGRAM, Peer, Request

_PATIENCE = 120.0
# runsv and s6-supervise wait for a second before they respawn a program that has lived for less.
_LIFE = 1.2
# A thread of trio's with nothing to do ends after ten seconds.
_THREADS_END = 12.0
# A number, and as much again as makes a hundred bytes.
_LINE = b"%012d" + b"x" * 87 + b"\n"
_LINES_OF_MEGABYTE = 10_000
_LAST_LINE = b"the last line\n"


@frozen
class Running:
    """A supervisor all of whose services run, and the seconds that took."""

    peer: Peer
    daemon: subprocess.Popen[bytes]
    taken: float

    def programs(self) -> list[proc.Entry]:
        """The services' processes."""
        return [each for each in proc.below(self.daemon.pid) if each.command == PROGRAM[0]]

    def supervisors(self) -> list[int]:
        """The supervisor and its helpers."""
        helpers = self.peer.helpers
        return [self.daemon.pid, *(each.pid for each in proc.below(self.daemon.pid) if each.command in helpers)]


@contextmanager
def running(kind: type[Peer], count: int) -> Iterator[Running]:
    """So many services, in a directory that is removed."""
    with _home() as home:
        peer = kind(home)
        peer.configure(count)
        before = len(proc.pids())
        begin = perf_counter()
        with _launched(peer) as daemon:
            # To look at every process takes a processor that the supervisor could use: not before there are enough.
            _until(
                peer, daemon, lambda: len(proc.pids()) - before >= 0.9 * count and _count(daemon.pid) >= count, 0.002
            )
            yield Running(peer, daemon, perf_counter() - begin)


@contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="herd-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def _launched(peer: Peer) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield peer.launch()
    finally:
        proc.kill_below(os.getpid())


def _count(daemon: int) -> int:
    return sum(each.command == PROGRAM[0] for each in proc.below(daemon))


def _until(peer: Peer, daemon: subprocess.Popen[bytes], condition: Callable[[], bool], pause: float) -> None:
    end = perf_counter() + _PATIENCE
    while not condition():
        if daemon.poll() is not None or perf_counter() > end:
            said = (peer.home / "said").read_text(errors="replace")[-2000:]
            raise SystemExit(f"cannot measure {peer.name}: it does not do what was asked\n{said}")
        time.sleep(pause)


def stop(it: Running) -> float:
    """The seconds from the signal until neither the supervisor nor anything that it started is left."""
    begin = perf_counter()
    it.daemon.send_signal(it.peer.stop_signal)
    # Popen.wait() would look every 50 milliseconds.
    os.waitpid(it.daemon.pid, 0)
    while proc.below(os.getpid()):
        time.sleep(0.001)
    return perf_counter() - begin


def status(it: Running, service: str | None) -> float:
    """The seconds of a whole command."""
    return run(it.peer.status(service), it.peer.environment)


def rate(request: Request, seconds: float) -> float:
    """Answers a second on one connection, each question sent once the answer before it is whole."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PATIENCE)
        connection.connect(os.fspath(request.socket))
        count, begin = 0, perf_counter()
        while (taken := perf_counter() - begin) < seconds:
            connection.sendall(request.data)
            _receive(connection, request)
            count += 1
    return count / taken


def _receive(connection: socket.socket, request: Request) -> None:
    answer = bytearray()
    while not request.whole(answer):
        if not (data := connection.recv(1 << 20)):
            raise SystemExit("cannot measure: the connection was not kept")
        answer += data


def respawns(it: Running, most: int) -> list[float]:
    """For some services, the seconds from KILL until another process of the same parent runs the program."""
    time.sleep(_LIFE)
    return [_respawn(victim) for victim in it.programs()[:most]]


def _respawn(victim: proc.Entry) -> float:
    before = proc.pids()
    begin = perf_counter()
    os.kill(victim.pid, SIGKILL)
    while perf_counter() - begin < _PATIENCE:
        for found in map(proc.entry, proc.pids() - before):
            if found and (found.parent, found.command) == (victim.parent, victim.command):
                return perf_counter() - begin
    raise SystemExit("cannot measure: no process came in the place of one that was killed")


def idle(it: Running, seconds: float) -> tuple[float, int]:
    """The CPU seconds that the supervisor has, and how often it wakes, while nothing happens."""
    end = perf_counter() + _THREADS_END
    while any(len(os.listdir(f"/proc/{pid}/task")) > 1 for pid in it.supervisors()) and perf_counter() < end:
        time.sleep(0.1)
    pids = it.supervisors()
    cpu, switches = proc.cpu(pids), proc.switches(pids)
    time.sleep(seconds)
    return proc.cpu(pids) - cpu, proc.switches(pids) - switches


@contextmanager
def flood(megabytes: int) -> Iterator[Path]:
    """A file of numbered lines to write, in memory."""
    with tempfile.NamedTemporaryFile(prefix="herd-bench-", dir="/dev/shm") as file:
        for begin in range(0, megabytes * _LINES_OF_MEGABYTE, _LINES_OF_MEGABYTE):
            file.write(b"".join(_LINE % number for number in range(begin, begin + _LINES_OF_MEGABYTE)))
        file.write(_LAST_LINE)
        file.flush()
        yield Path(file.name)


def log(kind: type[Peer], source: Path, *, stamped: bool) -> tuple[float, int]:
    """MB a second that one service gets into its log, until the last line is there; and how many lines are wrong."""
    with _home() as home:
        peer = kind(home)
        peer.logs.mkdir()
        peer.configure_log(["cat", str(source)], stamped=stamped)
        with _launched(peer) as daemon:
            _until(peer, daemon, lambda: any(_sizes(peer)), 0.0005)
            begin = perf_counter()
            _until(peer, daemon, lambda: any(map(_is_whole, _logs(peer))), 0.005)
            taken = perf_counter() - begin
        sent = source.stat().st_size
        return sent / 1e6 / taken, _wrong(_logs(peer), (sent - len(_LAST_LINE)) // len(_LINE % 0))


def _logs(peer: Peer) -> list[Path]:
    """Its logs of the service: not its own, nor what svlogd and s6-log keep beside them."""
    return [path for path in peer.logs.iterdir() if path.name not in ("root.log", "config", "lock", "state")]


def _sizes(peer: Peer) -> list[int]:
    return [path.stat().st_size for path in _logs(peer)]


def _is_whole(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-min(100, path.stat().st_size), os.SEEK_END)
            return file.read().endswith(_LAST_LINE)
    except OSError:
        # It was renamed meanwhile.
        return False


def _wrong(logs: list[Path], count: int) -> int:
    """How many of the numbered lines are not there, there again, or not as they were written."""
    times = bytearray(count)
    others = 0
    form = re.compile(rb"(?:\S{20,40} )?(\d{12})x{87}\n")
    for path in logs:
        with path.open("rb") as file:
            for line in file:
                if (found := form.fullmatch(line)) and (number := int(found[1])) < count:
                    times[number] = min(times[number] + 1, 255)
                else:
                    others += not line.endswith(_LAST_LINE)
    return others + times.count(0) + sum(each - 1 for each in times if each > 1)
