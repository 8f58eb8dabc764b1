"""jamid or its bus ends, stands still or is stopped half-way: the service comes back, and no request hangs or lies."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from jami import STRANGER, Archive, fingerprints, seen, table
from support import PATIENCE, Daemon, herdd

_BUS = "jami-dbus-session"


@pytest.fixture(scope="module")
def shared(archives: dict[str, Archive]) -> Iterator[Daemon]:
    """A daemon that looks at jamid's health all the time."""
    config = table({"archive": archives["dummy"].path}, health_interval=0.5, health_timeout=1.0)
    with herdd(config) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: Daemon) -> Daemon:
    """The same, with everything running and what was counted forgotten."""
    assert shared.herd("stop", _BUS).returncode == 0
    assert shared.herd("start", "jami").returncode == 0
    return shared


def _until_back(daemon: Daemon, old: int) -> dict[str, Any]:
    """Jami's facts once another process of it is ready."""
    return daemon.until("jami", lambda facts: facts["status"] == "running" and facts["mainPid"] != old)


def test_a_bus_that_is_killed_takes_jamid_along_and_both_come_back(
    daemon: Daemon, archives: dict[str, Archive]
) -> None:
    bus, jamid = daemon.status(_BUS)["mainPid"], daemon.status("jami")["mainPid"]
    os.kill(bus, signal.SIGKILL)
    _until_back(daemon, jamid)
    now = daemon.status(_BUS)
    assert now["status"] == "running"
    assert now["mainPid"] != bus
    assert not psutil.pid_exists(jamid)
    assert fingerprints(daemon) == [archives["dummy"].fingerprint]
    assert daemon.herd("list-accounts", "jami").returncode == 0


def test_while_jamid_is_killed_every_action_is_done_or_fails_cleanly(
    daemon: Daemon, archives: dict[str, Archive]
) -> None:
    fingerprint = archives["dummy"].fingerprint
    requests = [
        ("list-account-details", []),
        ("ban-contact", [STRANGER]),
        ("list-banned-contacts", []),
        ("disable-account", [fingerprint]),
        ("enable-account", [fingerprint]),
        ("list-moderators", []),
    ]
    answers: list[dict[str, Any]] = []
    back, begun = threading.Event(), threading.Event()

    def ask(action: str, arguments: list[str]) -> None:
        while not back.is_set():
            answers.append(answer := daemon.call("Perform", action=action, service="jami", arguments=arguments))
            if "error" not in answer:
                begun.set()

    threads = [threading.Thread(target=ask, args=request) for request in requests]
    for thread in threads:
        thread.start()
    try:
        assert begun.wait(PATIENCE)
        jamid = daemon.status("jami")["mainPid"]
        os.kill(jamid, signal.SIGKILL)
        _until_back(daemon, jamid)
    finally:
        back.set()
        for thread in threads:
            thread.join()
    failures = [answer for answer in answers if "error" in answer]
    assert failures
    assert len(failures) < len(answers)
    for answer in failures:
        assert answer["error"] == "org.herdctl.Supervisor.CannotDo"
        assert answer["parameters"]["message"].startswith("cannot ")
    assert fingerprints(daemon) == [fingerprint]


def test_a_jamid_that_stands_still_is_replaced(daemon: Daemon, archives: dict[str, Archive]) -> None:
    jamid = daemon.status("jami")["mainPid"]
    os.kill(jamid, signal.SIGSTOP)
    facts = _until_back(daemon, jamid)
    assert facts["respawns"] == 1
    assert facts["exitSignal"] == signal.SIGKILL
    assert "it did not answer for 1 seconds" in daemon.log("root")
    assert fingerprints(daemon) == [archives["dummy"].fingerprint]


def test_a_stop_breaks_off_a_start(archives: dict[str, Archive]) -> None:
    accounts = [{"archive": archives[name].path, "rendezvous_point": True} for name in ("dummy", "other")]
    with herdd(table(*accounts, auto_start=False)) as daemon, daemon.wire() as wire:
        wire.send("Perform", action="start", service="jami", arguments=[])
        # jamid has been executed and is importing.
        facts = daemon.until("jami", lambda facts: facts["status"] == "starting" and facts["mainPid"])
        stopped = daemon.herd("stop", "jami")
        assert (stopped.returncode, stopped.stdout) == (0, "Service jami has been stopped.\n")
        answer = wire.receive()
        assert answer is not None
        assert answer["error"] == "org.herdctl.Supervisor.StartFailed"
        assert answer["parameters"]["message"].startswith("cannot start jami: ")
        assert not psutil.pid_exists(facts["mainPid"])
        assert [each.pid for each in psutil.Process(daemon.process.pid).children()] == [daemon.status(_BUS)["mainPid"]]
        assert not list((daemon.services_dir / "jami" / "archives").iterdir())
        assert daemon.herd("start", "jami").returncode == 0
        assert set(fingerprints(daemon)) == {archives[name].fingerprint for name in ("dummy", "other")}
        assert seen(daemon, archives["other"].fingerprint).details["Account.rendezVous"] == "true"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_herdd_ends_jamid_before_its_bus_and_leaves_nothing(number: signal.Signals) -> None:
    with herdd(table(account=[])) as daemon:
        daemon.until_status("jami", "running")
        pids = [daemon.status(name)["mainPid"] for name in ("jami", _BUS)]
        assert daemon.end(number) == 0
        assert not any(map(psutil.pid_exists, pids))
        said = "\n".join(daemon.lines)
        assert said.index("Service jami has been stopped.") < said.index(f"Service {_BUS} is being stopped.")
        assert said.index(f"Service {_BUS} has been stopped.") < said.index("Every service has been stopped")


def test_a_jami_that_is_not_running_answers_no_action(daemon: Daemon) -> None:
    assert daemon.herd("stop", "jami").returncode == 0
    done = daemon.herd("list-accounts", "jami")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "herd: cannot list-accounts: service jami is stopped; see: herd status jami\n"


def test_to_stop_the_bus_stops_jamid_first(daemon: Daemon) -> None:
    done = daemon.herd("stop", _BUS)
    assert done.stdout == f"Service jami has been stopped.\nService {_BUS} has been stopped.\n"
    assert daemon.status("jami")["status"] == "stopped"
    assert daemon.status("jami")["respawnInUSec"] is None


@pytest.mark.parametrize(("key", "package"), [("jamid", "jami-daemon"), ("dbus", "dbus-daemon")])
def test_a_program_that_is_not_there_is_named_with_its_package(key: str, package: str) -> None:
    with herdd(table(**{key: "/usr/libexec/no-such-program"}, auto_start=False)) as daemon:
        done = daemon.herd("start", "jami")
        assert done.returncode == 1
        assert done.stderr.startswith("herd: cannot start jami: ")
        assert f"there is no program /usr/libexec/no-such-program; install the package {package}" in done.stderr
