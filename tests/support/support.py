"""A real herdd for a test: in a short directory of its own, ended at the end, nothing of it left behind.

Rules: a test waits for what herdd says (a line, a change on the Watch stream), never for a time; whatever it waits for
has a deadline, after which it fails with what was seen last. The daemon's first line on standard error announces that
its socket answers. The test's process is the subreaper of whatever herdd would leave.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psutil

from herd.core.protocol import MAX_REPLY, Call, FrameBuffer
from herd.daemon.census import MARK
from herd.daemon.children import become_subreaper

# As long as any single wait may take; a machine under load needs more than a quiet one.
PATIENCE = 60.0
INTERFACE = "org.herdctl.Supervisor"
HERD = (sys.executable, "-c", "from herdctl.cli import main; main()")
HERDD = (sys.executable, "-m", "herd.daemon.main")


# What `herd` tells on standard error while a start or stop is under way.
_STEP = re.compile(r"herd: \S+ (waits for|is not ready yet|is being|is running|is done|has been stopped)")


def as_user(uid: int) -> tuple[str, ...]:
    """`herd` by another uid, which may be unable to read the files of this interpreter: all is imported before."""
    become = f"import os; os.setgroups([]); os.setgid({uid}); os.setuid({uid})"
    return (
        sys.executable,
        "-c",
        f"import json, herdctl.auditing, herdctl.options; from herdctl.cli import main; {become}; main()",
    )


@contextmanager
def as_peer(uid: int, *groups: int) -> Iterator[None]:
    """Whatever is connected meanwhile is that user's, with these groups: the kernel notes it then (unix(7))."""
    before = os.getgroups()
    os.setgroups(groups)
    os.setresgid(-1, groups[0] if groups else uid, -1)
    os.setresuid(-1, uid, -1)
    try:
        yield
    finally:
        os.setresuid(-1, 0, -1)
        os.setresgid(-1, 0, -1)
        os.setgroups(before)


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    # Of what is beyond the first plane it would escape a pair of halves.
    return json.dumps(value, ensure_ascii=False)


def program(name: str, script: str | list[str], **keys: Any) -> str:
    """The table of a service that runs a shell script, or the words of a command; the keys with underscores."""
    command = ["/bin/sh", "-c", script] if isinstance(script, str) else script
    lines = [f"{key.replace('_', '-')} = {toml(value)}" for key, value in {"command": command, **keys}.items()]
    return "\n".join([f"[service.{name}]", *lines]) + "\n"


class Wire:
    """A connection to the socket, message by message."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # With a deadline it would not wait where many connect at once.
        self.socket.connect(os.fspath(path))
        self.socket.settimeout(PATIENCE)
        self._frames: list[bytes] = []
        self._buffer = FrameBuffer(MAX_REPLY)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def send(self, method: str, *, more: bool = False, oneway: bool = False, **parameters: Any) -> None:
        """A call; a method without a dot is the supervisor's."""
        name = method if "." in method else f"{INTERFACE}.{method}"
        self.socket.sendall(Call(name, parameters, more=more, oneway=oneway).encode())

    def receive(self) -> dict[str, Any] | None:
        """The next reply, or None where the other end has closed."""
        while not self._frames:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._frames += self._buffer.feed(data)
        reply: dict[str, Any] = json.loads(self._frames.pop(0))
        return reply

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The reply to a call."""
        self.send(method, **parameters)
        reply = self.receive()
        assert reply is not None, f"no reply to {method}"
        return reply


class Daemon:
    """A herdd that runs, and where it keeps what. Made by `herdd`."""

    def __init__(self, directory: Path, options: tuple[str, ...], inside: tuple[str, ...] = ()) -> None:
        self.directory = directory
        self.config = directory / "herd.toml"
        self.runtime_dir, self.state_dir, self.log_dir = directory / "run", directory / "state", directory / "log"
        self.services_dir = directory / "run-services"
        self.socket = self.runtime_dir / "socket"
        self.lines: list[str] = []
        self.steps: list[str] = []
        self._said = threading.Condition()
        self.process = subprocess.Popen(
            [*inside, *HERDD, *self.arguments, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def arguments(self) -> list[str]:
        """The options that name its places."""
        places = {"config": self.config, "runtime-dir": self.runtime_dir}
        places |= {"state-dir": self.state_dir, "log-dir": self.log_dir}
        return [f"--{option}={path}" for option, path in places.items()]

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                with self._said:
                    self.lines.append(line.rstrip("\n"))
                    self._said.notify_all()

    def said(self, text: str, count: int = 1) -> str:
        """The line of standard error that holds `text` the `count`th time, once it is there."""
        with self._said:
            found = self._said.wait_for(lambda: [each for each in self.lines if text in each][count - 1 :], PATIENCE)
            assert found, f"herdd did not say {text!r}, but:\n" + "\n".join(self.lines)
            return found[0]

    @property
    def environment(self) -> dict[str, str]:
        """What `herd` finds this daemon by; nothing of the terminal that runs the tests."""
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HERD_SOCKET": str(self.socket)}

    def herd(self, *words: str, user: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `herd` to its end, as another uid on request; the steps that it tells of are kept in `steps`."""
        done = subprocess.run(
            [*(HERD if user is None else as_user(user)), *words],
            env=self.environment | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=2 * PATIENCE, check=False,
        )  # fmt: skip
        lines = done.stderr.splitlines(keepends=True)
        self.steps = [line.removeprefix("herd: ").rstrip("\n") for line in lines if _STEP.match(line)]
        done.stderr = "".join(line for line in lines if not _STEP.match(line))
        return done

    def wire(self) -> Wire:
        """A connection to its socket."""
        return Wire(self.socket)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The reply to one call on a connection of its own."""
        with self.wire() as wire:
            return wire.call(method, **parameters)

    def status(self, service: str) -> dict[str, Any]:
        """The facts of a service as it is now."""
        facts: dict[str, Any] = self.call("Status", service=service)["parameters"]["services"][0]
        return facts

    def until(self, service: str, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The facts of a service once they are as wanted: now, or at a change to come."""
        deadline = time.monotonic() + PATIENCE
        facts: dict[str, Any] = {}
        with self.wire() as wire:
            wire.send("Watch", more=True, service=service)
            while (left := deadline - time.monotonic()) > 0:
                wire.socket.settimeout(left)
                with suppress(TimeoutError):
                    reply = wire.receive()
                    assert reply is not None, "herdd ended"
                    facts = reply["parameters"]["service"]
                    if condition(facts):
                        return facts
        raise AssertionError(f"{service} did not come to be as wanted, but is {facts}")

    def until_status(self, service: str, status: str) -> dict[str, Any]:
        """The facts of a service once it is stopped, starting, running or stopping."""
        return self.until(service, lambda facts: facts["status"] == status)

    def remembered(self, service: str) -> None:
        """Return once it has noted for the next herdd that the service was ready, which it does beside saying so."""
        record, end = self.runtime_dir / "processes" / f"{service}.json", time.monotonic() + PATIENCE
        while '"is_ready": true' not in record.read_text():
            assert time.monotonic() < end, record.read_text()

    def log(self, service: str) -> str:
        """A service's log file."""
        return (self.log_dir / f"{service}.log").read_text()

    def written(self, service: str) -> list[str]:
        """The lines of a service's log without their stamps, those included that are on their way into the file."""
        lines: list[str] = self.call("Log", service=service, lines=1000)["parameters"]["lines"]
        return [line.split(" ", 1)[1] for line in lines]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Let a signal end it; the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Its exit status, once it has ended and all it said was read."""
        status = self.process.wait(2 * PATIENCE)
        self._reader.join(PATIENCE)
        return status


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory whose sockets' paths are short enough (107 bytes), open for other users to pass through."""
    directory = Path(tempfile.mkdtemp(prefix="herd-", dir="/tmp"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@contextmanager
def herdd(
    config: str, *options: str, directory: Path | None = None, ends: bool = True, inside: tuple[str, ...] = ()
) -> Iterator[Daemon]:
    """A daemon whose socket answers; afterwards it is told to end, has to end well, and leaves no process.

    Unless `ends`: then the test ends it in a way of its own, and its processes may stay. `inside` are the words before
    its command that put it elsewhere, with the same process id.
    """
    become_subreaper()
    with ExitStack() as stack:
        place = directory or stack.enter_context(short_directory())
        (place / "herd.toml").write_text(config)
        daemon = Daemon(place, options, inside)
        try:
            daemon.said(" listens on ")
            yield daemon
            if not ends:
                return
            left = psutil.Process(daemon.process.pid).children(recursive=True) if daemon.process.poll() is None else []
            if daemon.process.poll() is None:
                daemon.process.terminate()
            assert daemon.wait() == 0, "\n".join(daemon.lines)
            assert not (alive := [each for each in left if _lives(each)]), alive
            assert not (orphans := _marked_children()), orphans
        except BaseException as error:
            _end_at_once(daemon)
            error.add_note("herdd said:\n" + "\n".join(daemon.lines[-30:]))
            raise
        finally:
            _collect()


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def lives(pid: int) -> bool:
    """Whether there is a process of that number that has not ended, collected or not."""
    with suppress(psutil.Error):
        return _lives(psutil.Process(pid))
    return False


def _marked_children() -> list[psutil.Process]:
    """What an ended herdd left to us, its subreaper."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if MARK in child.environ():
                found.append(child)
    return found


def _collect() -> None:
    """Let no ended process of a herdd that was killed lie about in the process table: we are its parent now."""
    for child in psutil.Process().children():
        with suppress(psutil.Error, ChildProcessError):
            if child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)


def _end_at_once(daemon: Daemon) -> None:
    """After a test that failed: no process of it may disturb the next."""
    if daemon.process.poll() is None:
        with suppress(psutil.Error):
            for child in psutil.Process(daemon.process.pid).children(recursive=True):
                child.kill()
        daemon.process.kill()
    daemon.wait()
    # What it had taken over of another, or left to us.
    for orphan in _marked_children():
        with suppress(psutil.Error):
            orphan.kill()
