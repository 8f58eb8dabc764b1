"""Connections and turns of people who share a user: nobody keeps another out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from herd.daemon.places import PERSON, USERS
from support import INTERFACE, PATIENCE, Daemon, Wire, as_peer, herdd, program

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")
SHARED = 64021
MANY = USERS[0]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with herdd(f"{program('web', 'seq 300000; exec sleep infinity')}[access]\nmoderator = [{SHARED}]\n") as daemon:
        daemon.until_status("web", "running")
        yield daemon


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def come(daemon: Daemon, stack: ExitStack, uid: int = SHARED) -> Wire:
    with as_peer(uid):
        wire = daemon.wire()
    stack.callback(wire.socket.close)
    return wire


def speaks(wire: Wire, person: str) -> str | None:
    """Why it cannot speak for the person."""
    reply = wire.call("Represent", role="moderator", person=person)
    return str(reply["parameters"]["message"]) if "error" in reply else None


def is_answered(wire: Wire) -> bool:
    return "error" not in wire.call("Status")


@pytest.mark.parametrize("uid", [SHARED, 0])
def test_one_person_has_a_few_and_keeps_nobody_out(daemon: Daemon, stack: ExitStack, uid: int) -> None:
    wires = [come(daemon, stack, uid) for _ in range(MANY)]
    said = [speaks(wire, "bob") for wire in wires]
    assert said[:PERSON] == [None] * PERSON
    assert all(each and each.startswith("cannot speak for bob: too many connections") for each in said[PERSON:])
    # Who cannot, can do nothing.
    assert wires[PERSON].call("Status")["error"] == f"{INTERFACE}.NotAllowed"
    assert all(is_answered(wire) for wire in wires[:PERSON])
    ann = come(daemon, stack, uid)
    assert (speaks(ann, "ann"), is_answered(ann)) == (None, True)
    wires[0].socket.close()
    end = time.monotonic() + PATIENCE
    while speaks(come(daemon, stack, uid), "bob"):
        assert time.monotonic() < end


def test_whoever_asks_for_nothing_leaves_for_those_who_come(daemon: Daemon, stack: ExitStack) -> None:
    wires = []
    for _ in range(MANY + 3):
        wires.append(come(daemon, stack))
        # One that is answered came after those before it.
        other = come(daemon, stack)
        assert is_answered(other)
        other.socket.close()
    assert [wire.receive() for wire in wires[:3]] == [None] * 3
    ann = come(daemon, stack)
    assert (speaks(ann, "ann"), is_answered(ann)) == (None, True)
    assert is_answered(wires[-1])


def test_whoever_speaks_for_itself_keeps_out_nobody_who_speaks_for_another(daemon: Daemon, stack: ExitStack) -> None:
    for _ in range(MANY):
        assert is_answered(come(daemon, stack))
    more = come(daemon, stack)
    more.send("Status")
    assert more.receive() is None
    ann = come(daemon, stack)
    assert (speaks(ann, "ann"), is_answered(ann)) == (None, True)


def test_one_person_reads_one_log_at_a_time_and_lets_others_read(daemon: Daemon, stack: ExitStack) -> None:
    bobs = [come(daemon, stack) for _ in range(PERSON)]
    for bob in bobs:
        assert speaks(bob, "bob") is None
        # It asks and does not read.
        bob.send("Log", more=True, service="web", lines=100_000)
    bobs[0].socket.recv(1)
    ann = come(daemon, stack)
    assert speaks(ann, "ann") is None
    reply = ann.call("Log", service="web", lines=1)
    assert reply["parameters"]["lines"][0].endswith(" 300000")
