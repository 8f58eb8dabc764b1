"""One herdd after another: what a killed one left is taken over, an upgrade stops nothing, disabled is remembered."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from herd.daemon.files import opened_directory
from herd.daemon.rotation import rotated
from scripts import STUBBORN
from support import HERDD, PATIENCE, Daemon, herdd, lives, program, short_directory

SLEEP = "exec sleep infinity"
TALKING = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.02; done"
PATIENT = "echo ready; exec sleep infinity"


# One write: who has seen the line has read what comes after it.
UNFINISHED = "trap 'echo def' USR1; printf 'ready\\nabc'; while :; do sleep 1000 & wait $!; done"


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
            # What it reads in the moment of its death is lost with it.
            os.kill(pid, signal.SIGSTOP)
            first.written("web")
            killed(first)
            os.kill(pid, signal.SIGCONT)
        with herdd(config, directory=directory) as second:
            assert second.until_status("web", "running")["mainPid"] == pid
            with second.wire() as wire:
                wire.send("Log", more=True, service="web", lines=0, follow=True)
                lines: list[str] = []
                while len(lines) < 5:
                    answer = wire.receive()
                    assert answer is not None
                    lines += answer["parameters"]["lines"]
            # The first has left the next what it had read and not yet written.
            assert gapless(second.written("web"))


def gapless(lines: list[str]) -> bool:
    """Whether the lines that TALKING has written are all there, each once."""
    return lines == [f"line {number}" for number in range(1, len(lines) + 1)]


def seen(daemon: Daemon, service: str, text: str, number: int = 0) -> None:
    """Return once a line of the service's log ends so, having sent its process that signal meanwhile."""
    with daemon.wire() as wire:
        wire.send("Log", more=True, service=service, follow=True)
        if number:
            os.kill(daemon.status(service)["mainPid"], number)
        lines = [""]
        while not lines[-1].endswith(text):
            answer = wire.receive()
            assert answer is not None
            lines += answer["parameters"]["lines"]


def test_a_line_that_was_shown_is_kept_even_if_herdd_is_killed_at_once() -> None:
    config = program("web", "trap 'echo said' USR1; echo ready; while :; do sleep 1000 & wait $!; done")
    with short_directory() as directory:
        with herdd(config, directory=directory, ends=False) as first:
            seen(first, "web", " ready")
            seen(first, "web", " said", signal.SIGUSR1)
            killed(first)
        with herdd(config, directory=directory) as second:
            second.until_status("web", "running")
            assert second.written("web") == ["ready", "said"]


def test_an_unfinished_line_goes_on_after_an_upgrade() -> None:
    with herdd(program("web", UNFINISHED)) as daemon:
        seen(daemon, "web", " ready")
        for count in (2, 3):
            assert daemon.herd("upgrade", "root").returncode == 0
            daemon.said(" listens on ", count)
        seen(daemon, "web", "def", signal.SIGUSR1)
        assert daemon.written("web") == ["ready", "abcdef"]


def test_an_unfinished_line_goes_on_after_a_herdd_that_was_killed() -> None:
    with short_directory() as directory:
        with herdd(program("web", UNFINISHED), directory=directory, ends=False) as first:
            seen(first, "web", " ready")
            killed(first)
        with herdd(program("web", UNFINISHED), directory=directory) as second:
            second.until_status("web", "running")
            seen(second, "web", "def", signal.SIGUSR1)
            assert second.written("web") == ["ready", "abcdef"]


def test_the_last_words_of_one_that_ended_without_a_herdd_are_kept() -> None:
    with short_directory() as directory:
        with herdd(program("web", UNFINISHED), directory=directory, ends=False) as first:
            seen(first, "web", " ready")
            pid = first.status("web")["mainPid"]
            killed(first)
        os.kill(pid, signal.SIGKILL)
        with herdd(program("web", UNFINISHED), directory=directory) as second:
            second.until_status("web", "running")
            seen(second, "web", "def", signal.SIGUSR1)
            assert second.written("web") == ["ready", "abc", "ready", "abcdef"]


def test_an_upgrade_loses_doubles_and_cuts_no_line_of_one_that_writes() -> None:
    with herdd(program("web", "i=0; while :; do i=$((i+1)); printf 'line '; echo $i; done")) as daemon:
        daemon.until_status("web", "running")
        for count in (2, 3, 4):
            assert daemon.herd("upgrade", "root").returncode == 0
            daemon.said(" listens on ", count)
        assert daemon.herd("stop", "web").returncode == 0
        # The stop may have come within the last one.
        *lines, _ = whole(daemon.log_dir / "web.log")
        assert gapless(lines)


def whole(path: Path) -> list[str]:
    """The lines of a log and of its older files, without their stamps."""
    texts: list[bytes] = []
    while not texts:
        # One that is being compressed may just have another name.
        with suppress(FileNotFoundError), opened_directory(path.parent) as directory:
            files = [path, *(path.with_name(old) for _, old in rotated(directory, path.name))]
            texts = [
                gzip.decompress(each.read_bytes()) if each.suffix == ".gz" else each.read_bytes() for each in files
            ]
    return [line.split(" ", 1)[1] for text in reversed(texts) for line in text.decode().splitlines()]


def test_one_that_was_not_ready_is_ended_and_started_anew() -> None:
    config = program("web", "echo $$; exec sleep infinity", ready={"line": "never"})
    with short_directory() as directory:
        with herdd(config, directory=directory, ends=False) as first:
            pid = first.until("web", lambda facts: facts["mainPid"])["mainPid"]
            killed(first)
        with herdd(config, directory=directory) as second:
            assert second.until("web", lambda facts: facts["mainPid"])["mainPid"] != pid
            assert not lives(pid)


# As setproctitle(3bsd) does, and so does its child: /proc/PID/environ shows this memory.
HIDDEN = """
import os, signal
begin, end = map(int, open("/proc/self/stat").read().rpartition(")")[2].split()[47:49])
with open("/proc/self/mem", "r+b", 0) as memory:
    memory.seek(begin)
    memory.write(b"\\0" * (end - begin))
child = os.fork()
if child:
    print("child", child, flush=True)
signal.pause()
"""


def _child(daemon: Daemon) -> int:
    """Whom it has begun, once it has told."""
    with daemon.wire() as wire:
        wire.send("Log", more=True, service="web", follow=True)
        while True:
            answer = wire.receive()
            assert answer is not None
            for each in answer["parameters"]["lines"]:
                if " child " in each:
                    return int(each.split()[-1])


def test_one_that_writes_over_its_environment_is_taken_over() -> None:
    config = program("web", [sys.executable, "-c", HIDDEN], ready={"line": "child"})
    with short_directory() as directory:
        with herdd(config, directory=directory, ends=False) as first:
            pid, child = first.until_status("web", "running")["mainPid"], _child(first)
            first.remembered("web")
            killed(first)
        with herdd(config, directory=directory) as second:
            assert second.until_status("web", "running")["mainPid"] == pid
            os.kill(pid, signal.SIGKILL)
            second.until("web", lambda facts: facts["status"] == "running" and facts["mainPid"] not in (None, pid))
            assert not lives(child)


def test_one_that_writes_over_its_environment_and_was_not_ready_is_ended() -> None:
    config = program("web", [sys.executable, "-c", HIDDEN], ready={"line": "never"})
    with short_directory() as directory:
        with herdd(config, directory=directory, ends=False) as first:
            child = _child(first)
            pid = first.status("web")["mainPid"]
            killed(first)
        with herdd(config, directory=directory) as second:
            assert second.until("web", lambda facts: facts["mainPid"] is not None)["mainPid"] != pid
            assert not lives(pid)
            assert not lives(child)


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


def test_the_end_of_what_was_taken_over_begins_today() -> None:
    config = program("web", STUBBORN, ready={"line": "ready"}, grace_period=600)
    with short_directory() as directory:
        with herdd(config, directory=directory, ends=False) as first:
            begun = first.until_status("web", "running")["sinceUSec"]
            first.remembered("web")
            killed(first)
        with herdd(config, directory=directory) as second:
            assert second.until_status("web", "running")["sinceUSec"] == pytest.approx(begun, abs=1_000_000)
            asked = time.time()
            second.process.terminate()
            assert second.until_status("web", "stopping")["sinceUSec"] >= asked * 1e6
            second.process.terminate()


def test_a_herdd_that_is_told_to_end_at_once_ends_what_it_took_over() -> None:
    with short_directory() as directory:
        with herdd(program("web", SLEEP), directory=directory, ends=False) as first:
            pid = first.until_status("web", "running")["mainPid"]
            killed(first)
        with herdd(program("web", SLEEP), directory=directory) as second:
            assert second.end() == 0
            assert not lives(pid)


def swept(daemon: Daemon) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HERDD, *daemon.arguments, "--sweep"], capture_output=True, text=True, timeout=PATIENCE)


def test_what_a_killed_herdd_left_is_swept_away_where_none_is_to_follow() -> None:
    # A child with a session of its own is the service's, too.
    config = program("web", f"setsid sh -c '{SLEEP}' & echo ready; wait", ready={"line": "ready"})
    with herdd(config, ends=False) as daemon:
        pid = daemon.until_status("web", "running")["mainPid"]
        group = {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
        assert len(group) == 2
        refused = swept(daemon)
        assert (refused.returncode, "answers there already" in refused.stderr) == (1, True)
        assert all(lives(each) for each in group)
        killed(daemon)
        done = swept(daemon)
        assert (done.returncode, done.stdout) == (0, "")
        assert not any(lives(each) for each in group)
        assert not list((daemon.runtime_dir / "processes").glob("*.json"))
