"""A real herdd with a meeting point, and three people who can call it: four jamids in a network of their own.

The network is a namespace whose only interface is `lo`, with an address that jamid takes for one of the world, and a
dhtnode by which the accounts find each other. It must have no IPv6: jamid 13.7.0 reads the kernel's addresses in a way
that does not end on newer kernels (seen with 6.18: every call stands still for good). The same herdd looks after all.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from attrs import frozen

from calls import Caller, Party, ask
from herd_services.jami import calls
from herd_services.jami.calls import Jami
from herd_services.jami.service import bus_configuration
from jami import Archive, bus, table, tools
from support import Daemon, herdd, program, short_directory

_PEOPLE = ("ann", "bob", "cleo")
_ADDRESS, _PORT = "10.77.0.1", 4222
# What an account needs to reach nothing but that network.
_DETAILS = {
    "Account.type": "RING",
    "Account.hostname": f"{_ADDRESS}:{_PORT}",
    "Account.upnpEnabled": "false",
    "Account.proxyEnabled": "false",
    "Account.peerDiscovery": "false",
    "Account.accountDiscovery": "false",
    "Account.accountPublish": "false",
    "TURN.enable": "false",
    "RingNS.uri": "",
}
_LAY_OUT = f"""
for each in /proc/sys/net/ipv6/conf/*/disable_ipv6; do if [ -e "$each" ]; then echo 1 >"$each" || exit; fi; done
ip link set lo up && ip address add {_ADDRESS}/24 dev lo && ip route add default dev lo && echo ready && exec cat
"""


@frozen
class Assembly:
    """Two accounts of the daemon, and who can call them: all who call the point meet, the desk only rings."""

    daemon: Daemon
    point: Party
    desk: Party
    people: tuple[Caller, ...]

    def end_all_calls(self) -> None:
        """Nobody has a call afterwards. The daemon's Jami begins: it does not notice every caller that is gone."""
        for party in (self.point, self.desk, *self.people):
            party.hang_up()


@contextmanager
def assembled() -> Iterator[Assembly]:
    """Everybody can be called; that takes half a minute."""
    with network() as inside, short_directory() as directory:
        point, desk = trio.run(_archives, directory)
        general = {"bootstrap_hostnames": [f"{_ADDRESS}:{_PORT}"], "peer_discovery": False, "moderators": []}
        config = table(
            {"archive": point.path, "rendezvous_point": True, **general},
            {"archive": desk.path, "rendezvous_point": False, **general},
        )
        config += program("dhtnode", ["dhtnode", "-s", "-p", str(_PORT)])
        config += "".join(_jamid(directory / name) for name in _PEOPLE)
        with herdd(config, inside=inside) as daemon:
            for name in _PEOPLE:
                daemon.until_status(f"{name}-bus", "running")
            with ThreadPoolExecutor() as pool:
                people = tuple(pool.map(_caller, (directory / name for name in _PEOPLE)))
            daemon.until_status("jami", "running")
            meeting, lonely = (Party(each.fingerprint, bus(daemon)) for each in (point, desk))
            yield Assembly(daemon, meeting, lonely, people)


@contextmanager
def network() -> Iterator[tuple[str, ...]]:
    """The words before a command that run it in a network of its own, as the same user with the same process id."""
    # Without root the network belongs to a user namespace, in which we stay who we are.
    is_root = os.geteuid() == 0
    make = ["unshare", *([] if is_root else ["--user", "--map-current-user", "--keep-caps"]), "--net"]
    holder = subprocess.Popen(
        [*make, "/bin/sh", "-c", _LAY_OUT],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    if holder.stdout.readline() != "ready\n":
        _, told = holder.communicate()
        if "unshare failed: Operation not permitted" in told:
            pytest.skip("no network namespace can be made here")
        raise AssertionError(f"cannot lay out a network: {told}")
    enter = ["nsenter", f"--target={holder.pid}", *([] if is_root else ["--user", "--preserve-credentials"]), "--net"]
    try:
        yield tuple(enter)
    finally:
        # The namespace goes with the last process in it.
        holder.communicate()


def _jamid(home: Path) -> str:
    """The services of somebody's jamid and its bus."""
    home.mkdir()
    socket, configuration, name = home / "bus", home / "bus.conf", home.name
    configuration.write_bytes(bus_configuration(socket, str(os.geteuid()), str(os.geteuid())))
    environment = {"HOME": str(home), "DBUS_SESSION_BUS_ADDRESS": f"unix:path={socket}"}
    dbus = ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--nopidfile"]
    jamid = ["/usr/libexec/jamid", "--persistent", "--console"]
    # However often it breaks.
    lasting = {"environment": environment, "requirement": [f"{name}-bus"], "respawn-limit": 0}
    return program(f"{name}-bus", dbus, ready={"unix": str(socket)}) + program(name, jamid, **lasting)


def _caller(home: Path) -> Caller:
    async def made(jami: Jami) -> str:
        account = await tools().loaded(jami, _DETAILS | {"Account.displayName": home.name})
        return (await jami.details(account))[calls.USERNAME]

    return Caller(ask(home / "bus", made), home / "bus", home.name)


async def _archives(directory: Path) -> Sequence[Archive]:
    make = tools()
    home = directory / "home"
    home.mkdir()
    found = []
    async with make.private_jamid(home) as jami:
        for name in ("point", "desk"):
            account = await make.loaded(jami, _DETAILS | {"Account.displayName": name})
            archive = Archive(directory / f"{name}.gz", (await jami.details(account))[calls.USERNAME], name)
            await make.export(jami, account, archive.path)
            found.append(archive)
    return found
