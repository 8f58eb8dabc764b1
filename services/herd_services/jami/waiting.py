"""Until jamid answers, until it has loaded what it had, and whether it is well."""

from __future__ import annotations

from functools import partial

from herd.core.bus import BusCall
from herd.core.errors import HerdError
from herd.core.host import Host
from herd_services.jami import calls
from herd_services.jami.calls import Jami
from herd_services.jami.making import time_limit

_BUS = "org.freedesktop.DBus"
_SIGNALS = ("registrationStateChanged", "knownDevicesChanged", "accountsChanged")


async def await_jamid(host: Host) -> None:
    """Return once jamid answers; owning its name is not enough in newer releases."""
    async with host.bus.signals(_BUS, "NameOwnerChanged") as signals:
        owned = await host.bus.call(BusCall(_BUS, "/org/freedesktop/DBus", _BUS, "NameHasOwner", "s", (calls.NAME,)))
        if not owned[0]:
            async for signal in signals:
                if signal.body[0] == calls.NAME and signal.body[2]:
                    break
    await Jami(host.bus).account_ids()


async def ping(host: Host) -> None:
    """Return if jamid answers (health check)."""
    await Jami(host.bus).account_ids()


async def await_present(host: Host) -> None:
    """Return once the accounts that jamid had before have loaded, for until then it does not tell whose they are."""
    jami = Jami(host.bus)
    waiting = await _loading(jami, await jami.account_ids())
    try:
        await host.within(time_limit(len(waiting)), partial(_await_loaded, jami))
    except TimeoutError as error:
        host.warn(f"cannot load {len(waiting)} accounts: {error}; see: herd log jami")


async def _await_loaded(jami: Jami) -> None:
    async with jami.bus.signals(calls.INTERFACE, *_SIGNALS) as signals:
        while await _loading(jami, await jami.account_ids()):
            if await anext(signals, None) is None:
                raise HerdError("cannot load accounts: the bus is gone")


async def _loading(jami: Jami, accounts: list[str]) -> list[str]:
    """Those that neither have a fingerprint yet nor failed. One that is disabled may never load."""
    found = []
    for account in accounts:
        details = await jami.details(account)
        if not details.get(calls.USERNAME) and details.get(calls.ENABLE) == "true":
            state = (await jami.volatile_details(account)).get(calls.REGISTRATION, "")
            if not state.startswith("ERROR_"):
                found.append(account)
    return found
