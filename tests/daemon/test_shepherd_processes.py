"""Processes that end, come back, will not end, and what herdd does when it is told to end itself.

| Shepherd's test | here, or where it is shown already |
| --- | --- |
| respawn.sh | `test_two_services_killed_ten_times_each_…`; a disabled one: test_supervision.py |
| respawn-throttling.sh | test_supervision.py, `test_a_crash_loop_is_disabled_until_somebody_enables_it` |
| forking-service.sh: 50 restarts in a row | `test_fifty_restarts_in_a_row_leave_nothing_behind` |
| forking-service.sh: the grace period | `test_one_that_does_not_end_is_killed_and_what_requires_it_is_stopped_before` |
| forking-service.sh: resource-limits | `test_resource_limits_are_the_programs` |
| signals.sh | `test_a_signal_stops_all_services_and_herdd` |
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from support import Daemon, herdd, lives, program

SLEEP = "exec sleep infinity"
# What herdd holds of each process: the end of a pipe that it reads, and a pidfd.
PROCESS = re.compile(r"pipe:\[|anon_inode:\[pidfd\]")


def restarted(daemon: Daemon, name: str, pid: int) -> int:
    """The main process of a service that runs again, after that one."""
    facts = daemon.until(name, lambda facts: facts["status"] == "running" and facts["mainPid"] != pid)
    return int(facts["mainPid"])


def test_two_services_killed_ten_times_each_come_back_and_after_a_stop_they_do_not() -> None:
    keys = {"respawn_delay": 0, "respawn_limit": 0}
    with herdd(program("one", SLEEP, **keys) + program("two", SLEEP, **keys)) as daemon:
        pids = {name: [daemon.until_status(name, "running")["mainPid"]] for name in ("one", "two")}
        for _ in range(10):
            for name, known in pids.items():
                os.kill(known[-1], signal.SIGKILL)
                known.append(restarted(daemon, name, known[-1]))
        assert [len(set(known)) for known in pids.values()] == [11, 11]
        assert [daemon.status(name)["respawns"] for name in pids] == [10, 10]
        assert daemon.herd("stop", "one").returncode == 0
        # The other comes back once more meanwhile.
        os.kill(pids["two"][-1], signal.SIGKILL)
        restarted(daemon, "two", pids["two"][-1])
        facts = daemon.status("one")
        assert (facts["status"], facts["enabled"], facts["respawnInUSec"]) == ("stopped", True, None)
        assert len([line for line in daemon.lines if "Service one is being started" in line]) == 11


def held(daemon: Daemon) -> int:
    """How many pipes and process descriptors herdd holds."""
    directory, found = Path(f"/proc/{daemon.process.pid}/fd"), 0
    for each in directory.iterdir():
        # One that was closed meanwhile is neither.
        with suppress(FileNotFoundError):
            found += bool(PROCESS.match(os.readlink(each)))
    return found


def test_fifty_restarts_in_a_row_leave_nothing_behind() -> None:
    with herdd(program("web", "echo up; exec sleep infinity", ready={"line": "up"})) as daemon, daemon.wire() as wire:
        pids = [daemon.until_status("web", "running")["mainPid"]]
        before = held(daemon)
        for _ in range(50):
            reply = wire.call("Perform", action="restart", service="web")
            assert reply["parameters"]["result"]["started"] == ["web"]
            pids.append(daemon.status("web")["mainPid"])
        assert len(set(pids)) == 51
        assert daemon.written("web") == ["up"] * 51
        assert [pid for pid in pids if lives(pid)] == pids[-1:]
        assert [child.pid for child in psutil.Process(daemon.process.pid).children(recursive=True)] == pids[-1:]
        assert held(daemon) == before
        # One pipe and one pidfd are the process's.
        assert daemon.herd("stop", "web").returncode == 0
        assert held(daemon) == before - 2


def test_one_that_does_not_end_is_killed_and_what_requires_it_is_stopped_before() -> None:
    stubborn = "trap '' TERM; echo ready; exec sleep infinity"
    base = program("base", stubborn, ready={"line": "ready"}, grace_period=0.1)
    with herdd(base + program("top", SLEEP, requirement=["base"])) as daemon:
        pids = {name: daemon.until_status(name, "running")["mainPid"] for name in ("top", "base")}
        done = daemon.herd("stop", "base")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "Service top has been stopped.\nService base has been stopped.\n"
        assert not any(lives(pid) for pid in pids.values())
        endings = {name: daemon.status(name)["exitSignal"] for name in pids}
        assert endings == {"top": signal.SIGTERM, "base": signal.SIGKILL}
        # It was not its own failure.
        facts = daemon.status("base")
        assert (facts["status"], facts["failing"], facts["enabled"], facts["reason"]) == ("stopped", False, True, None)


def test_resource_limits_are_the_programs() -> None:
    own = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)
    limits = {"nofile": "64:128", "core": "0"}
    with herdd(program("web", "echo up; exec sleep infinity", ready={"line": "up"}, resource_limits=limits)) as daemon:
        process = psutil.Process(daemon.until_status("web", "running")["mainPid"])
        assert process.rlimit(psutil.RLIMIT_NOFILE) == (64, 128)
        assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert psutil.Process(daemon.process.pid).rlimit(psutil.RLIMIT_NOFILE)[1] == own[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_services_and_herdd(number: signal.Signals) -> None:
    config = program("base", SLEEP) + program("top", SLEEP, requirement=["base"]) + program("other", SLEEP)
    with herdd(config) as daemon:
        pids = [daemon.until_status(name, "running")["mainPid"] for name in ("base", "top", "other")]
        assert daemon.end(number) == 0
        daemon.said(f"{number.name}: every service is being stopped.")
        for name in ("base", "top", "other"):
            daemon.said(f"Service {name} has been stopped.")
        assert not any(lives(pid) for pid in pids)
        assert not daemon.socket.exists()
