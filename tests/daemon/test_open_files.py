"""herdd allows itself more open files when it has many services, and leaves programs what it was started with."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from support import HERDD, PATIENCE, Daemon, herdd, program

SLEEP = ["/bin/sleep", "infinity"]
ACTION = {"limits": {"command": ["sh", "-c", "ulimit -Sn; ulimit -Hn"]}}
HARD = 5000


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few that three services are many."""
    monkeypatch.setattr("support.HERDD", ("prlimit", f"--nofile=300:{HARD}", *HERDD))


def allowed(pid: int) -> tuple[int, int]:
    """Soft and hard."""
    (line,) = (
        each for each in Path(f"/proc/{pid}/limits").read_text().splitlines() if each.startswith("Max open files")
    )
    soft, hard = line.split()[3:5]
    return int(soft), int(hard)


def of(daemon: Daemon, name: str) -> tuple[int, int]:
    """Of the program itself: what is executed in its place before may have to limit itself."""
    pid = daemon.until_status(name, "running")["mainPid"]
    end = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}/comm").read_text() != "sleep\n":
        assert time.monotonic() < end
    return allowed(pid)


def test_programs_get_what_herdd_was_started_with() -> None:
    own = program("own", SLEEP, resource_limits={"nofile": "40:50", "core": "0"})
    other = program("other", SLEEP, resource_limits={"core": "0"})
    user = program("user", SLEEP, user="nobody") if os.geteuid() == 0 else program("user", SLEEP)
    with herdd(program("web", SLEEP, action=ACTION) + own + other + user) as daemon:
        assert allowed(daemon.process.pid) == (HARD, HARD)
        assert (of(daemon, "web"), of(daemon, "own")) == ((300, HARD), (40, 50))
        assert (of(daemon, "other"), of(daemon, "user")) == ((300, HARD), (300, HARD))
        assert daemon.herd("limits", "web").stdout == f"300\n{HARD}\n"
        assert "open files" not in "\n".join(daemon.lines)


def test_they_get_it_from_a_herdd_that_was_executed_anew_too() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        daemon.until_status("web", "running")
        assert daemon.herd("upgrade", "root").returncode == 0
        daemon.said(" listens on ", 2)
        assert allowed(daemon.process.pid) == (HARD, HARD)
        assert daemon.herd("restart", "web").returncode == 0
        assert of(daemon, "web") == (300, HARD)


def test_services_that_come_with_a_reload_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.HERDD", ("prlimit", f"--nofile=520:{HARD}", *HERDD))
    with herdd(program("web", SLEEP)) as daemon:
        assert allowed(daemon.process.pid) == (520, HARD)
        daemon.config.write_text("".join(program(name, SLEEP) for name in ("web", "app", "db")))
        assert daemon.herd("reload", "root").returncode == 0
        assert allowed(daemon.process.pid) == (HARD, HARD)
        assert (of(daemon, "web"), of(daemon, "db")) == ((520, HARD), (520, HARD))


def test_a_limit_that_cannot_be_raised_far_enough_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.HERDD", ("prlimit", "--nofile=300:400", *HERDD))
    with herdd(program("web", SLEEP)) as daemon:
        daemon.said("herdd may need 116 open files more than it is allowed; raise its limit")
        assert (allowed(daemon.process.pid), of(daemon, "web")) == ((400, 400), (300, 400))
