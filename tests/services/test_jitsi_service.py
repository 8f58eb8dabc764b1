"""Jitsi Meet under a real herdd: the real Prosody, and doubles of Jicofo and the bridges that speak XMPP to it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from attrs import define

from jitsi_doubles import write_doubles
from jitsi_meeting import fetch
from support import Daemon, herdd, short_directory, toml

DOMAIN = "meet.example.org"
BREWERY = f"jvbbrewery@internal.auth.{DOMAIN}"
# As often as the doubles tell, so that no test waits for the next time.
_QUICK = {"videobridge": {"stats": {"interval": "100 ms"}}}


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody has."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


@define
class Meet:
    """The tables of one Jitsi Meet, with the doubles as its programs; a test changes them before it writes them."""

    jitsi: dict[str, Any]
    prosody: dict[str, Any]
    jicofo: dict[str, Any]
    jvb: list[dict[str, Any]]

    def text(self) -> str:
        """herd.toml."""
        tables = [("[jitsi]", self.jitsi), ("[prosody]", self.prosody), ("[jicofo]", self.jicofo)]
        tables += [("[[jvb]]", each) for each in self.jvb]
        return "".join(
            f"{heading}\n{''.join(f'{key} = {toml(value)}' + chr(10) for key, value in table.items())}"
            for heading, table in tables
        )


def meet(programs: tuple[Path, Path], bridges: int = 1) -> Meet:
    """On ports of its own."""
    jicofo, jvb = map(str, programs)
    port, web, focus, *others = free_ports(3 + 2 * bridges)
    user = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
    return Meet(
        {"domain": DOMAIN, "auto-start": False},
        {"port": port, "http-port": web, "interfaces": ["127.0.0.1"], **user},
        {"program": jicofo, "http-port": focus, "memory": 64, **user},
        [
            {"program": jvb, "nickname": f"b{n + 1}", "udp-port": others[2 * n], "http-port": others[2 * n + 1],
             "memory": 64, "extra": _QUICK, **user}
            for n in range(bridges)
        ],
    )  # fmt: skip


@pytest.fixture(scope="module")
def programs() -> Iterator[tuple[Path, Path]]:
    """The doubles."""
    with short_directory() as directory:
        yield write_doubles(directory)


@contextmanager
def running(it: Meet) -> Iterator[Daemon]:
    """All of it runs."""
    with herdd(it.text()) as daemon:
        for each in it.jvb:
            name = "jvb" if len(it.jvb) == 1 else f"jvb-{each['nickname']}"
            done = daemon.herd("start", name)
            assert done.returncode == 0, done.stderr
        yield daemon


def occupants(daemon: Daemon) -> set[str]:
    """Who is in the room where Jicofo finds the bridges."""
    done = daemon.herd("--json", "list-occupants", "prosody")
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout)["occupants"])


def _until_another(daemon: Daemon, name: str, pid: int) -> None:
    """Return once the service runs with another process."""
    daemon.until(name, lambda facts: facts["status"] == "running" and facts["mainPid"] != pid)


def test_a_domain_is_enough_for_all_of_it(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with running(it) as daemon:
        came = [step for step in daemon.steps if step.endswith("is running")]
        assert came == ["prosody is running", "jicofo is running", "jvb is running"]
        assert occupants(daemon) == {"focus", "b1"}
        told = json.loads(daemon.herd("--json", "list-bridges", "jicofo").stdout)
        assert told["bridge_count"] == 1


def test_no_secret_is_where_others_can_see_it(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with running(it) as daemon:
        secrets = {file.read_text().strip() for file in (daemon.state_dir / "secrets").iterdir()}
        assert len(secrets) == 2
        for file in (daemon.state_dir / "secrets").iterdir():
            assert file.stat().st_mode & 0o077 == 0
        for name in ("prosody", "jicofo", "jvb"):
            pid = daemon.status(name)["mainPid"]
            for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                seen = " ".join([*process.cmdline(), *process.environ().values()])
                assert not any(secret in seen for secret in secrets)
            for file in (daemon.services_dir / name).iterdir():
                if any(secret in file.read_text(errors="replace") for secret in secrets if file.is_file()):
                    assert file.stat().st_mode & 0o077 == 0
            assert not any(secret in daemon.log(name) for secret in secrets)


def test_restarts_travel_down(programs: tuple[Path, Path]) -> None:
    it = meet(programs, bridges=2)
    with running(it) as daemon:
        before = {name: daemon.status(name)["mainPid"] for name in ("prosody", "jicofo", "jvb-b1", "jvb-b2")}
        psutil.Process(before["prosody"]).kill()
        for name, pid in before.items():
            _until_another(daemon, name, pid)
        assert occupants(daemon) == {"focus", "b1", "b2"}


def test_a_bridge_that_stays_outside_is_restarted_by_itself(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with running(it) as daemon:
        pids = {name: daemon.status(name)["mainPid"] for name in ("prosody", "jicofo", "jvb")}
        port = it.jvb[0]["http-port"]
        assert fetch(port, "/colibri/muc-client/remove", "POST", {"id": "shard"})[0] == 200
        _until_another(daemon, "jvb", pids["jvb"])
        assert occupants(daemon) == {"focus", "b1"}
        assert daemon.status("jicofo")["mainPid"] == pids["jicofo"]
