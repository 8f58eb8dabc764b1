"""Asks a service's probe (core/readiness.py): once for health, again and again until it is ready."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import trio
from attrs import define

from herd.core.readiness import CommandSuccess, HttpStatus, Probe, TcpPort, UnixSocket
from herd.core.service import Program
from herd.daemon.command import run_command
from herd.daemon.files import opened_directory
from herd.daemon.http import http_status
from herd.daemon.identity import Identity
from herd.daemon.listeners import described, owners, shown, taking

# Seconds between two attempts: the first, and what doubling comes to.
FIRST_PAUSE = 0.01
LONGEST_PAUSE = 1.0
# As long as one of many attempts may wait for an answer, seconds; not a command, which may itself wait.
ATTEMPT = 10.0


@define
class Prober:
    """Asks for one service that runs. `pids` gives its processes, and is called in a thread.

    `reason` is why the last attempt of until_ready() did not pass: the end of a sentence.
    """

    service: str
    program: Program
    who: Identity
    pids: Callable[[], set[int]]
    reason: str = "it has not answered"

    async def check(self, probe: Probe) -> str | None:
        """One attempt: None if it passes, else why not, as the end of a sentence. To be cancelled at a time limit."""
        match probe:
            case TcpPort():
                return await trio.to_thread.run_sync(_tcp_port, probe, self.pids)
            case UnixSocket(path):
                return await trio.to_thread.run_sync(_unix_socket, path)
            case HttpStatus():
                return await _http_status(probe)
            case CommandSuccess(command):
                return await self._command(command)

    async def until_ready(self, probe: Probe) -> None:
        """Return once it passes. To be cancelled at a time limit, for which `reason` says the why.

        It asks from time to time because nothing tells when a process begins to listen.
        """
        pause = FIRST_PAUSE
        while True:
            limit = float("inf") if isinstance(probe, CommandSuccess) else ATTEMPT
            with trio.move_on_after(limit) as attempt:
                reason = await self.check(probe)
                if reason is None:
                    return
                self.reason = reason
            if attempt.cancelled_caught:
                self.reason = f"it did not answer for {ATTEMPT:g} seconds"
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _command(self, command: tuple[str, ...]) -> str | None:
        try:
            finished = await run_command(self.service, self.program, self.who, command)
        except OSError as error:
            return f"its command {command[0]} cannot be executed: {error.strerror}"
        return None if finished.ending.code == 0 else f"its command {finished.ending.words}"


def _tcp_port(probe: TcpPort, pids: Callable[[], set[int]]) -> str | None:
    place = shown(probe.host, probe.port)
    try:
        inodes = taking(probe.host, probe.port)
    except OSError as error:
        return f"{probe.host} cannot be looked up: {error.strerror}"
    if not inodes:
        return f"nothing listens on {place}"
    if not owners(inodes, pids()):
        return f"{described(inodes)} listens on {place}, none of its own"
    return None


def _unix_socket(path: Path) -> str | None:
    """Connect and close; through no link of another's, and whatever the length of the path."""
    try:
        with opened_directory(path.parent) as parent, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if not stat.S_ISSOCK(os.lstat(path.name, dir_fd=parent).st_mode):
                return f"{path} is no socket"
            # A full queue is EAGAIN, not a wait.
            probe.setblocking(False)
            probe.connect(f"/proc/self/fd/{parent}/{path.name}")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
            return f"nothing listens on {path}"
        return f"{path} takes no connection: {error.strerror}"
    return None


async def _http_status(probe: HttpStatus) -> str | None:
    try:
        status = await http_status(probe.url)
    except (OSError, ValueError) as error:
        return f"{probe.url} did not answer: {getattr(error, 'strerror', None) or error}"
    return None if status == probe.status else f"{probe.url} answered {status}, not {probe.status}"
