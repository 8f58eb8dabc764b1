"""`herd why` of a real herdd: what keeps real programs from running, found by looking."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import STUBBORN
from support import Daemon, herdd, program, short_directory

SLEEP = "exec sleep infinity"
LISTEN = "import socket, sys, time; held = socket.create_server(('127.0.0.1', int(sys.argv[1])))"
# Listens on the port it is given, or fails.
SERVER = [sys.executable, "-c", f"{LISTEN}; print('up', flush=True); time.sleep(10000)"]


def why(daemon: Daemon, name: str) -> list[str]:
    """The lines about a service, each without its indentation."""
    found = daemon.herd("why", name)
    assert (found.returncode, found.stderr) == (0, "")
    return [line.strip() for line in found.stdout.splitlines()]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    config = [
        program("base", ["/no/such/program"]),
        program("mid", SLEEP, requirement=["base"]),
        program("top", SLEEP, requirement=["mid"]),
        program("web", SLEEP),
        program("idle", SLEEP, auto_start=False),
        program("crash", "echo oops; exit 3", respawn_delay=0),
        program("later", "exit 127", respawn_delay=1000, respawn_ceiling=1000),
        program("slow", SLEEP, ready={"line": "never"}),
        program("patient", SLEEP, requirement=["slow"]),
        program("once", "exit 0", respawn=False),
        program("nowhere", SLEEP, directory="/no/such/place"),
        program("fault", "kill -SEGV $$", respawn=False),
    ]
    with herdd("".join(config)) as daemon:
        yield daemon


def test_a_chain_of_three_ends_at_the_missing_program(daemon: Daemon) -> None:
    daemon.until("top", lambda facts: facts["failing"])
    assert daemon.herd("why", "top").stdout == (
        "top is stopped: it requires mid, which is stopped.\n"
        "  mid is stopped: it requires base, which could not be started.\n"
        "    base could not be started: there is no program /no/such/program.\n"
        "      correct its command, then: herd start top\n"
    )


def test_how_running_and_resting_services_are(daemon: Daemon) -> None:
    daemon.until_status("web", "running")
    assert why(daemon, "web")[0].endswith(", and nothing is known to be wrong.")
    assert why(daemon, "idle") == [
        "idle is stopped: nobody has asked for it yet, and it does not start with herdd (auto-start = false).",
        "herd start idle",
    ]


def test_a_crash_loop(daemon: Daemon) -> None:
    daemon.until("crash", lambda facts: not facts["enabled"] and facts["status"] == "stopped")
    lines = why(daemon, "crash")
    assert lines[:2] == [
        "crash is disabled: it ended more than 5 times in 7 seconds.",
        "The last time its program exited with 3.",
    ]
    assert lines[-2:] == ["oops", "see: herd log crash, then: herd enable crash && herd start crash"]


def test_one_that_waits_to_be_respawned(daemon: Daemon) -> None:
    daemon.until("later", lambda facts: facts["respawnInUSec"])
    lines = why(daemon, "later")
    assert lines[0] == "later waits to be respawned: its program exited with 127."
    assert lines[1].startswith("It comes back at ")
    assert lines[2] == "With 127 a shell says that it did not find a command."


def test_one_that_waits_for_another(daemon: Daemon) -> None:
    daemon.until("slow", lambda facts: facts["stage"] == "readiness")
    daemon.until("patient", lambda facts: facts["stage"] == "requirement")
    lines = why(daemon, "patient")
    assert lines[0] == "patient is being started: it waits for slow, which is being started."
    assert lines[1].endswith('it waits until its output has a line with "never".')


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("once", "once is stopped: its program exited with 0."),
        ("nowhere", "nowhere could not be started: there is no working directory /no/such/place."),
        ("fault", "fault is stopped: its program was ended by SIGSEGV (11)."),
    ],
)
def test_others_that_ended(daemon: Daemon, name: str, line: str) -> None:
    daemon.until(name, lambda facts: facts["status"] == "stopped" and facts["reason"])
    assert why(daemon, name)[0] == line


def test_root_hears_of_all_that_is_not_well(daemon: Daemon) -> None:
    for name in ("top", "once", "nowhere", "fault"):
        daemon.until(name, lambda facts: facts["status"] == "stopped" and facts["reason"])
    answer = daemon.call("Perform", action="why", service="root")["parameters"]
    causes = answer["result"]["causes"]
    first = {cause["service"] for cause in causes if cause["depth"] == 0}
    assert {"top", "patient", "once", "nowhere", "fault"} <= first
    assert first.isdisjoint({"base", "mid", "slow", "web", "idle"})
    assert answer["text"].count("there is no program") == 1


def test_all_is_well() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        daemon.until_status("web", "running")
        assert daemon.herd("why").stdout == "Every service is as it should be.\n"
        daemon.herd("disable", "web")
        daemon.herd("stop", "web")
        assert (
            daemon.herd("why").stdout
            == "web is disabled: somebody asked for that.\n  herd enable web && herd start web\n"
        )


@pytest.mark.parametrize("says", [True, False], ids=["said by its output", "known from its command"])
def test_a_port_that_another_process_has(says: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        script = f"echo 'bind 127.0.0.1:{port}: Address already in use'; exit 1" if says else "echo EADDRINUSE; exit 1"
        command = ["/bin/sh", "-c", script, "sh", *([] if says else [str(port)])]
        with herdd(program("web", command, respawn=False)) as daemon:
            daemon.until("web", lambda facts: facts["status"] == "stopped" and facts["reason"])
            lines = why(daemon, "web")
    assert lines[0] == "web is stopped: its program exited with 1."
    assert lines[1].startswith(f"127.0.0.1:{port} is taken by ")
    assert f"(pid {os.getpid()}, user " in lines[1]
    assert lines[-1] == "end that process, or give web another port, then: herd start web"


def test_a_port_that_another_service_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    config = program("first", [*SERVER, port], ready={"line": "up"})
    with herdd(config + program("second", [*SERVER, port], auto_start=False, ready={"line": "up"})) as daemon:
        pid = daemon.until_status("first", "running")["mainPid"]
        assert daemon.herd("start", "second").returncode == 1
        assert f"127.0.0.1:{port} is taken by the service first (pid {pid})." in why(daemon, "second")
        assert why(daemon, "second")[-1].startswith("herd stop first, or give second another port, then: ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs as another user")
def test_what_a_user_may_not() -> None:
    with short_directory() as directory:
        tool, shut, script = directory / "tool", directory / "shut", directory / "script"
        tool.write_text("#!/bin/sh\nexec sleep infinity\n")
        tool.chmod(0o744)
        shut.mkdir(0o700)
        (shut / "tool").touch(0o755)
        script.write_text("#!/no/such/interpreter\n")
        script.chmod(0o755)
        config = [
            program("tool", [str(tool)], user="nobody"),
            program("shut", [str(shut / "tool")], user="nobody"),
            program("script", [str(script)]),
            program("user", SLEEP, user="no-such-user", respawn=False),
        ]
        with herdd("".join(config), directory=directory) as daemon:
            for name, reason in (
                ("tool", f"user nobody may not execute {tool}"),
                ("shut", f"user nobody may not enter {shut}"),
                ("script", "there is no interpreter /no/such/interpreter"),
                ("user", "there is no user no-such-user"),
            ):
                daemon.until(name, lambda facts: facts["failing"])
                assert why(daemon, name)[0] == f"{name} could not be started: {reason}."


def test_one_that_is_slow_to_stop() -> None:
    with herdd(program("web", STUBBORN, ready={"line": "ready"}, grace_period=1000)) as daemon:
        pid = daemon.until_status("web", "running")["mainPid"]
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        with daemon.wire() as wire:
            wire.send("Perform", action="stop", service="web")
            daemon.until_status("web", "stopping")
            lines = why(daemon, "web")
            daemon.process.terminate()
            daemon.said("every service is being stopped")
            daemon.process.terminate()
            assert daemon.wait() == 0
    assert lines[0].startswith("web is being stopped since ")
    assert f"{pid} {name}" in lines[1]
    assert lines[2].startswith("What has not ended by then is killed at ")
