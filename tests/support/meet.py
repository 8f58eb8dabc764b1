"""Jitsi Meet's tables for a test, on ports of its own, and all of it running."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import define, field

from herd_services.certificates import self_signed
from ports import free_ports
from support import Daemon, herdd, toml

DOMAIN = "meet.example.org"
BREWERY = f"jvbbrewery@internal.auth.{DOMAIN}"
# As often as the doubles tell, so that no test waits for the next time.
_QUICK = {"videobridge": {"stats": {"interval": "100 ms"}}}
# Mebibytes; a real one needs some, a double takes no notice.
_HEAP = 256


@define
class Meet:
    """The tables of one Jitsi Meet; a test changes them before it writes them."""

    jitsi: dict[str, Any]
    prosody: dict[str, Any]
    jicofo: dict[str, Any]
    jvb: list[dict[str, Any]]
    # Tables that there need not be, by their names.
    further: dict[str, dict[str, Any]] = field(factory=dict)

    def text(self) -> str:
        """herd.toml."""
        tables = [("[jitsi]", self.jitsi), ("[prosody]", self.prosody), ("[jicofo]", self.jicofo)]
        tables += [("[[jvb]]", each) for each in self.jvb]
        tables += [(f"[{name}]", each) for name, each in self.further.items()]
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
        {"program": jicofo, "http-port": focus, "memory": _HEAP, **user},
        [
            {"program": jvb, "nickname": f"b{n + 1}", "udp-port": others[2 * n], "http-port": others[2 * n + 1],
             "memory": _HEAP, "extra": _QUICK, **user}
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
