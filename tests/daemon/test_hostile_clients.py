"""Hostile clients: herdd lives, holds no more memory than it may, and answers others. `make fuzz` plays many more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from hypothesis import HealthCheck, given, settings

import hostile
from herd.core.protocol import MAX_CALL
from herd.daemon.doorkeeper import COMMON
from hostile import ACCESS, BOUND, CALLS, SERVICES, Crowd, is_in_order, mutants, pss, sent
from support import Daemon, herdd


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with herdd(SERVICES + ACCESS) as daemon:
        daemon.until_status("web", "running")
        yield daemon


def is_well(daemon: Daemon) -> bool:
    """Somebody who means well is answered, and nothing of ours broke."""
    names = [each["name"] for each in daemon.call("Status")["parameters"]["services"]]
    return names == ["web", "idle"] and not [line for line in daemon.lines if "fault" in line]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=CALLS)
def test_calls_that_are_nearly_right(daemon: Daemon, data: bytes) -> None:
    assert is_in_order(sent(daemon.socket, data))
    assert is_well(daemon)


def test_calls_with_wrong_bytes(daemon: Daemon) -> None:
    for number, data in enumerate(mutants(seed=1, count=1000)):
        assert is_in_order(sent(daemon.socket, data, number)), data
    assert is_well(daemon)


def test_a_crowd_of_slow_silent_deaf_and_vanishing_clients(daemon: Daemon) -> None:
    before = pss(daemon.process.pid)
    for _ in range(2):
        with Crowd(daemon.socket, 500) as crowd:
            most = 0
            for _ in range(5):
                crowd.go_on()
                assert is_well(daemon)
                most = max(most, pss(daemon.process.pid))
            assert most - before < BOUND
            # Logs are still shown to those who read them.
            assert len(daemon.written("web")) == 1000
    assert is_well(daemon)


def test_what_is_too_much_for_all_together_ends_its_own_connection(daemon: Daemon) -> None:
    most = b'"' + b"x" * (MAX_CALL - 10)
    with ExitStack() as stack:
        taken = 0
        for number in range(3 * COMMON // MAX_CALL):
            client = stack.enter_context(hostile.connected(daemon.socket, number))
            with suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(most)
                taken += 1
            assert is_well(daemon)
        # What is on its way when a connection ends is no more than the kernel holds.
        assert 0 < taken <= COMMON // MAX_CALL + 1
    # All is given back.
    with hostile.connected(daemon.socket) as client:
        client.sendall(most)
        assert is_well(daemon)
        client.sendall(b'"\0')
        assert client.recv(1) == b""
