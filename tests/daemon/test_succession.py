"""One herdd after another: what a killed one left is taken over, an upgrade stops nothing, disabled is remembered."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from support import Daemon, herdd, lives, program, short_directory

SLEEP = "exec sleep infinity"
TALKING = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.02; done"
PATIENT = "echo ready; exec sleep infinity"


def killed(daemon: Daemon) -> None:
    """End this herdd as no program can prepare for; its processes stay."""
    daemon.process.send_signal(signal.SIGKILL)
    daemon.wait()


def test_a_killed_herdds_services_run_on_and_are_taken_over() -> None:
    config = program("web", PATIENT, ready={"line": "ready"}) + program("app", SLEEP, requirement=["web"])
    with short_directory() as directory:
        with herdd(config, directory=directory, ends=False) as first:
            pids = {name: first.until_status(name, "running")["mainPid"] for name in ("web", "app")}
            killed(first)
        assert all(lives(pid) for pid in pids.values())
        with herdd(config, directory=directory) as second:
            for name, pid in pids.items():
                facts = second.until_status(name, "running")
                assert (facts["mainPid"], facts["adopted"]) == (pid, True)
                second.said(f"Service {name} runs since before this herdd and is taken over (pid {pid}).")
            # It is looked after like any other: it comes back when it ends, and a stop ends it.
            os.kill(pids["web"], signal.SIGKILL)
            facts = second.until("web", lambda facts: facts["status"] == "running" and facts["mainPid"] != pids["web"])
            assert not facts["adopted"]
            assert second.herd("stop", "web").returncode == 0
            assert not any(lives(pid) for pid in pids.values())


def test_a_service_that_writes_outlives_herdd_and_its_lines_are_kept() -> None:
    config = program("web", TALKING)
    with short_directory() as directory:
        with herdd(config, directory=directory, ends=False) as first:
            pid = first.until_status("web", "running")["mainPid"]
            killed(first)
        with herdd(config, directory=directory) as second:
            assert second.until_status("web", "running")["mainPid"] == pid
            with second.wire() as wire:
                wire.send("Log", more=True, service="web", lines=0, follow=True)
                lines: list[str] = []
                while len(lines) < 5:
                    answer = wire.receive()
                    assert answer is not None
                    lines += answer["parameters"]["lines"]
            numbers = [int(line.split()[-1]) for line in second.herd("log", "web", "-n", "1000").stdout.splitlines()]
            # In order and none twice; a line that the first had read and not yet written is lost with it.
            assert numbers == sorted(set(numbers))


def test_one_that_was_not_ready_is_ended_and_started_anew() -> None:
    config = program("web", "echo $$; exec sleep infinity", ready={"line": "never"})
    with short_directory() as directory:
        with herdd(config, directory=directory, ends=False) as first:
            pid = first.until("web", lambda facts: facts["mainPid"])["mainPid"]
            killed(first)
        with herdd(config, directory=directory) as second:
            assert second.until("web", lambda facts: facts["mainPid"])["mainPid"] != pid
            assert not lives(pid)


def test_what_is_no_longer_configured_is_ended() -> None:
    with short_directory() as directory:
        with herdd(program("web", SLEEP), directory=directory, ends=False) as first:
            pid = first.until_status("web", "running")["mainPid"]
            killed(first)
        with herdd(program("other", SLEEP), directory=directory) as second:
            second.until_status("other", "running")
            assert not lives(pid)


def test_a_recycled_pid_is_not_taken_over() -> None:
    with short_directory() as directory:
        with herdd(program("web", SLEEP), directory=directory, ends=False) as first:
            pid = first.until_status("web", "running")["mainPid"]
            killed(first)
        os.kill(pid, signal.SIGKILL)
        record = directory / "run/processes/web.json"
        # Our own process bears that number now, as far as the record can tell.
        record.write_text(record.read_text().replace(f'"pid": {pid}', f'"pid": {os.getpid()}'))
        with herdd(program("web", SLEEP), directory=directory) as second:
            facts = second.until_status("web", "running")
            assert facts["mainPid"] not in (pid, os.getpid())
            assert not facts["adopted"]


def test_a_broken_record_is_as_good_as_none() -> None:
    with short_directory() as directory:
        (directory / "run/processes").mkdir(parents=True)
        (directory / "run/processes/web.json").write_text("{")
        (directory / "run/processes/app.json").write_text('{"service": 5}')
        with herdd(program("web", SLEEP), directory=directory) as daemon:
            assert daemon.until_status("web", "running")


def test_another_definition_of_a_process_that_was_taken_over_waits() -> None:
    with short_directory() as directory:
        with herdd(program("web", SLEEP), directory=directory, ends=False) as first:
            first.until_status("web", "running")
            killed(first)
        with herdd(program("web", "exec sleep 1000"), directory=directory) as second:
            assert second.until_status("web", "running")["hasReplacement"]
            assert second.herd("restart", "web").returncode == 0
            assert not second.status("web")["hasReplacement"]


def test_an_upgrade_executes_herdd_anew_and_stops_nothing() -> None:
    config = program("web", PATIENT, ready={"line": "ready"}) + program("app", SLEEP)
    with herdd(config) as daemon:
        pids = {name: daemon.until_status(name, "running")["mainPid"] for name in ("web", "app")}
        done = daemon.herd("upgrade", "root")
        assert (done.returncode, done.stdout) == (0, "herdd is executed anew; every service runs on.\n")
        daemon.said(" listens on ", 2)
        for name, pid in pids.items():
            assert daemon.until_status(name, "running")["mainPid"] == pid
        # Still the parent of its services: it is told how they end.
        os.kill(pids["app"], signal.SIGKILL)
        facts = daemon.until("app", lambda facts: facts["status"] == "running" and facts["mainPid"] != pids["app"])
        assert facts["exitSignal"] == signal.SIGKILL


def test_an_upgrade_with_a_mistake_in_the_configuration_is_refused() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        daemon.config.write_text("[service.web]\ncomand = ['true']\n")
        done = daemon.herd("upgrade", "root")
        assert done.returncode == 1
        assert "unknown key comand" in done.stderr
        assert daemon.until_status("web", "running")


def test_disabled_is_remembered(tmp_path: Path) -> None:
    config = program("web", SLEEP) + program("app", SLEEP)
    with short_directory() as directory:
        with herdd(config, directory=directory) as daemon:
            assert daemon.herd("disable", "web").returncode == 0
            assert daemon.herd("stop", "web").returncode == 0
        with herdd(config, directory=directory) as daemon:
            daemon.until_status("app", "running")
            assert daemon.status("web")["status"] == "stopped"
            assert not daemon.status("web")["enabled"]
            assert daemon.herd("enable", "web").returncode == 0
        with herdd(config, directory=directory) as daemon:
            assert daemon.until_status("web", "running")["enabled"]


def test_a_crash_loop_stays_disabled() -> None:
    config = program("web", "exit 3", respawn_delay=0)
    with short_directory() as directory:
        with herdd(config, directory=directory) as daemon:
            daemon.until("web", lambda facts: not facts["enabled"])
        with herdd(config, directory=directory) as daemon:
            assert not daemon.status("web")["enabled"]


def test_a_herdd_that_is_told_to_end_at_once_ends_what_it_took_over() -> None:
    with short_directory() as directory:
        with herdd(program("web", SLEEP), directory=directory, ends=False) as first:
            pid = first.until_status("web", "running")["mainPid"]
            killed(first)
        with herdd(program("web", SLEEP), directory=directory) as second:
            assert second.end() == 0
            assert not lives(pid)
