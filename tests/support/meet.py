"""Jitsi Meet's tables for a test, with the doubles of Jicofo and the bridges as programs, and all of it running."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import define, field

from herd_services.jitsi.certificates import self_signed
from support import Daemon, herdd, toml

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
    # Only where a test wants it.
    nginx: dict[str, Any] = field(factory=dict)

    def text(self) -> str:
        """herd.toml."""
        tables = [("[jitsi]", self.jitsi), ("[prosody]", self.prosody), ("[jicofo]", self.jicofo)]
        tables += [("[[jvb]]", each) for each in self.jvb]
        tables += [("[nginx]", self.nginx)] if self.nginx else []
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
    return {each["nickname"] for each in json.loads(done.stdout)["occupants"]}


def certificate(directory: Path, names: tuple[str, ...], days: int = 30) -> dict[str, str]:
    """A pair for these names, and the keys of [jitsi] that name it."""
    key, made = self_signed(names, datetime.now(UTC) - timedelta(days=3650 - days))
    files = {"certificate": directory / "mine.crt", "key": directory / "mine.key"}
    # The key first: whoever watches reads both when either has changed.
    files["key"].write_bytes(key)
    files["certificate"].write_bytes(made)
    return {name: str(file) for name, file in files.items()}
