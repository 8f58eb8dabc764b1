"""Logs over the socket of a real herdd: one, several, all, followed, and beside a flood."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import varlink

from herd.daemon.follower import HELD
from support import INTERFACE, Daemon, Wire, herdd, program

SLEEP = "exec sleep infinity"
LONG = 1_000_000
FAST = "as fast as it can be " * 25


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    config = [
        program("web", f"echo one; echo ready; {SLEEP}", ready={"line": "ready"}),
        program(
            "mail", f"echo two; echo ready; {SLEEP}", ready={"line": "ready"}, requirement=["web"], aliases=["post"]
        ),
        program(
            "odd",
            f"printf 'caf\\351\\n'; head -c {LONG} /dev/zero | tr '\\0' x; echo; echo ready; {SLEEP}",
            ready={"line": "ready"},
        ),
        program("flood", ["/usr/bin/yes", FAST], auto_start=False),
    ]
    with herdd("".join(config)) as daemon:
        for service in ("mail", "odd"):
            daemon.until_status(service, "running")
        yield daemon


def entries(reply: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The services and lines, without stamps, of a reply."""
    assert reply is not None
    assert reply["parameters"]["lines"] == []
    return [(each["service"], each["line"].split(" ", 1)[1]) for each in reply["parameters"]["entries"]]


def test_several_services_are_merged_in_the_order_of_their_lines(daemon: Daemon) -> None:
    found = [("web", "one"), ("web", "ready"), ("mail", "two"), ("mail", "ready")]
    for names in (["web", "mail"], ["mail", "web"], ["post", "web", "mail"]):
        assert entries(daemon.call("Log", services=names)) == found
    assert entries(daemon.call("Log", services=["mail", "web"], lines=3)) == found[1:]
    assert entries(daemon.call("Log", services=["mail", "web"], lines=0)) == []
    assert entries(daemon.call("Log", services=["web"])) == found[:2]


def test_all_are_herdds_own_and_every_service(daemon: Daemon) -> None:
    found = entries(daemon.call("Log", all=True, lines=1000))
    assert {name for name, _ in found} == {"root", "web", "mail", "odd"}
    assert found[0][0] == "root"
    assert found.index(("web", "one")) < found.index(("mail", "two"))


def test_without_names_it_is_herdds_own(daemon: Daemon) -> None:
    asked: list[dict[str, Any]] = [{}, {"services": []}, {"service": "root"}, {"services": None, "all": False}]
    for parameters in asked:
        lines = daemon.call("Log", lines=1000, **parameters)["parameters"]
        assert "listens on" in lines["lines"][0]
        assert "entries" not in lines


def test_since(daemon: Daemon) -> None:
    assert len(daemon.call("Log", service="web", sinceUSec=0)["parameters"]["lines"]) == 2
    future = int((time.time() + 3600) * 1e6)
    assert daemon.call("Log", service="web", sinceUSec=future)["parameters"]["lines"] == []
    assert entries(daemon.call("Log", services=["web", "mail"], sinceUSec=0, lines=1)) == [("mail", "ready")]


def test_a_varlink_library_reads_them(daemon: Daemon) -> None:
    client = varlink.Client.new_with_address(f"unix:{daemon.socket}")
    with client.open(INTERFACE) as connection:
        found = connection.Log(services=["web", "mail"], lines=1)
        assert [each["service"] for each in found["entries"]] == ["mail"]
        assert len(connection.Log(service="web", lines=1)["lines"]) == 1


def test_long_lines_are_whole_and_bytes_that_are_no_utf8_are_escapes(daemon: Daemon) -> None:
    lines = daemon.call("Log", service="odd")["parameters"]["lines"]
    assert [line.split(" ", 1)[1] for line in lines] == [r"caf\xe9", "x" * LONG, "ready"]


def next_entries(wire: Wire, count: int) -> list[tuple[str, str]]:
    """So many entries, of as many replies as it takes."""
    found: list[tuple[str, str]] = []
    while len(found) < count:
        found += entries(wire.receive())
    return found


def test_several_are_followed(daemon: Daemon) -> None:
    with daemon.wire() as wire:
        wire.send("Log", more=True, services=["web", "mail"], follow=True, lines=1)
        assert next_entries(wire, 1) == [("mail", "ready")]
        daemon.call("Perform", action="restart", service="web")
        assert next_entries(wire, 4) == [("web", "one"), ("web", "ready"), ("mail", "two"), ("mail", "ready")]


def test_beside_a_flood_all_others_have_their_turns(daemon: Daemon) -> None:
    with daemon.wire() as wire, daemon.wire() as flood:
        wire.send("Log", more=True, services=["web"], follow=True, lines=1)
        assert next_entries(wire, 1) == [("web", "ready")]
        daemon.call("Perform", action="start", service="flood")
        flood.send("Log", more=True, services=["flood"], follow=True, lines=0)
        for _ in range(3):
            daemon.call("Perform", action="restart", service="web")
            assert next_entries(wire, 2) == [("web", "one"), ("web", "ready")]
            assert {line for _, line in next_entries(flood, 500)} == {FAST}
            assert len(daemon.call("Log", service="flood", lines=1000)["parameters"]["lines"]) == 1000
        # While another reads more than is held for one who does not, lines are skipped for this one, who is told.
        with daemon.wire() as quick:
            quick.send("Log", more=True, services=["flood"], follow=True, lines=0)
            next_entries(quick, 2 * HELD // len(FAST))
        daemon.call("Perform", action="stop", service="flood")
        line = ""
        while "came faster than they were read" not in line:
            *_, (_, line) = next_entries(flood, 1)
    assert daemon.status("flood")["status"] == "stopped"
    files = sorted(path.name for path in daemon.log_dir.iterdir() if path.name.startswith("flood"))
    assert len(files) <= 7


def test_lines_that_could_not_be_written_are_shown() -> None:
    config = program("web", f"echo one; echo two; echo ready; {SLEEP}", ready={"line": "ready"}, auto_start=False)
    with herdd(config) as other:
        (other.log_dir / "web.log").mkdir()
        assert other.herd("start", "web").returncode == 0
        assert other.call("Log", service="web")["parameters"]["lines"][-1].endswith(" ready")
        assert "3 lines of output could not be kept." in other.herd("status", "web").stdout
