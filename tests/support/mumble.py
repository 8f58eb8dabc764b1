"""A Mumble server for a test, on a port of its own, and people who join it with a client of their own."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import trio

from herd.daemon.links import connected
from herd_services.certificates import self_signed
from herd_services.mumble.banlist import ServerBan, bans, replace
from herd_services.mumble.messages import Message
from herd_services.mumble.session import Session
from ports import free_ports
from support import PATIENCE, Daemon, herdd, toml


def table(**keys: Any) -> str:
    """`[mumble]` on a port of its own; the keys with underscores."""
    (port,) = free_ports(1)
    found = {
        "port": port,
        "host": ["127.0.0.1"],
        "allow-ping": True,
        **{k.replace("_", "-"): v for k, v in keys.items()},
    }
    return "[mumble]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in found.items())


def port_of(config: str) -> int:
    """That of a table."""
    return int(next(line for line in config.splitlines() if line.startswith("port = ")).partition(" = ")[2])


@contextmanager
def running(config: str) -> Iterator[Daemon]:
    """It runs."""
    with herdd(config) as daemon:
        daemon.until_status("mumble-server", "running")
        yield daemon


class Person:
    """Somebody with a client and, unless told otherwise, a certificate."""

    def __init__(self, port: int, name: str, directory: Path | None, password: str = "") -> None:
        words = [str(port), name, password, *([] if directory is None else _pair(directory, name))]
        program = Path(__file__).with_name("mumble_client.py")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(program), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self._told: Queue[dict[str, Any]] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def until(self, event: str, **facts: Any) -> dict[str, Any]:
        """The next event of that kind with these facts."""
        while True:
            told = self.until_one_of(event)
            if facts.items() <= told.items():
                return told

    def until_one_of(self, *events: str) -> dict[str, Any]:
        """The next event of one of these kinds."""
        seen: list[dict[str, Any]] = []
        while True:
            try:
                told = self._told.get(timeout=PATIENCE)
            except Empty:
                raise AssertionError(f"no {events} came; these did: {seen}") from None
            seen.append(told)
            if told["event"] in events:
                return told

    def say(self, text: str) -> None:
        """To the room."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def leave(self) -> None:
        """At once."""
        self._process.kill()
        self._process.communicate()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._told.put(json.loads(line))


@contextmanager
def joined(port: int, name: str, directory: Path | None, password: str = "") -> Iterator[Person]:
    """Somebody who is there."""
    person = Person(port, name, directory, password)
    try:
        person.until("ready")
        yield person
    finally:
        person.leave()


def refused(port: int, name: str, directory: Path | None, password: str = "") -> str:
    """Why somebody is not let in; whoever is banned is told nothing."""
    person = Person(port, name, directory, password)
    try:
        told = person.until_one_of("ready", "rejected", "gone")
        assert told["event"] != "ready", f"{name} was let in"
        return str(told.get("reason", "")).strip("'")
    finally:
        person.leave()


def certificate(port: int) -> str:
    """What the server shows, PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain, context.wrap_socket(plain) as link:
        shown = link.getpeercert(binary_form=True)
        assert shown is not None
        return ssl.DER_cert_to_PEM_cert(shown)


def _pair(directory: Path, name: str) -> list[str]:
    """A certificate and a key of that person's, always the same ones."""
    files = directory / f"{name}.crt", directory / f"{name}.key"
    if not files[0].exists():
        key, made = self_signed([name], datetime.now(UTC))
        files[0].write_bytes(made)
        files[1].write_bytes(key)
    return [str(each) for each in files]


def kept_bans(port: int, password: str) -> list[ServerBan]:
    """What the server itself has, asked as SuperUser."""
    found: list[ServerBan] = trio.run(_asked, port, password, bans)
    return found


def set_bans(port: int, password: str, more: list[ServerBan]) -> None:
    """As somebody's client would."""
    trio.run(_asked, port, password, lambda session: replace(session, more, more, ()))


async def _asked(port: int, password: str, procedure: Callable[[Session], Awaitable[Any]]) -> Any:
    async with connected("127.0.0.1", port) as stream:
        session = Session(stream, _within)
        await session.log_in(password)
        return await procedure(session)


async def _within(seconds: float, procedure: Callable[[], Awaitable[Message | None]]) -> Message | None:
    return await procedure()
