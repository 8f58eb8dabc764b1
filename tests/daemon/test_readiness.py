"""When a service is ready, and what it is given for that: each way with a real program under a real herdd."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ports import free_port
from support import Daemon, herdd, lives, program, short_directory

SLEEP = "exec sleep infinity"
NOTIFY = (
    "import os, socket, sys, time\n"
    "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    "open(sys.argv[1]).read()\n"
    "s.sendto(b'STATUS=warm\\nREADY=1', '\\0' + os.environ['NOTIFY_SOCKET'][1:])\n"
    "time.sleep(1000)\n"
)
LISTEN = (
    "import socket, sys, time\n"
    "open(sys.argv[1]).read()\n"
    "s = socket.create_server(('127.0.0.1', int(sys.argv[2])))\n"
    "time.sleep(1000)\n"
)
ECHO = (
    "import os, socket\n"
    "assert os.environ['LISTEN_PID'] == str(os.getpid()), os.environ\n"
    "s = socket.socket(fileno=3)\n"
    "connection, _ = s.accept()\n"
    "connection.sendall(str(os.getpid()).encode())\n"
)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with a short name."""
    with short_directory() as place:
        yield place


@pytest.fixture
def gate(directory: Path) -> Path:
    """A pipe at which a program waits until a test writes to it."""
    os.mkfifo(directory / "gate")
    return directory / "gate"


def still_starting(daemon: Daemon) -> None:
    assert daemon.until("web", lambda facts: facts["stage"] == "readiness")["status"] == "starting"


def test_a_notification(gate: Path) -> None:
    with herdd(program("web", [sys.executable, "-c", NOTIFY, str(gate)], ready={"notify": True})) as daemon:
        still_starting(daemon)
        gate.write_text("go")
        daemon.until_status("web", "running")


def test_a_port_that_the_service_itself_listens_on(gate: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", LISTEN, str(gate), str(port)]
    with herdd(program("web", command, ready={"tcp": f"127.0.0.1:{port}"})) as daemon:
        still_starting(daemon)
        gate.write_text("go")
        daemon.until_status("web", "running")


def test_a_port_that_somebody_else_listens_on_does_not_count() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with herdd(program("web", SLEEP, ready={"tcp": address}, start_timeout=0.5, auto_start=False)) as daemon:
            done = daemon.herd("start", "web")
            assert done.returncode == 1
            assert "it was not ready after 0.5 seconds" in done.stderr
            assert f"listens on {address}, none of its own" in done.stderr


def test_a_command(directory: Path) -> None:
    ready = {"command": ["test", "-e", str(directory / "there")]}
    with herdd(program("web", SLEEP, ready=ready)) as daemon:
        still_starting(daemon)
        (directory / "there").touch()
        daemon.until_status("web", "running")


def test_the_pid_file_of_a_program_that_forks(directory: Path) -> None:
    # In its own directory the service's user may write; here that is whoever runs this.
    file = directory / "pid"
    script = f"setsid sh -c 'echo $$ > {file}; exec sleep 1000' & exit 0"
    with herdd(program("web", script, ready={"pid-file": str(file)}, respawn_delay=0)) as daemon:
        main = daemon.until_status("web", "running")["mainPid"]
        assert main == int(file.read_text())
        # Its death is noticed though herdd never executed it.
        os.kill(main, signal.SIGKILL)
        again = daemon.until("web", lambda facts: facts["status"] == "running" and facts["mainPid"] != main)["mainPid"]
        assert daemon.herd("stop", "web").returncode == 0
        assert not lives(again)


def test_a_pid_file_that_never_comes(directory: Path) -> None:
    ready = {"pid-file": str(directory / "pid")}
    script = "sleep 1000 & exit 0"
    with herdd(program("web", script, ready=ready, start_timeout=0.3, auto_start=False)) as daemon:
        done = daemon.herd("start", "web")
        assert done.returncode == 1
        assert f"{directory}/pid names no process of its own" in done.stderr
        assert daemon.status("web")["mainPid"] is None


@pytest.mark.parametrize("lazy", [True, False])
def test_sockets_that_herdd_opens(directory: Path, lazy: bool) -> None:
    path = directory / "socket"
    config = program("web", [sys.executable, "-c", ECHO], sockets=[str(path)], lazy=lazy, respawn=not lazy)
    with herdd(config) as daemon:
        facts = daemon.until_status("web", "running")
        assert (facts["mainPid"] is None) == lazy
        for _ in range(2 if lazy else 1):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                client.connect(str(path))
                assert int(client.recv(100)) > 0
        assert daemon.herd("stop", "web").returncode == 0
        assert not path.exists()


@pytest.mark.parametrize("status", ["running", "stopped"])
def test_sockets_of_a_former_definition_are_closed(directory: Path, status: str) -> None:
    former, present = directory / "former", directory / "present"
    # One that does not run waits for its respawn, and listens meanwhile.
    ends = {"lazy": False, "respawn_delay": 1000, "respawn_ceiling": 1000}
    keys: dict[str, Any] = ends if status == "stopped" else {}
    script = SLEEP if status == "running" else "exit 1"
    with herdd(program("web", script, sockets=[str(former)], respawn=True, **keys)) as daemon:
        daemon.until("web", lambda facts: facts["status"] == status and (not keys or facts["respawnInUSec"]))
        assert former.exists()
        daemon.config.write_text(program("web", SLEEP, sockets=[str(present)]))
        assert daemon.herd("reload", "root").returncode == 0
        assert daemon.herd("start", "web").returncode == 0
        daemon.until_status("web", "running")
        assert (former.exists(), present.exists()) == (False, True)


def test_a_port_that_is_taken_fails_the_start_and_names_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with herdd(program("web", SLEEP, sockets=[address], auto_start=False)) as daemon:
            done = daemon.herd("start", "web")
            assert done.returncode == 1
            assert f"cannot start web: {address}: " in done.stderr
            assert f"(pid {os.getpid()})" in done.stderr


def test_a_timer_runs_its_program_again_and_again() -> None:
    with herdd(program("tick", "echo $$", every="0.05s")) as daemon, daemon.wire() as wire:
        facts = daemon.until_status("tick", "running")
        assert facts["mainPid"] is None or facts["exitCode"] in (None, 0)
        wire.send("Log", more=True, service="tick", lines=0, follow=True)
        lines: list[str] = []
        while len(lines) < 3:
            answer = wire.receive()
            assert answer is not None
            lines += answer["parameters"]["lines"]
        assert len({line.split()[-1] for line in lines}) == len(lines)
        assert daemon.herd("stop", "tick").returncode == 0


def test_limits_and_an_environment_file(directory: Path) -> None:
    (directory / "environment").write_text('# of web\nGREETING="good day"\n')
    keys = {"environment_file": str(directory / "environment"), "resource_limits": {"nofile": "64:128"}}
    with herdd(
        program("web", f"echo $GREETING $(ulimit -n) $(ulimit -Hn); {SLEEP}", ready={"line": "day"}, **keys)
    ) as daemon:
        daemon.until_status("web", "running")
        assert daemon.herd("log", "web").stdout.rstrip().endswith("good day 64 128")


def test_a_line_that_is_waited_for_is_found_in_a_flood() -> None:
    flood = "yes {} | head -n 400000; echo ready; yes {} | head -n 400000; exec sleep infinity"
    with herdd(program("web", flood.format("before", "after"), ready={"line": "ready"})) as daemon:
        daemon.until_status("web", "running")
