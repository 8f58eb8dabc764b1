"""A thousand services under one herdd, with the usual limit of open files, and a few bad neighbours among them."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from scripts import STUBBORN
from support import HERDD, PATIENCE, Daemon, herdd, program

COUNT = 1000
# Its children are in sessions of their own; one of them is an orphan.
FORKING = (
    "setsid sleep infinity & setsid sleep infinity & setsid --fork sleep infinity; echo ready; exec sleep infinity"
)
BAD = {
    "crashing": program("crashing", ["/bin/false"], respawn_delay=0.01),
    "stubborn": program("stubborn", STUBBORN, ready={"line": "ready"}, grace_period=0.5),
    "forking": program("forking", FORKING, ready={"line": "ready"}),
    "flooding": program("flooding", ["/usr/bin/yes", "a line of a flood"]),
}


def everybody(daemon: Daemon) -> dict[str, dict[str, Any]]:
    return {facts["name"]: facts for facts in daemon.call("Status")["parameters"]["services"]}


def wait_until_running(daemon: Daemon, names: set[str]) -> None:
    missing, deadline = set(names), time.monotonic() + 2 * PATIENCE
    with daemon.wire() as wire:
        wire.send("Watch", more=True)
        while missing and time.monotonic() < deadline:
            reply = wire.receive()
            assert reply is not None, "herdd ended"
            facts = reply["parameters"]["service"]
            if facts["status"] == "running":
                missing.discard(facts["name"])
    assert not missing


def test_a_thousand_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.HERDD", ("prlimit", "--nofile=1024:", *HERDD))
    good = {f"s{number}" for number in range(COUNT)}
    config = [program(name, ["/bin/sleep", "infinity"], respawn_delay=0) for name in sorted(good)]
    with herdd("".join([*config, *BAD.values()])) as daemon:
        wait_until_running(daemon, good | BAD.keys() - {"crashing"})
        before = everybody(daemon)
        found = daemon.herd("status")
        assert found.returncode == 0
        assert {line.removeprefix(" + ") for line in found.stdout.splitlines() if line.startswith(" + ")} >= good

        # One that ends is replaced.
        os.kill(before["s500"]["mainPid"], signal.SIGKILL)
        pid = daemon.until("s500", lambda facts: facts["status"] == "running" and facts["respawns"] == 1)["mainPid"]
        assert pid != before["s500"]["mainPid"]

        daemon.until("crashing", lambda facts: not facts["enabled"])
        for name in ("stubborn", "forking"):
            assert daemon.herd("stop", name).returncode == 0
            assert daemon.herd("start", name).returncode == 0
        assert daemon.herd("log", "-n", "1", "flooding").stdout.endswith(" a line of a flood\n")

        # The others have noticed nothing of all that.
        after = everybody(daemon)
        assert {name for name in good if after[name]["mainPid"] != before[name]["mainPid"]} == {"s500"}
        assert {after[name]["status"] for name in good} == {"running"}
        assert after["flooding"]["mainPid"] == before["flooding"]["mainPid"]
    # It left no process, says the one who ended it.
