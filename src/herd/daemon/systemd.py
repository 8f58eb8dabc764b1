"""What systemd and herdd have to tell each other: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).

Rules: READY=1 and each WATCHDOG=1 are sent only once herdd has asked its own control socket, by its path, and was
answered. So a main loop or a server that hangs, and a socket that is gone, end in silence, and systemd restarts herdd.
While services are being stopped the same heartbeat asks for more time, for grace periods may be long; not for a process
that not even KILL ends, or the host would never go down. The variables are taken out of the environment: they are for
herdd alone, and for the herdd that is executed in its place.
"""

from __future__ import annotations

import errno
import math
import os
import socket
import time
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path

import trio
from attrs import field, frozen

from herd.core.errors import HerdError
from herd.core.events import Status
from herd.core.protocol import MAX_REPLY, Call, FrameBuffer, ProtocolViolation, decode
from herd.daemon.controller import Controller
from herd.daemon.supervisor import Supervisor

_FIRST = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)
_ADDRESS = "NOTIFY_SOCKET"
_PERIOD, _WATCHED = "WATCHDOG_USEC", "WATCHDOG_PID"
# Seconds that systemd has to take a message, and between attempts to be ready.
_PATIENCE = 1.0
# Of the watchdog's period: how often the socket is asked, and how long it has for its answer.
_SHARE = 3
# Seconds that the processes of a service have to end after KILL.
_DEATH = 30.0
# What is named in the status text.
_MOST_NAMES = 5


@frozen
class Manager:
    """systemd, if it started this herdd. Without an address nobody is told anything."""

    address: str | None = None
    # Seconds in which a sign of life is wanted.
    period: float = math.inf
    _variables: Mapping[str, str] = field(factory=dict)

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Manager:
        """Whom the variables name; they are removed."""
        names = (_ADDRESS, _PERIOD, _WATCHED)
        variables = {name: environment.pop(name) for name in names if name in environment}
        usec, watched = variables.get(_PERIOD, ""), variables.get(_WATCHED, str(os.getpid()))
        is_watched = usec.isascii() and usec.isdecimal() and int(usec) > 0 and watched == str(os.getpid())
        return cls(variables.get(_ADDRESS), int(usec) / 1e6 if is_watched else math.inf, variables)

    @property
    def variables(self) -> Mapping[str, str]:
        """What the herdd that is executed in this one's place needs."""
        return self._variables

    async def tell(self, *assignments: str) -> None:
        """Send them as one message; what systemd does not take within a second is lost."""
        if self.address is None:
            return
        path = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        link = trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with link, suppress(OSError), trio.move_on_after(_PATIENCE):
            await link.connect(path)
            await link.send("\n".join(assignments).encode())

    async def attend(self, path: Path, supervisor: Supervisor) -> None:
        """Say that herdd is ready, how its services are and that it lives, until cancelled."""
        if self.address is None:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._show_status, supervisor)
            news = ["READY=1"]
            while True:
                if await self._is_answered(path, supervisor):
                    await self.tell(*news, "WATCHDOG=1", *self._plea(supervisor))
                    news = []
                await trio.sleep(_PATIENCE if news else self.period / _SHARE)

    def _plea(self, supervisor: Supervisor) -> Iterable[str]:
        is_end = supervisor.end_asked.is_set() and not supervisor.is_upgrade
        if is_end and still_ending(supervisor.controllers.values(), time.time()):
            yield f"EXTEND_TIMEOUT_USEC={self.period * 1e6:.0f}"

    async def _is_answered(self, path: Path, supervisor: Supervisor) -> bool:
        try:
            with trio.fail_after(min(self.period / _SHARE, 10 * _PATIENCE)):
                await ask(path)
        except trio.TooSlowError:
            supervisor.warn(f"The control socket {path} does not answer; systemd is not told that herdd lives.")
        except OSError as error:
            supervisor.warn(f"The control socket {path}: {error.strerror}; systemd is not told that herdd lives.")
        else:
            return True
        return False

    async def _show_status(self, supervisor: Supervisor) -> None:
        told = ""
        while True:
            async with supervisor.bulletin.watch() as changes:
                while True:
                    text = status_text(supervisor.controllers.values())
                    if text != told and not supervisor.end_asked.is_set():
                        await self.tell(f"STATUS={text}")
                        told = text
                    try:
                        await changes.receive()
                        # Many that change at once are told at once.
                        for _ in range(changes.statistics().current_buffer_used):
                            changes.receive_nowait()
                    except trio.EndOfChannel:
                        break

    async def be_replaced(self) -> None:
        """Another herdd is about to be executed in this one's place."""
        await self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=herdd is executed anew")

    async def be_stopped(self) -> None:
        """Services are being stopped, and then herdd ends."""
        await self.tell("STOPPING=1", "STATUS=every service is being stopped")


async def ask(path: Path) -> None:
    """Return once a herdd has answered on the socket. Raises OSError."""
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        await link.connect(os.fspath(path))
        await link.send(Call("org.varlink.service.GetInfo", {}).encode())
        buffer = FrameBuffer(MAX_REPLY)
        while data := await link.recv(65536):
            with suppress(ProtocolViolation):
                for frame in buffer.feed(data):
                    if "parameters" in decode(frame):
                        return
    raise OSError(errno.ECONNRESET, "it closed the connection without an answer")


def still_ending(controllers: Iterable[Controller], now: float) -> bool:
    """Whether a service is being stopped that may yet end; `now` is wall-clock."""
    return any(
        each.state.status is Status.STOPPING and now < each.since + each.service.grace_period + _DEATH
        for each in controllers
    )


def status_text(controllers: Iterable[Controller]) -> str:
    """One line for `systemctl status`: how many services run, and which have failed."""
    all_of_them = list(controllers)
    serving = sum(each.state.serves for each in all_of_them)
    failed = [
        each.service.name
        for each in all_of_them
        if each.state.status is Status.STOPPED and each.state.failure is not None
    ]
    text = f"{serving} of {len(all_of_them)} services run"
    if not failed:
        return text
    more = f" and {len(failed) - _MOST_NAMES} more" if len(failed) > _MOST_NAMES else ""
    return f"{text}; failed: {', '.join(failed[:_MOST_NAMES])}{more}"


def given_socket(environment: MutableMapping[str, str], path: Path) -> socket.socket | None:
    """The control socket where systemd listens on it for herdd; the variables are removed. Raises HerdError."""
    names = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
    pid, count, _ = (environment.pop(name, "") for name in names)
    if pid != str(os.getpid()):
        return None
    if count != "1":
        raise HerdError(
            f"cannot listen on {path}: {count} sockets were passed; let herdd.socket have one ListenStream="
        )
    os.set_inheritable(_FIRST, False)
    try:
        given = socket.socket(fileno=_FIRST)
    except OSError as error:
        raise HerdError(f"cannot listen on {path}: what was passed as the socket is none: {error.strerror}") from error
    if given.getsockname() != os.fspath(path):
        raise HerdError(
            f"cannot listen on {path}: the socket that was passed is {given.getsockname()}; "
            "let ListenStream= of herdd.socket and --socket be the same"
        )
    return given
