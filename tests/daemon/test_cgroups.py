"""Services in control groups of their own: nobody hides, nobody outruns the end, the next herdd finds them again."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cgroups import delegated, inside, wait_until_empty
from herd.core.limits import Limits
from herd.daemon.cgroups import Group
from scripts import python
from support import HERDD, Daemon, herdd, lives, program, short_directory

SLEEP = "exec sleep infinity"
# With neither a mark nor its parent, nor the session.
HIDDEN = python("""
child = '''import os, time
os.setsid()
if pid := os.fork():
    print(pid, flush=True)
    os._exit(0)
time.sleep(1e9)'''
subprocess.Popen([sys.executable, "-c", child], env={}).wait()
print("ready", flush=True)
time.sleep(1e9)
""")
# The same, but it is what says that all is ready.
HERALD = python("""
child = "import os, socket, sys, time; os.setsid(); os.fork() and os._exit(0)\\n"
child += "link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\\n"
child += "while os.getppid() == int(sys.argv[2]): pass\\n"
child += "link.sendto(b'READY=1', sys.argv[1].replace('@', chr(0), 1)); time.sleep(1e9)"
words = [sys.executable, "-c", child, os.environ["NOTIFY_SOCKET"], str(os.getpid())]
subprocess.Popen(words, env={}).wait()
time.sleep(1e9)
""")
# As many as they may be, at all times, each in a session of its own. Not Python: it may be where no other user comes.
RABBITS = ["perl", "-MPOSIX", "-e", "$SIG{TERM} = 'IGNORE'; $| = 1; print qq(ready\\n); fork() or setsid() while 1"]
# Its child has used a fifth of a second, and ended.
BUSY = python("""
if os.fork() == 0:
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    os._exit(0)
os.wait()
print("ready", flush=True)
time.sleep(1e9)
""")
READY = {"line": "ready"}


def members(group: Path) -> list[int]:
    return [int(each) for each in (group / "cgroup.procs").read_text().split()]


def hidden(daemon: Daemon) -> int:
    return next(int(line.split()[-1]) for line in daemon.written("web") if line.split()[-1].isdecimal())


def sleeper(group: Path) -> subprocess.Popen[bytes]:
    """Somebody who is in the group by now."""
    words = [*inside(group), "sh", "-c", "echo; exec sleep infinity"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
    return process


def killed(daemon: Daemon) -> None:
    daemon.process.send_signal(signal.SIGKILL)
    daemon.wait()


def test_each_service_has_a_group_for_as_long_as_it_runs() -> None:
    config = program("web", SLEEP) + program("app", SLEEP)
    with delegated() as root, herdd(config, inside=inside(root)) as daemon:
        pids = {name: daemon.until_status(name, "running")["mainPid"] for name in ("web", "app")}
        assert members(root) == []
        assert members(root / "herdd") == [daemon.process.pid]
        assert {name: members(root / f"herd-{name}") for name in pids} == {name: [pid] for name, pid in pids.items()}
        assert daemon.herd("stop", "web").returncode == 0
        assert not (root / "herd-web").exists()


def test_whoever_hides_is_found_by_the_group() -> None:
    with delegated() as root, herdd(program("web", HIDDEN, ready=READY), inside=inside(root)) as daemon:
        daemon.until_status("web", "running")
        assert json.loads(daemon.herd("--json", "status", "web").stdout)["processes"] == 2
        pid = hidden(daemon)
        assert lives(pid)
        assert daemon.herd("stop", "web").returncode == 0
        assert not lives(pid)
        assert not (root / "herd-web").exists()


def test_a_start_that_fails_leaves_no_group() -> None:
    with delegated() as root, herdd(program("web", ["/nowhere/web"], respawn=False), inside=inside(root)) as daemon:
        assert daemon.herd("start", "web").returncode == 1
        assert not (root / "herd-web").exists()


def test_whoever_hides_may_say_that_it_is_ready() -> None:
    config = program("web", HERALD, ready={"notify": True})
    with delegated() as root, herdd(config, inside=inside(root)) as daemon:
        daemon.until_status("web", "running")


def test_those_who_multiply_faster_than_they_are_found_end_all_at_once() -> None:
    # A user that no other test's programs are: the limit counts all of a user's.
    keys = {"user": "games", "resource_limits": {"nproc": "80"}, "grace_period": 0.2, "respawn": False}
    with delegated() as root, herdd(program("web", RABBITS, ready=READY, **keys), inside=inside(root)) as daemon:
        daemon.until_status("web", "running")
        assert daemon.herd("stop", "web").returncode == 0
        assert not (root / "herd-web").exists()


def test_cpu_time_of_those_who_have_ended_counts() -> None:
    with delegated() as root, herdd(program("web", BUSY, ready=READY), inside=inside(root)) as daemon:
        daemon.until_status("web", "running")
        facts = json.loads(daemon.herd("--json", "status", "web").stdout)
        assert facts["cpuUSec"] >= 200_000
        told = int((root / "herd-web/cpu.stat").read_text().split()[1])
        assert 0 <= told - facts["cpuUSec"] < 1_000_000


@pytest.mark.parametrize("is_upgrade", [False, True])
def test_the_next_herdd_finds_the_groups_again(*, is_upgrade: bool) -> None:
    config = program("web", HIDDEN, ready=READY)
    with delegated() as root, short_directory() as directory:
        with herdd(config, directory=directory, inside=inside(root), ends=False) as first:
            main = first.until_status("web", "running")["mainPid"]
            first.remembered("web")
            pid = hidden(first)
            if is_upgrade:
                assert first.herd("upgrade", "root").returncode == 0
                first.said(" listens on ", 2)
                assert members(root / "herdd") == [first.process.pid]
                assert first.status("web")["mainPid"] == main
                assert first.herd("stop", "web").returncode == 0
                assert not lives(pid)
                first.end()
                return
            killed(first)
        with herdd(config, directory=directory, inside=inside(root)) as second:
            assert second.until_status("web", "running")["mainPid"] == main
            assert second.herd("stop", "web").returncode == 0
            assert not lives(pid)


def test_what_the_next_herdd_does_not_take_over_ends_with_all_who_hide() -> None:
    with delegated() as root, short_directory() as directory:
        config = program("web", HIDDEN, ready=READY)
        with herdd(config, directory=directory, inside=inside(root), ends=False) as first:
            first.until_status("web", "running")
            pid = hidden(first)
            killed(first)
        with herdd(program("app", SLEEP), directory=directory, inside=inside(root)):
            assert not lives(pid)
            assert not (root / "herd-web").exists()


def test_a_sweep_ends_whoever_hides_and_what_herdd_had_under_way() -> None:
    with delegated() as root, short_directory() as directory:
        with herdd(program("web", HIDDEN, ready=READY), directory=directory, inside=inside(root), ends=False) as daemon:
            daemon.until_status("web", "running")
            pid = hidden(daemon)
            killed(daemon)
        command = sleeper(root / "herdd")
        # As systemd executes what is in ExecStopPost=.
        (root / ".control").mkdir()
        words = [*inside(root / ".control"), *HERDD, *daemon.arguments, "--sweep"]
        assert subprocess.run(words, check=False).returncode == 0
        assert not lives(pid)
        assert not (root / "herd-web").exists()
        assert command.poll() == -signal.SIGKILL


@pytest.mark.parametrize("is_delegated", [False, True])
def test_a_group_that_is_not_herdds_alone_is_left_as_it_is(*, is_delegated: bool) -> None:
    with delegated(is_delegated=is_delegated) as root:
        guest = sleeper(root) if is_delegated else None
        limits = "[limits.web]\ntasks-max = 10\n"
        with herdd(program("web", SLEEP) + limits, inside=inside(root)) as daemon:
            pid = daemon.until_status("web", "running")["mainPid"]
            assert pid in members(root)
            assert [each for each in root.iterdir() if each.is_dir()] == []
            why = "systemd has delegated none (Delegate= in herdd.service)"
            if is_delegated:
                why = f"{root}: processes that are not herdd are in it; let systemd restart herdd"
            why = f"herdd has no control groups to give: {why}"
            daemon.said(f"cannot limit web: {why}.")
            assert f"  Limits: tasks 10 (not kept: {why})\n" in daemon.herd("status", "web").stdout
        if guest is not None:
            guest.kill()
            guest.wait()


def test_a_limit_that_no_controller_keeps_is_told() -> None:
    config = program("web", SLEEP) + '[limits.web]\nmemory-max = "64MiB"\n'
    with delegated() as root:
        if "memory" in (root / "cgroup.controllers").read_text():
            pytest.skip("the memory controller is here")
        with herdd(config, inside=inside(root)) as daemon:
            daemon.until_status("web", "running")
            daemon.said("cannot limit web: herdd was given no memory; ")


@pytest.mark.parametrize(
    ("limits", "files"),
    [
        ({}, {}),
        ({"memory_max": 2**20, "tasks_max": 3}, {"memory.max": "1048576", "pids.max": "3"}),
        ({"cpu_quota": 0.5, "cpu_weight": 10}, {"cpu.max": "50000 100000", "cpu.weight": "10"}),
        ({"cpu_quota": 2.0}, {"cpu.max": "200000 100000"}),
    ],
)
def test_limits_are_written_as_the_kernel_reads_them(limits: dict[str, Any], files: dict[str, str]) -> None:
    assert Limits(**limits).files == files


def test_a_group_with_its_controllers_keeps_the_limits_and_tells_what_is_used() -> None:
    with delegated() as root:
        there = (root / "cgroup.controllers").read_text().split()
        if not {"memory", "pids", "cpu"} <= set(there):
            pytest.skip("the controllers memory, pids and cpu are of version 1 here")
        config = program(
            "web", python('print("ready", flush=True)\nb = bytearray(2**28)\ntime.sleep(1e9)'), ready=READY
        )
        config += '[limits.web]\nmemory-max = "32MiB"\ntasks-max = 5\ncpu-quota = "50%"\n'
        with herdd(config, inside=inside(root)) as daemon:
            daemon.said("was ended by SIGKILL (9), for it took more memory than it may")
            group = root / "herd-web"
            daemon.until_status("web", "running")
            assert (group / "pids.max").read_text() == "5\n"


def test_what_the_kernel_does_not_take_is_no_limit() -> None:
    with pytest.raises(ValueError, match="4194304"):
        Limits(tasks_max=2**22 + 1)


def test_what_is_no_group_has_nobody() -> None:
    group = Group(Path("/nowhere"))
    assert (group.pids(), group.memory, group.cpu, group.is_short_of_memory) == (set(), None, None, False)
    group.kill()
    group.remove()


def test_a_group_is_empty_after_the_end() -> None:
    with delegated() as root:
        somebody = sleeper(root)
        Group(root).kill()
        wait_until_empty(root)
        assert somebody.wait() == -signal.SIGKILL
