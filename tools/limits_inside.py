"""What limits_test.py has done inside its machine: as root, by Debian's own Python; a line for each step, on a console.

The services are small programs; the control groups, their controllers, the kernel and systemd are the real ones.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from limits_services import CONFIGURATION, HIDDEN, NESTED, OWN_CONFIGURATION

T = TypeVar("T")

# The last line, which shows that no step was left out.
DONE = "all of it holds"
MOUNT = Path("/sys/fs/cgroup")
UNIT = MOUNT / "system.slice/herdd.service"
CONTROLLERS = {"cpu", "memory", "pids"}
HERD_TOML = Path("/etc/herd/herd.toml")
STEADY = ("steady", "hidden", "many", "busy", "nested")
PATIENCE = 90.0
# Whoever waits for a test waits no minute for a stop that hangs.
IMPATIENCE = "[Service]\nTimeoutStopSec=20\n"
# A herdd of its own, as systemd runs one for a user.
OWN = ("--runtime-dir=/run/own/herd", "--state-dir=/var/lib/own", "--log-dir=/var/log/own", "--config=/etc/own.toml")
OWN_UNIT = ("--unit=own", "--uid=games", "-p", "Delegate=yes", "-p", "RuntimeDirectory=own", "-p", "StateDirectory=own")


def run(*words: str, check: bool = True) -> str:
    """What a command prints, standard error after it. Raises AssertionError if it fails."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * PATIENCE)
    said = done.stdout + done.stderr
    assert not check or done.returncode == 0, f"{' '.join(words)}: status {done.returncode}\n{said}"
    return said


def until(what: str, found: Callable[[], T]) -> T:
    """The first answer that is not empty. Raises AssertionError."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(AssertionError, OSError):
            if answer := found():
                return answer
        time.sleep(0.05)
    raise AssertionError(f"waited in vain until {what}")


def facts(service: str) -> Any:
    """What `herd status` knows of it."""
    return json.loads(run("herd", "--json", "status", service, check=False))


def pids() -> Mapping[str, int]:
    """The main processes of those that are to run on, once all of them run."""

    def found() -> Mapping[str, int]:
        services = {each["name"]: each for each in json.loads(run("herd", "--json", "status"))["services"]}
        return {name: services[name]["mainPid"] for name in STEADY if services[name]["status"] == "running"}

    return until("all of them run", lambda: each if len(each := found()) == len(STEADY) else {})


def told(service: str, file: str, name: str = "") -> str:
    """What a file of the service's group says, of `name` if it says several things."""
    lines = (UNIT / f"herd-{service}" / file).read_text().splitlines()
    return next(line.removeprefix(name).strip() for line in lines if line.startswith(name))


def members(group: Path) -> set[int]:
    """Those who live in a group and below."""
    return {int(pid) for file in group.rglob("cgroup.procs") for pid in file.read_text().split()}


def unit(name: str) -> str:
    """What systemd knows of herdd.service."""
    return run("systemctl", "show", "herdd.service", "--property", name, "--value").strip()


def log() -> str:
    """What herdd has said."""
    return Path("/var/log/herd/root.log").read_text()


def hidden() -> int:
    """The process that hides, where it lives; it wrote its number."""
    lines = Path("/var/log/herd/hidden.log").read_text().split("\n")
    return next(int(line.split()[-1]) for line in reversed(lines) if line and line.split()[-1].isdecimal())


def groups() -> None:
    """herdd runs, and so do its services, each in a group with all controllers, and herdd can write to no other"""
    etc = Path("/etc/herd")
    for name, text in {"hidden.py": HIDDEN, "nested.sh": NESTED, "herd.toml": CONFIGURATION}.items():
        (etc / name).write_text(text)
        (etc / name).chmod(0o644)
    etc.chmod(0o755)
    drop_in = Path("/etc/systemd/system/herdd.service.d/impatience.conf")
    drop_in.parent.mkdir()
    drop_in.write_text(IMPATIENCE)
    run("systemctl", "daemon-reload")
    assert unit("ActiveState") == "active"
    run("herd", "reload", "root")
    main, services = int(unit("MainPID")), pids()
    assert "+ steady" in run("herd", "status")
    assert members(UNIT / "herdd") == {main}
    for name, pid in services.items():
        assert pid in members(UNIT / f"herd-{name}"), name
    assert set((UNIT / "cgroup.subtree_control").read_text().split()) == CONTROLLERS
    inside = ("nsenter", "--target", str(main), "--mount", "mkdir")
    for place in (MOUNT, UNIT.parent, MOUNT / "init.scope"):
        assert "Read-only file system" in run(*inside, str(place / "new"), check=False), place
    run(*inside, str(UNIT / "new"))
    (UNIT / "new").rmdir()


def keep() -> None:
    """limits hold: memory, tasks, processors; herd why, herd status and the log tell"""
    before = pids()
    run("herd", "start", "greedy", check=False)
    until("the kernel has ended greedy", lambda: facts("greedy")["status"] == "stopped")
    why = "for it took more memory than it may"
    assert why in run("herd", "why", "greedy", check=False), run("herd", "why", "greedy", check=False)
    assert why in log()
    assert len(members(UNIT / "herd-many")) == 8
    assert int(told("many", "pids.events", "max")) > 0
    until("busy is throttled", lambda: int(told("busy", "cpu.stat", "nr_throttled")) > 5)
    began, used = time.monotonic(), int(told("busy", "cpu.stat", "usage_usec"))
    time.sleep(3)
    share = (int(told("busy", "cpu.stat", "usage_usec")) - used) / 1e6 / (time.monotonic() - began)
    assert 0.1 < share < 0.25, share
    assert "Limits: memory 64.0 MiB, CPU weight 50, tasks 10\n" in run("herd", "status", "hidden")
    known = facts("hidden")["memoryBytes"]
    assert abs(known - int(told("hidden", "memory.current"))) < 2**21, known
    assert pids() == before
    assert unit("NRestarts") == "0"
    print(f"         busy had {share:.0%} of a processor, hidden {known / 2**20:.0f} MiB")


def limited() -> None:
    """All limits are as CONFIGURATION has them."""
    for service, file, wanted in (
        ("hidden", "memory.max", str(64 * 2**20)),
        ("hidden", "cpu.weight", "50"),
        ("steady", "pids.max", "5"),
        ("hidden", "pids.max", "10"),
        ("many", "pids.max", "8"),
        ("busy", "cpu.max", "20000 100000"),
    ):
        assert told(service, file) == wanted, (service, file, told(service, file))


def kill() -> None:
    """herdd is killed: systemd can start the next, which takes all over with their limits, and finds who hides"""
    before, main = pids(), unit("MainPID")
    # Not what the configuration has come to mean: that is for the next start.
    HERD_TOML.write_text(CONFIGURATION.replace("tasks-max = 5", "tasks-max = 6"))
    os.kill(int(main), signal.SIGKILL)
    until("systemd has started the next", lambda: unit("NRestarts") == "1" and unit("SubState") == "running")
    assert unit("ActiveState") == "active"
    assert unit("MainPID") != main
    assert pids() == before
    limited()
    HERD_TOML.write_text(CONFIGURATION)
    run("herd", "reload", "root")
    assert facts("hidden")["memoryBytes"] > 40 * 2**20, facts("hidden")["memoryBytes"]
    journal = run("journalctl", "--no-pager", "-o", "cat", "-u", "herdd")
    assert "219/CGROUP" not in journal, journal
    pid = hidden()
    assert pid in members(UNIT / "herd-hidden")
    run("herd", "stop", "hidden")
    assert not Path(f"/proc/{pid}").exists()
    assert not (UNIT / "herd-hidden").exists()
    run("herd", "start", "hidden")


def upgrade() -> None:
    """herd upgrade root: the services run on with their limits"""
    before, main, heard = pids(), unit("MainPID"), log().count(" listens on ")
    run("herd", "upgrade", "root")
    until("herdd was executed anew", lambda: log().count(" listens on ") > heard and unit("SubState") == "running")
    assert unit("MainPID") == main
    assert pids() == before
    limited()
    assert members(UNIT / "herdd") == {int(main)}


def change() -> None:
    """herd reload root: a limit that was changed holds from the next start on"""
    HERD_TOML.write_text(CONFIGURATION.replace("tasks-max = 5", "tasks-max = 6"))
    run("herd", "reload", "root", "--no-restart")
    assert told("steady", "pids.max") == "5"
    run("herd", "restart", "steady")
    assert told("steady", "pids.max") == "6"
    HERD_TOML.write_text(CONFIGURATION)
    run("herd", "reload", "root")
    limited()


def stop() -> None:
    """systemctl restart leaves nobody, nor does stop, nor one of a herdd that hangs"""
    before = members(UNIT)
    run("systemctl", "restart", "herdd")
    pids()
    limited()
    assert not (left := before & members(UNIT)), left
    run("systemctl", "stop", "herdd")
    assert not UNIT.exists()
    run("systemctl", "start", "herdd")
    pids()
    # systemd lets what it signals go on.
    hang = "while kill -STOP $0 2>/dev/null; do sleep 0.01; done"
    subprocess.Popen(("/bin/sh", "-c", hang, unit("MainPID")), stderr=subprocess.DEVNULL)
    run("systemctl", "stop", "herdd")
    assert not UNIT.exists(), members(UNIT)
    journal = run("journalctl", "--no-pager", "-o", "cat", "-u", "herdd")
    assert "Traceback" not in journal, journal


def user() -> None:
    """a herdd that is not root's gives its services groups and limits too, where systemd delegates it one"""
    Path("/etc/own.toml").write_text(OWN_CONFIGURATION)
    run("systemd-run", *OWN_UNIT, "-p", "LogsDirectory=own", "/usr/bin/herdd", *OWN)
    herd = ("herd", "--socket", "/run/own/herd/socket")
    until("it runs", lambda: run(*herd, "start", "steady"))
    group = MOUNT / "system.slice/own.service"
    assert (group / "herd-steady/memory.max").read_text() == f"{16 * 2**20}\n"
    assert len(members(group / "herd-steady")) == 1
    run("systemctl", "stop", "own")
    assert not group.exists()


def main() -> None:
    """Every step in its order, until one fails."""
    for step in (groups, keep, kill, upgrade, change, stop, user):
        began = time.monotonic()
        try:
            step()
        except Exception as error:
            print(f"cannot go on with: {step.__doc__}\n{error!r}\n{error}")
            print(run("journalctl", "--no-pager", "-u", "herdd", "-u", "own", "-n", "80", check=False))
            return
        print(f"{time.monotonic() - began:6.1f} s  {step.__doc__}", flush=True)
    print(DONE, flush=True)


if __name__ == "__main__":
    main()
