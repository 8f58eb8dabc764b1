"""What is asked of several services together: who is named, who comes back, what one that fails does to the others."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from gates import Gate, slow_to_end
from herd.core import events
from herd.core.events import Status
from herd.core.host import Host
from herd.core.role import Access, Role
from herd.core.service import Program, Service
from herd.daemon import orders
from herd.daemon.access import Client, Peer
from herd.daemon.config import Configuration
from herd.daemon.remembered import DisabledNames
from herd.daemon.supervisor import Supervisor
from herd.daemon.verbs import perform
from support import PATIENCE, Daemon, herdd, program, short_directory

SLEEP = "exec sleep infinity"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    os.close(gate.descriptor)


def started(*names: str) -> str:
    return "".join(f"Service {name} has been started.\n" for name in names)


@asynccontextmanager
async def supervised(services: tuple[Service, ...], directory: Path) -> AsyncIterator[Supervisor]:
    """A supervisor without herdd around it, for definitions that herd.toml cannot say."""
    configuration, disabled = Configuration(services), DisabledNames(directory / "disabled.json")
    supervisor = Supervisor(
        configuration, lambda: configuration, directory, directory, disabled, directory, lambda lines: None
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        yield supervisor
        await orders.stop_all(supervisor)
        nursery.cancel_scope.cancel()


# Who is named.


def test_a_start_names_what_it_brought_up_in_that_order() -> None:
    with short_directory() as directory:
        config = [
            program("bus", "echo ready; exec sleep infinity", ready={"line": "ready"}, auto_start=False),
            program("setup", "true", one_shot=True, requirement=["bus"], auto_start=False),
            program("lazy", SLEEP, sockets=[str(directory / "lazy")], requirement=["setup"], auto_start=False),
            program("up", SLEEP),
            program("other", SLEEP, auto_start=False),
            program("web", SLEEP, requirement=["up", "lazy", "bus"], auto_start=False),
        ]
        with herdd("".join(config)) as daemon:
            daemon.until_status("up", "running")
            assert daemon.herd("start", "web").stdout == started("bus", "setup", "lazy", "web")
            assert daemon.herd("stop", "web").returncode == 0
            assert daemon.herd("--json", "start", "web").stdout == '{"started": ["web"], "warnings": []}\n'
            assert daemon.herd("restart", "setup").stdout == started("setup", "lazy", "web")


async def test_a_start_tells_what_those_that_it_brought_up_warn_of(tmp_path: Path) -> None:
    async def setup(host: Host) -> None:
        host.warn("cannot find half of it")

    sleep = Program(("/bin/sleep", "infinity"))
    services = (Service(("bus",), sleep, setup=setup), Service(("web",), sleep, requirement=("bus",)))
    async with supervised(services, tmp_path) as supervisor:
        uid = os.geteuid()
        client = Client(Peer(os.getpid(), uid, os.getegid()), lambda: Access({uid: Role.ADMIN}))
        reply = await perform(supervisor, client, "start", "web", [])
        assert (reply.result["started"], reply.warnings) == (["bus", "web"], ("cannot find half of it",))
        reply = await perform(supervisor, client, "restart", "bus", [])
        assert (reply.result["started"], reply.warnings) == (["bus", "web"], ("cannot find half of it",))


def test_a_requirement_that_fails_is_named_with_what_leads_to_it_and_its_output_once() -> None:
    config = [
        program("bus", "echo oops; exit 3", ready={"line": "never"}, auto_start=False),
        program("web", SLEEP, requirement=["bus"], auto_start=False),
        program("app", SLEEP, requirement=["web"], auto_start=False),
    ]
    with herdd("".join(config)) as daemon:
        reason = (
            "it requires web, and: cannot start web: it requires bus, and: cannot start bus: "
            "its program exited with 3 before it was ready; see: herd status bus"
        )
        failed = daemon.herd("start", "app")
        assert failed.stderr == f"herd: cannot start app: {reason}\nthe last output of bus:\n  oops\n"
        assert daemon.status("app")["reason"] == reason


# Who comes back.


def test_one_that_is_still_stopping_comes_back_with_its_requirement_and_brings_the_others(gate: Gate) -> None:
    config = program("bus", SLEEP, respawn=False) + program("base", SLEEP, respawn=False)
    config += program("web", slow_to_end(gate), ready={"line": "ready"}, grace_period=1000, requirement=["bus", "base"])
    with herdd(config) as daemon:
        pid = daemon.until_status("web", "running")["mainPid"]
        for name in ("bus", "base"):
            os.kill(daemon.status(name)["mainPid"], signal.SIGKILL)
            daemon.until_status(name, "stopped")
        assert daemon.herd("start", "bus").stdout == started("bus")
        assert daemon.status("web")["status"] == "stopping"
        gate.let_pass()
        daemon.until("web", lambda facts: facts["status"] == "running" and facts["mainPid"] != pid)
        gate.let_pass()


async def test_word_of_a_loss_that_comes_once_the_requirement_is_back_keeps_nobody_down(tmp_path: Path) -> None:
    sleep = Program(("/bin/sleep", "infinity"))
    services = (Service(("bus",), sleep), Service(("web",), sleep, requirement=("bus",)))
    async with supervised(services, tmp_path) as supervisor:
        await orders.start(supervisor, "web")
        web = supervisor.controllers["web"]
        with trio.fail_after(PATIENCE), supervisor.arriving({"web"}) as came:
            async with supervisor.bulletin.watch() as changes:
                web.post(events.RequirementLost("bus", returns=False))
                async for _ in changes:
                    if came:
                        break
        assert web.state.status is Status.RUNNING


def test_one_that_was_stopped_on_purpose_does_not_come_back_with_its_requirement(gate: Gate) -> None:
    config = program("bus", SLEEP, respawn=False)
    config += program("web", slow_to_end(gate), ready={"line": "ready"}, grace_period=1000, requirement=["bus"])
    with herdd(config) as daemon, daemon.wire() as wire:
        daemon.until_status("web", "running")
        os.kill(daemon.status("bus")["mainPid"], signal.SIGKILL)
        daemon.until_status("web", "stopping")
        wire.send("Perform", more=True, action="stop", service="web")
        assert wire.receive() is not None
        assert daemon.herd("start", "bus").stdout == started("bus")
        gate.let_pass()
        daemon.until_status("web", "stopped")
        assert daemon.herd("restart", "bus").stdout == started("bus")


def test_what_ran_comes_back_once_its_requirement_that_ended_for_good_is_started() -> None:
    config = program("bus", SLEEP, respawn=False) + program("web", SLEEP, requirement=["bus"])
    with herdd(config) as daemon:
        daemon.until_status("web", "running")
        os.kill(daemon.status("bus")["mainPid"], signal.SIGKILL)
        daemon.until_status("web", "stopped")
        assert daemon.herd("start", "bus").stdout == started("bus")
        daemon.until_status("web", "running")


def test_a_restart_does_not_start_again_what_is_being_stopped_on_purpose(gate: Gate) -> None:
    config = program("bus", SLEEP)
    config += program("web", slow_to_end(gate), ready={"line": "ready"}, grace_period=1000, requirement=["bus"])
    with herdd(config) as daemon, daemon.wire() as stop, daemon.wire() as restart:
        daemon.until_status("web", "running")
        stop.send("Perform", action="stop", service="web")
        daemon.until_status("web", "stopping")
        restart.send("Perform", more=True, action="restart", service="bus")
        assert restart.receive() == {"parameters": {"progress": "web is being stopped"}, "continues": True}
        gate.let_pass()
        while (reply := restart.receive() or {}).get("continues"):
            pass
        assert reply["parameters"]["result"]["started"] == ["bus"]
        assert daemon.status("web")["status"] == "stopped"


def test_a_restart_starts_again_what_is_being_started() -> None:
    with herdd(program("bus", SLEEP) + program("web", SLEEP, ready={"line": "never"}, requirement=["bus"])) as daemon:
        pid = daemon.until("web", lambda facts: facts["stage"] == "readiness" and facts["mainPid"])["mainPid"]
        with daemon.wire() as wire:
            wire.send("Perform", action="restart", service="bus")
            daemon.until("web", lambda facts: facts["stage"] == "readiness" and facts["mainPid"] not in (None, pid))
            assert daemon.status("bus")["status"] == "running"


def test_a_restart_starts_again_what_could_not_start_without_it(tmp_path: Path) -> None:
    good = tmp_path / "good"
    script = f"test -e {good} || exit 3; echo ready; exec sleep infinity"
    bus = program("bus", script, ready={"line": "ready"}, respawn=False)
    with herdd(bus + program("web", SLEEP, requirement=["bus"])) as daemon:
        daemon.until("web", lambda facts: facts["failing"])
        good.touch()
        assert daemon.herd("restart", "bus").stdout == started("bus", "web")


def test_a_restart_starts_the_others_where_one_fails(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    config = [
        program("bus", SLEEP),
        program("web", f"test -e {bad} && exit 3; echo ready; exec sleep infinity", ready={"line": "ready"},
                requirement=["bus"]),
        program("app", SLEEP, requirement=["web"]),
        program("mail", SLEEP, requirement=["bus"]),
    ]  # fmt: skip
    with herdd("".join(config)) as daemon:
        before = {name: daemon.until_status(name, "running")["mainPid"] for name in ("app", "mail")}
        bad.touch()
        failed = daemon.herd("restart", "bus")
        assert failed.stderr == (
            "herd: cannot start web: its program exited with 3 before it was ready; see: herd status web\n"
        )
        assert daemon.status("mail")["mainPid"] not in (None, before["mail"])


def test_a_transient_one_is_not_restarted() -> None:
    with herdd(program("job", SLEEP, transient=True)) as daemon:
        pid = daemon.until_status("job", "running")["mainPid"]
        refused = daemon.herd("restart", "job")
        assert refused.returncode == 1
        assert refused.stderr == (
            "herd: cannot restart job: it is transient, so it is forgotten once it stops; "
            "end it with: herd stop job, and bring it back with: herd reload root\n"
        )
        assert daemon.status("job")["mainPid"] == pid


def killed(daemon: Daemon, name: str, pid: int) -> int:
    """The next main process of the service, whose last one is killed."""
    os.kill(pid, signal.SIGKILL)
    facts = daemon.until(name, lambda facts: facts["status"] == "running" and facts["mainPid"] != pid)
    return int(facts["mainPid"])


def test_respawns_are_counted_whatever_the_limit_and_the_delay_forget() -> None:
    keys = {"respawn_delay": 0, "respawn_limit": 2, "respawn_window": 0.001, "respawn_reset_after": 0}
    with herdd(program("web", SLEEP, **keys)) as daemon:
        pid = int(daemon.until_status("web", "running")["mainPid"])
        for _ in range(4):
            pid = killed(daemon, "web", pid)
        assert daemon.status("web")["respawns"] == 4
        assert "  Respawned 4 times since it was last stopped.\n" in daemon.herd("status", "web").stdout
        assert daemon.herd("restart", "web").returncode == 0
        assert daemon.status("web")["respawns"] == 0
