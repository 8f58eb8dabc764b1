"""What herdd is for, with real programs: order, ends, respawns, what happens to those that require an ended one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from scripts import STUBBORN
from support import Daemon, herdd, program, short_directory

SLEEP = "exec sleep infinity"
# Ends by its own will only; says so when it is asked to.


def moments(daemon: Daemon, text: str) -> int:
    """The place of the line with `text` among those that herdd said."""
    return daemon.lines.index(daemon.said(text))


def test_requirements_start_first_and_stop_last() -> None:
    chain = [
        program("c", SLEEP, requirement=["b"]),
        program("a", "echo ready; exec sleep infinity", ready={"line": "ready"}, aliases=["first"]),
        program("b", SLEEP, requirement=["first"]),
    ]
    with herdd("".join(chain)) as daemon:
        daemon.until_status("c", "running")
        assert daemon.end() == 0
        # Each with a stamp of its own.
        written = [line.split(" ", 1)[1] for line in daemon.log("root").splitlines()]
        assert written == [line.split(" ", 1)[1] for line in daemon.lines]
    started = [moments(daemon, f"Service {name} is running") for name in "abc"]
    stopped = [moments(daemon, f"Service {name} has been stopped") for name in "cba"]
    assert [*started, *stopped] == sorted([*started, *stopped])
    assert moments(daemon, "Service b is being stopped") > moments(daemon, "Service c has been stopped")


def test_those_without_auto_start_wait_to_be_asked_or_required() -> None:
    config = program("idle", SLEEP, auto_start=False) + program("base", SLEEP, auto_start=False)
    with herdd(config + program("top", SLEEP, requirement=["base"])) as daemon:
        daemon.until_status("top", "running")
        assert daemon.status("base")["status"] == "running"
        assert daemon.status("idle")["status"] == "stopped"


def test_a_killed_program_comes_back_and_those_that_require_it() -> None:
    config = program("base", SLEEP) + program("top", SLEEP, requirement=["base"]) + program("other", SLEEP)
    with herdd(config) as daemon:
        before = {name: daemon.until_status(name, "running")["mainPid"] for name in ("top", "base", "other")}
        os.kill(before["base"], signal.SIGKILL)
        for name in ("base", "top"):
            daemon.until(name, lambda facts: facts["status"] == "running" and facts["mainPid"] != before[facts["name"]])
        facts = daemon.status("base")
        assert (facts["exitSignal"], facts["exitCode"], facts["respawns"]) == (signal.SIGKILL, None, 1)
        assert "its program was ended by SIGKILL (9)" in daemon.said("Service base is being stopped")
        assert "base, which it requires, ended" in daemon.said("Service top is being stopped")
        assert daemon.status("other")["mainPid"] == before["other"]


def test_a_crash_loop_is_disabled_until_somebody_enables_it() -> None:
    with herdd(program("web", "echo oops; exit 3", respawn_delay=0)) as daemon:
        facts = daemon.until("web", lambda facts: not facts["enabled"] and facts["status"] == "stopped")
        assert (facts["failing"], facts["exitCode"], facts["respawns"]) == (True, 3, 5)
        assert "it ended more than 5 times in 7 seconds; it is disabled" in facts["reason"]
        assert daemon.written("web") == ["oops"] * 6
        refusal = daemon.herd("start", "web")
        assert refusal.returncode == 1
        reason = (
            "cannot start web: it ended more than 5 times in 7 seconds; it is disabled; enable it with: herd enable web"
        )
        assert refusal.stderr.splitlines()[0] == f"herd: {reason}"
        assert daemon.herd("enable", "web").returncode == 0
        assert daemon.herd("start", "web").returncode == 0


def test_a_disabled_one_runs_on_and_does_not_come_back() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        pid = daemon.until_status("web", "running")["mainPid"]
        daemon.call("Perform", action="disable", service="web")
        assert daemon.status("web")["mainPid"] == pid
        os.kill(pid, signal.SIGKILL)
        facts = daemon.until_status("web", "stopped")
        assert (facts["enabled"], facts["respawnInUSec"]) == (False, None)


def test_a_stop_waits_until_nothing_is_left() -> None:
    left = "setsid --fork sh -c 'trap \"\" TERM; echo away; exec sleep 1000'; sleep 1001 & echo ready; wait"
    with herdd(program("web", left, ready={"line": "away"}, grace_period=0.2)) as daemon:
        pid = daemon.until_status("web", "running")["mainPid"]
        mark = psutil.Process(pid).environ()["HERD_INVOCATION"]
        begun = time.monotonic()
        assert daemon.herd("stop", "web").returncode == 0
        assert time.monotonic() - begun >= 0.2
        assert not [
            each
            for each in psutil.process_iter(["environ"])
            if (each.info["environ"] or {}).get("HERD_INVOCATION") == mark
        ]


def test_a_second_signal_ends_everything_at_once() -> None:
    with herdd(program("web", STUBBORN, ready={"line": "ready"}, grace_period=1000)) as daemon:
        daemon.until_status("web", "running")
        with daemon.wire() as wire:
            wire.send("Log", more=True, service="web", follow=True, lines=1)
            assert "ready" in str(wire.receive())
            daemon.process.terminate()
            while "asked" not in str(wire.receive()):
                pass
        daemon.process.terminate()
        assert daemon.wait() == 0
        daemon.said("Asked again: every process ends at once.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_other_signals_stop_it_too(number: signal.Signals) -> None:
    with herdd(program("web", SLEEP)) as daemon:
        daemon.until_status("web", "running")
        assert daemon.end(number) == 0
        daemon.said("Service web has been stopped.")
        assert not daemon.socket.exists()


def test_a_stop_in_the_middle_of_a_start() -> None:
    with herdd(program("web", SLEEP, ready={"line": "never"})) as daemon:
        daemon.until("web", lambda facts: facts["stage"] == "readiness" and facts["mainPid"])
        assert daemon.herd("stop", "web").returncode == 0
        facts = daemon.status("web")
        assert (facts["status"], facts["failing"]) == ("stopped", False)


def test_many_at_once() -> None:
    names = [f"s{number}" for number in range(30)]
    with herdd("".join(program(name, SLEEP) for name in names)) as daemon:
        for name in names:
            daemon.until_status(name, "running")
    assert len([line for line in daemon.lines if " Service s" in line and "has been stopped." in line]) == 30


FAILING: dict[str, tuple[list[str], dict[str, object], str]] = {
    "missing": (["/no/such"], {}, "there is no program /no/such; correct its command"),
    "forbidden": (["/etc/passwd"], {}, "/etc/passwd: Permission denied"),
    "nul": (["echo", "a\0b"], {}, "echo: embedded null byte"),
    "variable": (["true"], {"environment": {"A=B": "c"}}, "true: illegal environment variable name"),
    "user": (["true"], {"user": "no-such-user"}, "there is no user no-such-user; create it with: useradd"),
    "place": (["true"], {"directory": "/no/such"}, "/no/such: No such file or directory"),
    "early": (
        ["sh", "-c", "echo oops; exit 3"],
        {"ready": {"line": "x"}},
        "its program exited with 3 before it was ready",
    ),
    "slow": (["sleep", "1000"], {"ready": {"line": "x"}, "start_timeout": 0.1}, "it was not ready after 0.1 seconds"),
}


@pytest.fixture(scope="module")
def failing() -> Iterator[Daemon]:
    tables = [program(name, command, auto_start=False, **keys) for name, (command, keys, _) in FAILING.items()]
    with herdd("".join(tables)) as daemon:
        yield daemon


@pytest.mark.parametrize("name", FAILING)
def test_starts_that_fail_say_why(failing: Daemon, name: str) -> None:
    found = failing.herd("start", name)
    assert found.returncode == 1
    assert found.stderr.startswith(f"herd: cannot start {name}: ")
    assert FAILING[name][2] in found.stderr
    assert ("oops" in found.stderr) == (name == "early")
    assert failing.status(name)["failing"]


def test_whoever_waits_is_told_what_waits_for_what() -> None:
    config = [
        program(
            "bus", "read x < gate; echo ready; exec sleep infinity", directory="DIRECTORY", ready={"line": "ready"}
        ),
        program("web", SLEEP, requirement=["bus"]),
        program("other", SLEEP),
    ]
    with short_directory() as directory:
        os.mkfifo(directory / "gate")
        text = "".join(config).replace("DIRECTORY", str(directory)) + "auto-start = false\n"
        with herdd(text, directory=directory) as daemon, daemon.wire() as wire:
            daemon.until("bus", lambda facts: facts["stage"] == "readiness")
            wire.send("Perform", more=True, action="start", service="web")
            told = []
            while "result" not in (answer := wire.receive() or {})["parameters"]:
                told.append(answer["parameters"]["progress"])
                if len(told) == 2:
                    (directory / "gate").write_text("go\n")
            assert set(told[:2]) == {"bus is not ready yet", "web waits for bus"}
            assert told[2:] == ["bus is running", "web is being started", "web is running"]
