"""Hostile clients of the control socket: what no client would send, and clients that are slow, silent, deaf or gone.

As root they are users of their own, moderators, for those may send the most that is not trusted; else they are whoever
runs the tests.
"""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

from hypothesis import strategies as st

from herd.core.protocol import MAX_CALL, Call
from herd.daemon.methods import METHODS
from support import INTERFACE, PATIENCE, as_peer, program

# Users without names, of whom no one may have so many connections as there are clients.
USERS = range(64100, 64110)
ACCESS = f"[access]\nmoderator = {list(USERS)}\n" if os.geteuid() == 0 else ""
# What they do it to: one that runs, with a log that has something in it.
SERVICES = program("web", "seq 300000; exec sleep infinity") + program("idle", "exec sleep infinity", auto_start=False)
# What PSS may grow by, in bytes, with five hundred of them at once; doorkeeper.py and readers.py have what that is
# made of: messages, and histories of logs.
BOUND = 256 * 1024 * 1024

_ACTIONS = ("status", "why", "doc", "graph", "analyze", "bans", "ban", "unban", "start", "disable", "fly", "", "root")
_WORDS = st.one_of(st.sampled_from(["web", "idle", "root", "shepherd", "", "--dry-run", "list-actions"]), st.text())
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_WORDS, inner, max_size=4)),
    max_leaves=12,
)
_KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "action": st.sampled_from(_ACTIONS),
    "service": _WORDS,
    "services": st.lists(_WORDS, max_size=3),
    "arguments": st.lists(_WORDS, max_size=4),
    "lines": st.integers(),
    "sinceUSec": st.integers(),
    "follow": st.booleans(),
    "all": st.booleans(),
    "audit": st.booleans(),
    "interface": _WORDS,
    "role": st.sampled_from(["observer", "moderator", "admin", "king"]),
    "person": _WORDS,
}
_PARAMETERS = st.fixed_dictionaries(
    {}, optional={key: st.one_of(right, _JSON) for key, right in _KNOWN.items()} | {"other": _JSON}
)
_CALL = st.fixed_dictionaries(
    {"method": st.one_of(st.sampled_from(sorted(METHODS)), st.text())},
    optional={
        "parameters": st.one_of(_PARAMETERS, _JSON),
        "more": st.one_of(st.booleans(), _JSON),
        "oneway": st.one_of(st.booleans(), _JSON),
        "upgrade": st.booleans(),
    },
)
# One or more calls that are nearly right, as bytes.
CALLS = st.lists(_CALL, min_size=1, max_size=4).map(
    lambda calls: b"".join(json.dumps(c).encode() + b"\0" for c in calls)
)

_SEEDS = [Call(name, parameters, more=more).encode() for name, parameters, more in (
    ("org.varlink.service.GetInfo", {}, False),
    (f"{INTERFACE}.Status", {"service": "web"}, False),
    (f"{INTERFACE}.Perform", {"action": "doc", "service": "web", "arguments": ["list-actions"]}, True),
    (f"{INTERFACE}.Watch", {"service": "web"}, True),
    (f"{INTERFACE}.Log", {"service": "web", "lines": 50, "follow": True}, True),
    (f"{INTERFACE}.Represent", {"role": "observer", "person": "ann"}, False),
)]  # fmt: skip
_PIECES = [
    b"\0",
    b"{",
    b"[" * 5000,
    b"}",
    b'"',
    b"\\u0000",
    b"\\ud800",
    b"\xff\xfe",
    b"9" * 5000,
    b"-1e999",
    b"null",
    b"NaN",
]


def mutants(seed: int, count: int) -> Iterator[bytes]:
    """So many messages, made of right ones by a few changes of their bytes; the same for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        data = bytearray(b"".join(chance.choices(_SEEDS, k=chance.randint(1, 3))))
        for _ in range(chance.randint(1, 6)):
            _change(data, chance)
        yield bytes(data)


def _change(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + chance.randint(1, 12))
    match chance.randrange(6):
        case 0 if data:
            data[start % len(data)] ^= 1 << chance.randrange(8)
        case 1:
            del data[start:end]
        case 2:
            data[start:start] = data[start:end] * chance.randint(1, 50)
        case 3:
            data[start:start] = chance.choice(_PIECES)
        case 4:
            data[start:end] = chance.randbytes(chance.randint(1, 8))
        case _:
            del data[start:]


def connected(path: Path, number: int = 0) -> socket.socket:
    """A connection of one of the hostile users."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with ExitStack() as stack:
        if os.geteuid() == 0:
            stack.enter_context(as_peer(USERS[number % len(USERS)]))
        # With a deadline it would not wait where many connect at once.
        connection.connect(os.fspath(path))
    connection.settimeout(PATIENCE)
    return connection


def sent(path: Path, data: bytes, number: int = 0) -> bytes:
    """What is answered, to the end of the connection, by whoever sends that and no more."""
    with connected(path, number) as connection:
        answer = bytearray()
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        return bytes(answer)


def is_in_order(answer: bytes) -> bool:
    """Whether it is nothing but replies as Varlink has them."""
    *replies, rest = answer.split(b"\0")
    return not rest and all(json.loads(each).keys() <= {"parameters", "continues", "error"} for each in replies)


class Crowd:
    """So many clients at once, who stay as long as the context lasts; each round they go on."""

    def __init__(self, path: Path, count: int) -> None:
        self._path = path
        self._clients = [connected(path, number) for number in range(count)]
        self._ways: list[Callable[[int], None]] = [
            self._be_silent, self._be_slow, self._be_unfinished, self._be_deaf, self._be_large, self._be_gone,
        ]  # fmt: skip
        self._rounds = 0

    def go_on(self) -> None:
        """One more round."""
        for number, client in enumerate(self._clients):
            client.setblocking(False)
            with suppress(OSError):
                self._ways[number % len(self._ways)](number)
        self._rounds += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """All at once."""
        for client in self._clients:
            client.close()

    def _be_silent(self, number: int) -> None:
        pass

    def _be_slow(self, number: int) -> None:
        call = _SEEDS[1]
        self._clients[number].send(call[self._rounds % len(call) :][:1])

    def _be_unfinished(self, number: int) -> None:
        self._clients[number].send(b'"' + b"x" * (MAX_CALL // 8))

    def _be_deaf(self, number: int) -> None:
        log = Call(f"{INTERFACE}.Log", {"service": "web", "lines": 100_000}, more=bool(number % 4)).encode()
        self._clients[number].send((_SEEDS[1] * 20 + log + _SEEDS[3]) * 5)

    def _be_large(self, number: int) -> None:
        junk = b"[]," * (MAX_CALL // 8) + b"[]"
        self._clients[number].send(
            b'{"method":"' + INTERFACE.encode() + b'.Watch","more":true,"parameters":{"junk":[' + junk + b"]}}\0"
        )

    def _be_gone(self, number: int) -> None:
        self._clients[number].send(_SEEDS[2] * 3)
        self._clients[number].close()
        self._clients[number] = connected(self._path, number)


def pss(pid: int) -> int:
    """The bytes of memory of a process, pages that it shares in part."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1]) * 1024
