"""Supervisors to measure beside each other: how each is configured, started, asked and stopped.

Each keeps N services `s0`, `s1`, … that run the same program, in a directory of its own, with its least delay before
a respawn. supervisord and herdd capture the services' output; runsv, s6-supervise and shepherd do not.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from attrs import frozen

from herd.core.protocol import Call

PROGRAM = ("sleep", "infinity")
# More than the most services that are measured.
_ROOM = 5000


@frozen
class Request:
    """A question on a connection that is kept: the bytes to send, and how the end of an answer is known."""

    socket: Path
    data: bytes
    # The length of the answer that the bytes begin with; 0 while it is not whole.
    whole: Callable[[bytes | bytearray], int]


@frozen
class Peer(ABC):
    """A supervisor in `home`, which it has for itself."""

    home: Path
    name: ClassVar[str]
    # What has to be installed.
    programs: ClassVar[tuple[str, ...]]
    # The signal upon which it stops every service and ends.
    stop_signal: ClassVar[int] = signal.SIGTERM
    # Whether it keeps logs with time stamps, and without.
    stamps: ClassVar[tuple[bool, ...]] = (True, False)
    # Programs of its own between it and the services.
    helpers: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def missing(cls) -> list[str]:
        """The programs that are not installed."""
        return [program for program in cls.programs if shutil.which(program) is None]

    @abstractmethod
    def configure(self, count: int) -> None:
        """Write the configuration of so many services."""

    @abstractmethod
    def configure_log(self, command: list[str], *, stamped: bool) -> None:
        """Write the configuration of one service, once, whose output is kept whole in `logs`.

        Files of 64 MiB, as far as it moves any aside, uncompressed, and enough of them. `stamped`: a time stamp a line.
        """

    @abstractmethod
    def command(self) -> list[str]:
        """How it is started, in the foreground."""

    @abstractmethod
    def status(self, service: str | None) -> list[str]:
        """The command that tells of one service, or of all."""

    def request(self, service: str | None) -> Request | None:
        """The same question on a kept connection, where there is one."""
        return None

    @property
    def logs(self) -> Path:
        """Where the output of the one service is kept."""
        return self.home / "log"

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it; what it says goes to a file."""
        self.logs.mkdir(exist_ok=True)
        with (self.home / "said").open("ab") as said:
            return subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=self.home, env=self.environment
            )

    @property
    def environment(self) -> dict[str, str]:
        """What its programs get."""
        return dict(os.environ)


def _until_nul(data: bytes | bytearray) -> int:
    return data.find(b"\0") + 1


def _until_length(data: bytes | bytearray) -> int:
    head = data.find(b"\r\n\r\n") + 4
    if head < 4:
        return 0
    _, _, rest = data[:head].lower().partition(b"content-length:")
    length = head + int(rest.split(b"\r\n", 1)[0])
    return length if len(data) >= length else 0


class Herdd(Peer):
    """Ours."""

    name = "herdd"
    programs = (str(Path(sys.executable).with_name("herdd")),)

    def configure(self, count: int) -> None:
        self._write("".join(self._service(f"s{number}", list(PROGRAM)) for number in range(count)))

    def configure_log(self, command: list[str], *, stamped: bool) -> None:
        policy = f'[log]\nsize = "64MiB"\nkeep = 100\ncompress = false\ntime-stamps = {json.dumps(stamped)}\n'
        self._write(policy + self._service("s0", command, "respawn = false\n"))

    def _service(self, name: str, command: list[str], more: str = "respawn-delay = 0\nrespawn-limit = 0\n") -> str:
        return f"[service.{name}]\ncommand = {json.dumps(command)}\n{more}"

    def _write(self, text: str) -> None:
        (self.home / "herd.toml").write_text(text)

    def command(self) -> list[str]:
        places = {"config": "herd.toml", "runtime-dir": "run", "state-dir": "state", "log-dir": "log"}
        return [*self.programs, *(f"--{option}={self.home / path}" for option, path in places.items())]

    def status(self, service: str | None) -> list[str]:
        return [str(Path(sys.executable).with_name("herd")), "status", *([service] if service else [])]

    def request(self, service: str | None) -> Request:
        call = Call("org.herdctl.Supervisor.Status", {"service": service} if service else {})
        return Request(self.home / "run/socket", call.encode(), _until_nul)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "HERD_SOCKET": str(self.home / "run/socket")}


class Supervisord(Peer):
    """Supervisor (supervisord.org). Its status of one asks for one; a kept connection speaks XML-RPC."""

    name = "supervisord"
    stamps = (False,)
    programs = ("supervisord", "supervisorctl")

    def configure(self, count: int) -> None:
        self._write("".join(self._program(f"s{number}", list(PROGRAM)) for number in range(count)))

    def configure_log(self, command: list[str], *, stamped: bool) -> None:
        rotation = f"stdout_logfile={self.logs}/s0\nstdout_logfile_maxbytes=64MB\nstdout_logfile_backups=100\n"
        self._write(self._program("s0", command, f"autorestart=false\n{rotation}"))

    def _program(self, name: str, command: list[str], more: str = "autorestart=true\n") -> str:
        words = " ".join(command)
        return f"[program:{name}]\ncommand={words}\nstartsecs=0\nredirect_stderr=true\n{more}"

    def _write(self, programs: str) -> None:
        daemon = f"nodaemon=true\nminfds={_ROOM}\nchildlogdir={self.logs}\nlogfile={self.home}/daemon.log\n"
        daemon += f"pidfile={self.home}/pid\n{'user=root' if os.geteuid() == 0 else ''}\n"
        interface = "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface"
        (self.home / "conf").write_text(
            f"[unix_http_server]\nfile={self.home}/socket\n"
            f"[supervisord]\n{daemon}[rpcinterface:supervisor]\n{interface}\n"
            f"[supervisorctl]\nserverurl=unix://{self.home}/socket\n{programs}"
        )

    def command(self) -> list[str]:
        return ["supervisord", "-c", str(self.home / "conf")]

    def status(self, service: str | None) -> list[str]:
        return ["supervisorctl", "-c", str(self.home / "conf"), "status", *([service] if service else [])]

    def request(self, service: str | None) -> Request:
        method = "getProcessInfo" if service else "getAllProcessInfo"
        value = f"<param><value><string>{service}</string></value></param>" if service else ""
        body = f"<methodCall><methodName>supervisor.{method}</methodName><params>{value}</params></methodCall>"
        head = "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
        return Request(self.home / "socket", f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), _until_length)


class _Directories(Peer):
    """Those that keep a directory a service, with a script to run in it."""

    def configure(self, count: int) -> None:
        for number in range(count):
            self._script(f"s{number}/run", f"exec {' '.join(PROGRAM)}")

    def configure_log(self, command: list[str], *, stamped: bool) -> None:
        self._script("s0/run", f"exec {' '.join(command)} 2>&1")
        # Once: its supervisor reads there that it shall stay down.
        self._script("s0/finish", "printf d > supervise/control")
        self._script("s0/log/run", self._logger(stamped=stamped))

    @abstractmethod
    def _logger(self, *, stamped: bool) -> str:
        """What its program of the logs is started with."""

    def _script(self, name: str, line: str) -> None:
        path = self._services / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    @property
    def _services(self) -> Path:
        return self.home / "services"


class Runit(_Directories):
    """runit: a runsv for each service."""

    name = "runit"
    programs = ("runsvdir", "runsv", "sv", "svlogd")
    # TERM ends runsvdir and nothing below it.
    stop_signal = signal.SIGHUP
    helpers = ("runsv", "svlogd")

    def _logger(self, *, stamped: bool) -> str:
        (self.logs / "config").write_text("s67108864\nn0\n")
        return f"exec svlogd {'-t' if stamped else ''} {self.logs}"

    def command(self) -> list[str]:
        return ["runsvdir", str(self._services)]

    def status(self, service: str | None) -> list[str]:
        names = [service] if service else sorted(os.listdir(self._services))
        return ["sv", "status", *(str(self._services / name) for name in names)]


class S6(_Directories):
    """s6: an s6-supervise for each service."""

    name = "s6"
    programs = ("s6-svscan", "s6-supervise", "s6-svstat", "s6-log")
    helpers = ("s6-supervise", "s6-log")

    def _logger(self, *, stamped: bool) -> str:
        return f"exec s6-log n100 s67108864 {'t' if stamped else ''} {self.logs}"

    def command(self) -> list[str]:
        return ["s6-svscan", "-c", str(_ROOM), str(self._services)]

    def status(self, service: str | None) -> list[str]:
        if service:
            return ["s6-svstat", str(self._services / service)]
        # It has no command for all.
        return ["sh", "-c", f"for each in {self._services}/*/; do s6-svstat $each; done"]


class Shepherd(Peer):
    """GNU Shepherd. Its command bears our command's name and stands beside its daemon."""

    name = "shepherd"
    stamps = (True,)
    programs = ("shepherd",)

    def configure(self, count: int) -> None:
        words = " ".join(f'"{word}"' for word in PROGRAM)
        self._write(f"(list {' '.join(self._service(f's{number}', words) for number in range(count))})")

    def configure_log(self, command: list[str], *, stamped: bool) -> None:
        words = " ".join(f'"{word}"' for word in command)
        self._write(f"(list {self._service('s0', words, log=True)})")

    def _service(self, name: str, words: str, *, log: bool = False) -> str:
        where = f'#:log-file "{self.logs}/{name}.log"' if log else ""
        start = f"(make-forkexec-constructor (list {words}) {where})"
        respawn = "#:respawn? #f" if log else "#:respawn? #t #:respawn-delay 0 #:respawn-limit '(1000 . 1)"
        return f"(service '({name}) #:start {start} #:stop (make-kill-destructor) {respawn})\n"

    def _write(self, services: str) -> None:
        (self.home / "conf").write_text(
            f"(define all {services})\n(register-services all)\n"
            "(start-in-the-background (append-map service-provision all))\n"
        )

    def command(self) -> list[str]:
        places = {"config": "conf", "socket": "socket", "logfile": "daemon.log"}
        return ["shepherd", *(f"--{option}={self.home / path}" for option, path in places.items())]

    def status(self, service: str | None) -> list[str]:
        beside = Path(shutil.which("shepherd") or "shepherd").with_name("herd")
        return [str(beside), "-s", str(self.home / "socket"), "status", *([service] if service else [])]


PEERS: tuple[type[Peer], ...] = (Herdd, Supervisord, Runit, S6, Shepherd)
