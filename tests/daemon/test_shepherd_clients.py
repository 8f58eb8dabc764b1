"""Many clients at once, and clients that misbehave.

| Shepherd's test | here, or where it is shown already |
| --- | --- |
| starting-status.sh | `test_a_start_that_takes_its_time_…`, `test_a_stop_during_a_start_…` |
| stopping-status.sh | `test_a_stop_that_takes_its_time_…` |
| misbehaved-client.sh: connect and close, half a message | `test_clients_that_say_nothing_or_half_of_it_…` |
| misbehaved-client.sh: closes before the reply | `test_what_was_asked_by_one_who_left_…` |
| misbehaved-client.sh: hangs | `test_a_client_that_never_reads_…` |
| misbehaved-client.sh: an unknown expression | test_server.py, `test_a_bad_message_ends_its_own_connection_alone` |

Unlike in Shepherd, a stop does not wait for the start that is under way: it breaks it off.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from gates import SLOW_TO_END, Gate
from herd.core.errors import INTERFACE
from herd.core.protocol import Call
from support import Daemon, Wire, herdd, program

SLEEP = "exec sleep infinity"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    os.close(gate.descriptor)


def ask(wires: list[Wire], action: str) -> None:
    """Ask each to do that with web, and return once herdd has taken all: it tells each what is under way."""
    for wire in wires:
        wire.send("Perform", more=True, action=action, service="web")
        told = wire.receive()
        assert told is not None
        assert told["parameters"].keys() == {"progress"}, told


def final(wire: Wire) -> tuple[list[str], dict[str, Any]]:
    """The steps that are told, and the reply that no other follows."""
    steps: list[str] = []
    while (reply := wire.receive()) is not None:
        if not reply.get("continues"):
            return steps, reply
        steps.append(reply["parameters"]["progress"])
    raise AssertionError("the connection was closed before the last reply")


def waited(wires: list[Wire], step: str) -> list[str]:
    """The last word to each, none of which was told that before the step."""
    texts = []
    for wire in wires:
        steps, reply = final(wire)
        assert any(each.startswith(step) for each in steps), steps
        texts.append(reply["parameters"]["text"])
    return texts


def test_a_start_that_takes_its_time_is_seen_and_waited_for_by_all_who_ask_and_done_once(gate: Gate) -> None:
    script = f"echo begun; read line < {gate.path}; echo ready; exec sleep infinity"
    config = program("web", script, ready={"line": "ready"}, auto_start=False)
    with herdd(config) as daemon, ExitStack() as stack:
        wires = [stack.enter_context(daemon.wire()) for _ in range(3)]
        ask(wires, "start")
        assert "Starting:\n ^ web\n" in daemon.herd("status").stdout
        assert "  It is starting since " in daemon.herd("status", "web").stdout
        pid = daemon.until("web", lambda facts: facts["mainPid"])["mainPid"]
        gate.let_pass()
        assert waited(wires, "web is running") == ["Service web has been started.\n"] * 3
        assert daemon.status("web")["mainPid"] == pid
        assert daemon.written("web").count("begun") == 1
        assert len([line for line in daemon.lines if "Service web is being started" in line]) == 1


def test_a_stop_during_a_start_breaks_it_off_and_all_who_wait_for_the_start_are_told(gate: Gate) -> None:
    script = f"echo begun; read line < {gate.path}; echo ready; exec sleep infinity"
    config = program("web", script, ready={"line": "ready"}, auto_start=False)
    with herdd(config) as daemon, ExitStack() as stack:
        wires = [stack.enter_context(daemon.wire()) for _ in range(2)]
        ask(wires, "start")
        assert daemon.herd("stop", "web").stdout == "Service web has been stopped.\n"
        for wire in wires:
            _, reply = final(wire)
            assert reply["error"] == f"{INTERFACE}.StartFailed"
            assert "cannot start web: it was asked to stop meanwhile" in reply["parameters"]["message"]
        assert "Stopped:\n - web\n" in daemon.herd("status").stdout
        gate.let_pass()
        assert daemon.herd("start", "web").stdout == "Service web has been started.\n"


def test_a_stop_that_takes_its_time_is_seen_and_waited_for_and_a_start_meanwhile_comes_after_it(gate: Gate) -> None:
    command = [sys.executable, "-ISc", SLOW_TO_END, str(gate.path)]
    with herdd(program("web", command, ready={"line": "ready"}, grace_period=1000)) as daemon, ExitStack() as stack:
        pid = daemon.until_status("web", "running")["mainPid"]
        stops, starts = ([stack.enter_context(daemon.wire()) for _ in range(2)] for _ in range(2))
        ask(stops, "stop")
        assert "Stopping:\n v web\n" in daemon.herd("status").stdout
        assert "  It is being stopped since " in daemon.herd("status", "web").stdout
        ask(starts, "start")
        assert daemon.status("web")["status"] == "stopping"
        gate.let_pass()
        # The start that is asked for comes right behind the stop.
        assert waited(stops, "web is being started") == ["Service web has been stopped.\n"] * 2
        assert waited(starts, "web is running") == ["Service web has been started.\n"] * 2
        assert daemon.status("web")["mainPid"] not in (None, pid)
        assert daemon.written("web").count("ready") == 2
        gate.let_pass()


# misbehaved-client.sh


def faults(daemon: Daemon) -> list[str]:
    """What herdd said of faults of its own."""
    return [line for line in daemon.lines if "fault" in line]


@pytest.mark.parametrize("said", [b"", b'{"method":"org.herd', b'{"method":"org.herdctl.Supervisor.Status"}'])
def test_clients_that_say_nothing_or_half_of_it_keep_nobody_from_being_served(said: bytes) -> None:
    with herdd(program("web", SLEEP)) as daemon, daemon.wire() as silent, daemon.wire() as served:
        silent.socket.sendall(said)
        for _ in range(50):
            with daemon.wire() as wire:
                wire.socket.sendall(said)
            assert "error" not in served.call("Status")
        assert daemon.herd("restart", "web").returncode == 0
        assert not faults(daemon)


def test_what_was_asked_by_one_who_left_before_the_reply_is_done_all_the_same(gate: Gate) -> None:
    script = f"echo begun; read line < {gate.path}; echo ready; exec sleep infinity"
    with herdd(program("web", script, ready={"line": "ready"}, auto_start=False)) as daemon:
        with daemon.wire() as wire:
            ask([wire], "start")
        assert daemon.herd("status").returncode == 0
        gate.let_pass()
        daemon.until_status("web", "running")
        assert not faults(daemon)


def ask_until_nothing_more_is_taken(wire: Wire) -> None:
    """Calls, one behind the other, until neither herdd nor the kernel takes any more."""
    wire.socket.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            wire.socket.sendall(Call(f"{INTERFACE}.Status", {}).encode() * 100)


def test_a_client_that_never_reads_keeps_nobody_from_being_served_and_herdd_from_no_end() -> None:
    with herdd(program("web", SLEEP)) as daemon, daemon.wire() as hanging, daemon.wire() as watching:
        watching.send("Watch", more=True)
        ask_until_nothing_more_is_taken(hanging)
        for _ in range(20):
            assert "error" not in daemon.call("Perform", action="restart", service="web")
        assert "+ web" in daemon.herd("status").stdout
        assert not faults(daemon)
        assert daemon.herd("stop", "root").returncode == 0
        assert daemon.wait() == 0
