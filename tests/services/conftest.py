"""Real account archives, made once by a real jamid, and a herdd that only looks at them.

The archives are what an administrator would have exported: `dummy` and `other` as they come, `own` with settings and a
contact of its own, `resting` while it was disabled, `secret` with the password that the account itself has.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

import mumble
from assembly import Assembly, assembled
from jami import FRIEND, STRANGER, Archive, table, tools
from jitsi_doubles import write_doubles
from support import Daemon, herdd, short_directory

# What jamid is told of each when it makes it.
_ACCOUNTS: dict[str, dict[str, str]] = {
    "dummy": {},
    "other": {},
    "own": {"Account.rendezVous": "true", "Account.peerDiscovery": "false", "RingNS.uri": "ns.example"},
    "resting": {},
    "secret": {"Account.archivePassword": "correct horse"},
}


@pytest.fixture(scope="session")
def archives() -> Iterator[dict[str, Archive]]:
    """Archives by name."""
    with short_directory() as directory:
        yield trio.run(_made, directory)


async def _made(directory: Path) -> dict[str, Archive]:
    make = tools()
    home = directory / "home"
    home.mkdir()
    found: dict[str, Archive] = {}
    async with make.private_jamid(home) as jami:
        for name, details in _ACCOUNTS.items():
            password = details.get("Account.archivePassword", "")
            account = await make.loaded(jami, {"Account.type": "RING", "Account.displayName": name, **details})
            if name == "own":
                await jami.add_contact(account, FRIEND)
            found[name] = Archive(directory / f"{name}.gz", (await jami.details(account))["Account.username"], name)
            await make.export(jami, account, found[name].path, password)
    _disable(found["resting"].path)
    return found


def _disable(path: Path) -> None:
    """Make it as an export of the disabled account is. To disable it first crashes jamid 13.7.0 now and then."""
    details = json.loads(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(json.dumps(details | {"Account.enable": "false"}).encode()))


@pytest.fixture(scope="session")
def crowd() -> Iterator[list[Archive]]:
    """Twenty archives; they take jamid half a minute."""
    with short_directory() as directory:
        names = [f"member{number}" for number in range(20)]
        made = trio.run(tools().make, directory, names)
        yield [Archive(directory / f"{name}.gz", made[name], name) for name in names]


@pytest.fixture(scope="session")
def provisioned(archives: dict[str, Archive]) -> Iterator[Daemon]:
    """A daemon with two accounts that have every key and two that have none; tests leave it as they found it."""
    everything = {
        "allowed_contacts": [STRANGER, FRIEND.upper()],
        "moderators": [FRIEND],
        "rendezvous_point": True,
        "peer_discovery": False,
        "bootstrap_hostnames": ["127.0.0.1:9", "[::1]:9"],
        "name_server_uri": "https://names.example",
    }
    opposite = {
        "allowed_contacts": [],
        "moderators": [],
        "rendezvous_point": False,
        "peer_discovery": True,
        "bootstrap_hostnames": ["127.0.0.1:9"],
        "name_server_uri": "",
    }
    config = table(
        {"archive": archives["dummy"].path, **everything},
        {"archive": archives["other"].path, **opposite},
        {"archive": archives["own"].path},
        {"archive": archives["resting"].path},
    )
    with herdd(config) as daemon:
        daemon.until_status("jami", "running")
        yield daemon


@pytest.fixture(scope="module")
def assembly() -> Iterator[Assembly]:
    """A meeting point and three people who can call it."""
    with assembled() as made:
        yield made


@pytest.fixture(scope="module")
def programs(request: pytest.FixtureRequest) -> Iterator[tuple[Path, Path]]:
    """Jicofo and a bridge: the real ones where they are given, else doubles."""
    given: Path | None = request.config.getoption("--jitsi")
    if given is not None:
        yield _installed(given / "jicofo/jicofo.sh"), _installed(given / "jitsi-videobridge/jvb.sh")
        return
    with short_directory() as directory:
        yield write_doubles(directory)


def _installed(program: Path) -> Path:
    if not os.access(program, os.X_OK):
        pytest.exit(f"cannot find {program}; install the Jitsi project's packages, or leave --jitsi out", returncode=4)
    return program


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Daemon, int]]:
    """A Mumble server that tests leave as they found it, and its port."""
    config = mumble.table()
    with mumble.running(config) as daemon:
        yield daemon, mumble.port_of(config)
