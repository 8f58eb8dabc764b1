"""`herd watch`: a line for each change that people can see, an object for each change at all."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from herdctl.watching import line
from support import HERD, PATIENCE, Daemon, herdd, program

SLEEP = "exec sleep infinity"
FACTS: dict[str, Any] = {
    "name": "web",
    "status": "stopped",
    "failing": False,
    "enabled": True,
    "done": False,
    "reason": None,
    "respawnInUSec": None,
    "mainPid": None,
    "health": None,
}


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({}, "stopped"),
        ({"done": True}, "stopped (one-shot)"),
        ({"status": "starting", "mainPid": 7}, "starting"),
        ({"status": "running"}, "running"),
        ({"status": "running", "mainPid": 7}, "running (pid 7)"),
        (
            {"status": "running", "mainPid": 7, "health": "1 of 3 checks failed: no"},
            "running (pid 7): 1 of 3 checks failed: no",
        ),
        ({"status": "running", "mainPid": 7, "enabled": False}, "running (pid 7): it is disabled"),
        ({"status": "stopping", "reason": "it exited with 3"}, "stopping: it exited with 3"),
        ({"reason": "it exited with 3", "respawnInUSec": 1}, "stopped: it exited with 3; it will be respawned"),
        (
            {"failing": True, "reason": "it failed too often", "enabled": False},
            "stopped (failing): it failed too often; it is disabled",
        ),
    ],
)
def test_how_a_service_is_in_a_line(facts: dict[str, Any], text: str) -> None:
    assert line({**FACTS, **facts}) == f"web: {text}"


@contextmanager
def watching(daemon: Daemon, *words: str) -> Iterator[Iterator[str]]:
    """The lines of a watcher, which is interrupted at the end."""
    command = [*HERD, *words]
    with subprocess.Popen(command, env=daemon.environment, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        try:
            yield iter(watcher.stdout)
        finally:
            watcher.send_signal(signal.SIGINT)
        assert watcher.wait(PATIENCE) == 130


def until(lines: Iterator[str], last: str) -> list[str]:
    """The lines up to the one that is wanted."""
    found = []
    for each in lines:
        found.append(each.rstrip("\n"))
        if found[-1] == last:
            return found
    raise AssertionError(f"{last!r} did not come, but {found}")


def test_each_change_is_a_line() -> None:
    with herdd(program("db", SLEEP, auto_start=False) + program("setup", "true", one_shot=True)) as daemon:
        daemon.until("setup", lambda facts: facts["done"])
        with watching(daemon, "watch") as lines:
            assert {next(lines), next(lines)} == {"db: stopped\n", "setup: stopped (one-shot)\n"}
            daemon.call("Perform", action="start", service="db")
            pid = daemon.status("db")["mainPid"]
            daemon.call("Perform", action="disable", service="db")
            running = f"db: running (pid {pid})"
            assert until(lines, f"{running}: it is disabled") == ["db: starting", running, f"{running}: it is disabled"]
            # One that there was not when the watch began.
            daemon.config.write_text(program("web", "exit 3", ready={"line": "ready"}, respawn=False))
            daemon.herd("reload", "root")
            reason = "its program exited with 3 before it was ready"
            assert until(lines, f"web: stopped (failing): {reason}")[-3:] == [
                "web: starting",
                f"web: stopping: {reason}",
                f"web: stopped (failing): {reason}",
            ]


def test_one_service_is_watched_alone_by_any_of_its_names() -> None:
    config = program("web", SLEEP, aliases=["http"], auto_start=False) + program("db", SLEEP, auto_start=False)
    with herdd(config) as daemon, watching(daemon, "watch", "http") as lines:
        assert next(lines) == "web: stopped\n"
        for name in ("db", "web"):
            daemon.call("Perform", action="start", service=name)
        pid = daemon.status("web")["mainPid"]
        assert until(lines, f"web: running (pid {pid})") == ["web: starting", f"web: running (pid {pid})"]


def test_json_is_an_object_a_line() -> None:
    with herdd(program("web", SLEEP, auto_start=False)) as daemon, watching(daemon, "--json", "watch") as lines:
        statuses = [json.loads(next(lines))["status"]]
        daemon.call("Perform", action="start", service="web")
        while statuses[-1] != "running":
            facts = json.loads(next(lines))
            assert facts["name"] == "web"
            statuses.append(facts["status"])
    assert list(dict.fromkeys(statuses)) == ["stopped", "starting", "running"]


def test_a_watch_ends_with_herdd() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        command = [*HERD, "watch"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=daemon.environment, stdout=pipe, stderr=pipe, text=True) as watcher:
            assert watcher.stdout is not None
            assert watcher.stdout.readline().startswith("web: ")
            assert daemon.end() == 0
            output, error = watcher.communicate(timeout=PATIENCE)
        assert output.endswith("web: stopped\n")
        assert (watcher.returncode, error.startswith(f"herd: cannot reach herdd at {daemon.socket}: ")) == (5, True)
