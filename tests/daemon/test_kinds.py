"""Kinds of services: one-shot, transient, those with a stop signal of their own."""

from __future__ import annotations

from scripts import QUITTING
from support import herdd, program

SLEEP = "exec sleep infinity"


def test_a_one_shot_runs_before_what_requires_it_and_once_for_all_of_them() -> None:
    config = [
        program("setup", "echo prepared", one_shot=True),
        program("web", SLEEP, requirement=["setup"]),
        program("app", SLEEP, requirement=["setup"]),
    ]
    with herdd("".join(config)) as daemon:
        for name in ("web", "app"):
            daemon.until_status(name, "running")
        facts = daemon.until_status("setup", "stopped")
        assert (facts["done"], facts["exitCode"], facts["failing"]) == (True, 0, False)
        assert daemon.herd("restart", "web").returncode == 0
        assert daemon.written("setup") == ["prepared"]
        assert "One-shot:\n * setup\n" in daemon.herd("status").stdout
        # Asked for, it runs again.
        assert daemon.herd("start", "setup").stdout == "Service setup has been started.\n"
        assert daemon.written("setup") == ["prepared"] * 2


def test_a_one_shot_that_fails_keeps_what_requires_it_from_starting_and_can_be_tried_again() -> None:
    web = program("web", SLEEP, requirement=["setup"])
    with herdd(program("setup", "echo oops; exit 3", one_shot=True) + web) as daemon:
        facts = daemon.until("web", lambda facts: facts["failing"])
        assert "it requires setup, and: cannot start setup: its program exited with 3" in facts["reason"]
        assert daemon.status("setup")["failing"]
        done = daemon.herd("start", "setup")
        assert done.returncode == 1
        assert "the last output of setup:\n  oops" in done.stderr
        daemon.config.write_text(program("setup", "true", one_shot=True) + web)
        assert daemon.herd("reload", "root").returncode == 0
        daemon.until_status("web", "running")


def test_a_one_shot_may_take_its_time_and_be_stopped_meanwhile() -> None:
    with herdd(program("setup", "echo begun; exec sleep infinity", one_shot=True)) as daemon:
        daemon.until("setup", lambda facts: facts["mainPid"])
        assert daemon.herd("stop", "setup").returncode == 0
        facts = daemon.status("setup")
        assert (facts["status"], facts["done"]) == ("stopped", False)


def test_a_transient_service_is_forgotten_once_it_stops() -> None:
    config = program("job", SLEEP, transient=True) + program("once", "true", transient=True) + program("web", SLEEP)
    with herdd(config) as daemon:
        daemon.until_status("job", "running")
        assert daemon.herd("stop", "job").returncode == 0
        daemon.said("Service job, which is transient, is forgotten.")
        assert daemon.herd("start", "job").returncode == 4
        daemon.said("Service once, which is transient, is forgotten.")
        assert daemon.herd("reload", "root").returncode == 0
        assert daemon.until_status("job", "running")


def test_a_transient_one_is_not_brought_back_by_a_restart() -> None:
    config = program("web", SLEEP) + program("job", SLEEP, transient=True, requirement=["web"])
    with herdd(config) as daemon:
        daemon.until_status("job", "running")
        done = daemon.herd("restart", "web")
        assert (done.returncode, done.stdout) == (0, "Service web has been started.\n")
        assert daemon.herd("status", "job").returncode == 4


def test_a_service_is_stopped_by_the_signal_it_wants() -> None:
    # Its child, which does not take QUIT, is killed after the grace period.
    with herdd(program("web", QUITTING, stop_signal="QUIT", ready={"line": "ready"}, grace_period=0.2)) as daemon:
        daemon.until_status("web", "running")
        assert daemon.herd("stop", "web").returncode == 0
        assert "quitting" in daemon.written("web")


def test_a_process_that_ends_by_itself_without_respawn_is_stopped_and_not_disabled() -> None:
    with herdd(program("web", "exit 0", respawn=False)) as daemon:
        facts = daemon.until("web", lambda facts: facts["status"] == "stopped" and facts["exitCode"] == 0)
        assert facts["enabled"]
        assert not facts["failing"]
        assert daemon.herd("start", "web").returncode == 0
