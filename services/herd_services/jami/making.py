"""Accounts made by jamid, from an archive or new, so that whoever is killed half-way leaves none behind.

Before jamid begins, the ledger is told which accounts there are; that is forgotten when the new ones count. A start
that finds it removes every other account. To note each new one would not do: jamid tells its id when it has begun.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.preparation import Clear
from herd_services.jami import calls
from herd_services.jami.calls import Jami

# Key generation takes jamid half a second an account and a core, on a small machine several; a password costs more.
_SECONDS_FOR_ALL = 30.0
_SECONDS_FOR_ONE = 10.0
# Of what the ledger remembers: jamid's ids of the accounts that there were before others were begun.
_BEFORE = "accounts-before"
# And of those that it was told to remove while they were made.
_DISCARDED = "accounts-discarded"
_ID = re.compile(r"[0-9a-f]{16}")
_HOMES = (".local/share/jami", ".cache/jami")


class Refused(Exception):
    """jamid does not make the account; the text is the end of a sentence."""


def time_limit(accounts: int) -> float:
    """The seconds that so many may take."""
    return _SECONDS_FOR_ALL + _SECONDS_FOR_ONE * accounts


@asynccontextmanager
async def all_or_none(host: Host) -> AsyncIterator[None]:
    """Whatever is made from entry to exit lasts; broken off in between, the next start removes it."""
    await host.ledger.remember(_BEFORE, json.dumps(await Jami(host.bus).account_ids()))
    try:
        yield
    except Refused:
        # What was begun is gone already.
        await host.ledger.forget(_BEFORE)
        raise
    await host.ledger.forget(_BEFORE)


async def clear_unfinished(host: Host, home: Path, counted: Collection[str]) -> None:
    """Before jamid runs, remove what was begun and never came to last, but for what is `counted`.

    A jamid that finds half an account begins to complete it, and writes some of it even after it was told to remove it.
    """
    lasting, gone = await _lasting(host, counted), await _discarded(host)
    if lasting is None and not gone:
        return
    found = {name for place in _HOMES for name in await host.names(home / place) if _ID.fullmatch(name)}
    for account in sorted((found & gone) | (set() if lasting is None else found - lasting)):
        await host.clear(Clear(home, tuple(f"{place}/{account}" for place in _HOMES)))
        host.say(f"removed an account that was only half made ({account})")
    await host.ledger.forget(_BEFORE)
    await host.ledger.forget(_DISCARDED)


async def discard_unfinished(host: Host, counted: Collection[str]) -> None:
    """The same while jamid runs on under another herdd: nobody was told of these accounts.

    What jamid writes of them even then is cleared before it starts again.
    """
    if (lasting := await _lasting(host, counted)) is None:
        return
    jami = Jami(host.bus)
    doomed = [account for account in await jami.account_ids() if account not in lasting]
    await host.ledger.remember(_DISCARDED, json.dumps(sorted({*doomed, *await _discarded(host)})))
    for account in doomed:
        await jami.remove_account(account)
        host.say(f"removed an account that nobody was told of ({account})")
    await host.ledger.forget(_BEFORE)


async def _discarded(host: Host) -> set[str]:
    known = await host.ledger.recall(_DISCARDED)
    return set(json.loads(known.get(_DISCARDED, "[]")))


async def _lasting(host: Host, counted: Collection[str]) -> set[str] | None:
    """The accounts that are whole; None: all are."""
    before = (await host.ledger.recall(_BEFORE)).get(_BEFORE)
    return None if before is None else {*json.loads(before), *counted}


async def make(host: Host, details: Mapping[str, str], seconds: float) -> str:
    """Have jamid make an account, within all_or_none(); its id once it has loaded. Raises Refused, HerdError."""
    begun: list[str] = []
    try:
        return await host.within(seconds, partial(_load, Jami(host.bus), details, begun))
    except (Refused, TimeoutError) as error:
        for account in begun:
            await discard(host, account)
        raise Refused(str(error)) from error


async def _load(jami: Jami, details: Mapping[str, str], begun: list[str]) -> str:
    """It has loaded once it tells of its devices and knows its fingerprint."""
    async with jami.bus.signals(calls.INTERFACE, "registrationStateChanged", "knownDevicesChanged") as signals:
        account = await jami.add_account({"Account.type": "RING", **details})
        begun.append(account)
        has_devices = False
        async for signal in signals:
            if signal.body[0] != account:
                continue
            has_devices = has_devices or signal.member == "knownDevicesChanged"
            if signal.member == "registrationStateChanged" and signal.body[1] == "ERROR_GENERIC":
                raise Refused("jamid refuses it")
            if has_devices and (await jami.details(account)).get(calls.USERNAME):
                return account
    raise HerdError("cannot make accounts: the bus is gone")


async def discard(host: Host, account: str) -> None:
    """Remove one from jamid, if it is there."""
    jami = Jami(host.bus)
    if account in await jami.account_ids():
        await jami.remove_account(account)
