"""Real account archives, made by a real jamid on a bus of its own: for `make run`, the tests and `make bench`.

`archives.py DIRECTORY NAME…` writes DIRECTORY/NAME.gz for each name, readable by its owner alone.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

import trio
from attrs import frozen

from herd.core.bus import Bus
from herd.daemon.dbus import connected
from herd_services.jami import calls
from herd_services.jami.calls import Jami
from herd_services.jami.service import bus_configuration
from herd_services.jami.waiting import await_jamid

# jamid 13.7.0 makes an account in a thread of a pool and waits there for keys made in the same pool: with as many
# new accounts as threads (4 at least) it stands still for good.
_AT_ONCE = 2


@frozen
class Reach:
    """As much of a Host as jamid is waited for with."""

    bus: Bus


@asynccontextmanager
async def running(command: list[str], environment: Mapping[str, str], stdout: int) -> AsyncIterator[trio.Process]:
    """A process that is ended with the context."""
    process = await trio.lowlevel.open_process(
        command, env={**os.environ, **environment}, stdin=DEVNULL, stdout=stdout, stderr=DEVNULL
    )
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            process.send_signal(signal.SIGTERM)
            with trio.move_on_after(10):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def private_jamid(home: Path) -> AsyncIterator[Jami]:
    """A jamid of this user with its state in `home`."""
    socket, configuration = home / "bus", home / "bus.conf"
    configuration.write_bytes(bus_configuration(socket, str(os.geteuid()), str(os.geteuid())))
    bus_command = ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--nopidfile", "--print-address"]
    environment = {"HOME": str(home), "DBUS_SESSION_BUS_ADDRESS": f"unix:path={socket}"}
    # The bases of the XDG directories would lead out of this home.
    environment |= {f"XDG_{name}_HOME": str(home / f".{name.lower()}") for name in ("CACHE", "CONFIG", "DATA")}
    async with running(bus_command, {}, PIPE) as bus_process:
        assert bus_process.stdout is not None
        # The address is printed once the socket listens.
        await bus_process.stdout.receive_some()
        command = ["/usr/libexec/jamid", "--persistent", "--console"]
        async with running(command, environment, DEVNULL), connected(socket) as bus:
            await await_jamid(Reach(bus))  # type: ignore[arg-type]
            yield Jami(bus)


async def loaded(jami: Jami, details: Mapping[str, str]) -> str:
    """Add an account and return its id once it has its keys."""
    async with jami.bus.signals(calls.INTERFACE, "registrationStateChanged", "knownDevicesChanged") as signals:
        account = await jami.add_account(details)
        has_devices = False
        async for each in signals:
            has_devices = has_devices or (each.body[0] == account and each.member == "knownDevicesChanged")
            if has_devices and (await jami.details(account)).get(calls.USERNAME):
                return account
    raise RuntimeError("jamid ended")


async def export(jami: Jami, account: str, path: Path, password: str = "") -> None:
    """Write an account's archive."""
    if not await jami.export(account, str(path), password):
        raise RuntimeError(f"cannot export to {path}")
    path.chmod(0o600)


async def make(directory: Path, names: list[str]) -> dict[str, str]:
    """One archive for each name; the fingerprints by name."""
    fingerprints: dict[str, str] = {}
    limit = trio.CapacityLimiter(_AT_ONCE)

    async def one(jami: Jami, name: str) -> None:
        async with limit:
            account = await loaded(jami, {"Account.type": "RING", "Account.alias": name, "Account.displayName": name})
        fingerprints[name] = (await jami.details(account))[calls.USERNAME]
        await export(jami, account, directory / f"{name}.gz")

    with tempfile.TemporaryDirectory(prefix="herd-archives-") as home:
        async with private_jamid(Path(home)) as jami, trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(one, jami, name)
    return fingerprints


if __name__ == "__main__":
    for name, fingerprint in trio.run(make, Path(sys.argv[1]), sys.argv[2:]).items():
        print(fingerprint, name)
