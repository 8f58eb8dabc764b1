"""Jami's accounts made from their archives, at every start.

Order, each step measured with jamid 13.7.0: look at the archives (jamid says the same of every bad one) and write the
declared details into their copies; subscribe; import all at once; wait for each to have loaded, for what is set before
is lost without an error; set the rest; read back. One bad archive is a warning and the other accounts are served; a
jamid that fails is the failure of the start.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from attrs import field, frozen

from herd.core.errors import HerdError
from herd.core.service import BusCall, BusSignal, Host
from herd_services.jami import calls
from herd_services.jami.archive import MAX_ARCHIVE, Archive, BadArchive, inspect
from herd_services.jami.calls import Jami
from herd_services.jami.configuration import AccountConfiguration
from herd_services.jami.upholding import ARCHIVE

_BUS = "org.freedesktop.DBus"
# Key generation takes jamid half a second an account and a core, on a small machine several.
_SECONDS_FOR_ALL = 30.0
_SECONDS_FOR_ONE = 10.0


def time_limit(accounts: int) -> float:
    """The seconds that so many imports may take."""
    return _SECONDS_FOR_ALL + _SECONDS_FOR_ONE * accounts


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


@frozen
class Provisioner:
    """The set-up of the service: jamid answers, and every declared account is as declared."""

    accounts: tuple[AccountConfiguration, ...] | None
    # Where jamid's user, and nobody else, can read the archives while they are imported.
    directory: Path

    async def __call__(self, host: Host) -> None:
        """Raises HerdError when jamid fails; a bad archive is a warning."""
        await await_jamid(host)
        if self.accounts is None:
            await _await_present(host)
        if not self.accounts:
            return
        archives = await host.gather([partial(self._inspected, host, account) for account in self.accounts])
        sound: dict[str, _Import] = {}
        for index, (account, archive) in enumerate(zip(self.accounts, archives, strict=True)):
            if archive is None:
                continue
            if earlier := sound.get(archive.fingerprint):
                host.warn(
                    f"cannot import {account.archive}: it holds the same account as {earlier.account.archive}, "
                    f"{archive.fingerprint}; declare one of them"
                )
                continue
            sound[archive.fingerprint] = _Import(account, archive, self.directory / f"{index}.gz")
        for owner, each in sound.items():
            await host.ledger.remember(f"{ARCHIVE}{each.account.archive}", owner)
        limit = time_limit(len(sound))
        imports = list(sound.values())
        loaded = await host.gather([partial(each.load, host, limit) for each in imports])
        # Not before: jamid now and then stands still when one account is changed while others load.
        await host.gather(
            [partial(each.settle, host, id) for each, id in zip(imports, loaded, strict=True) if id is not None]
        )

    async def _inspected(self, host: Host, account: AccountConfiguration) -> Archive | None:
        try:
            content = await host.read_file(account.archive, MAX_ARCHIVE)
            return await host.in_thread(partial(inspect, content, account.details()))
        except OSError as error:
            host.warn(f"cannot read the archive {account.archive}: {error.strerror}; correct its path or its owner")
        except BadArchive as error:
            host.warn(f"cannot import {account.archive}: {error}")
        return None


async def _await_present(host: Host) -> None:
    """Return once the accounts that jamid had before have loaded, for until then it does not tell whose they are."""
    jami = Jami(host.bus)
    async with jami.bus.signals(calls.INTERFACE, "registrationStateChanged", "knownDevicesChanged") as signals:
        waiting = {account for account in await jami.account_ids() if not await _is_known(jami, account)}
        try:
            await host.within(time_limit(len(waiting)), partial(_strike_out, jami, waiting, signals))
        except TimeoutError as error:
            host.warn(f"cannot load {len(waiting)} accounts: {error}; see: herd log jami")


async def _strike_out(jami: Jami, waiting: set[str], signals: AsyncIterator[BusSignal]) -> None:
    while waiting:
        signal = await anext(signals, None)
        if signal is None:
            raise HerdError("cannot load accounts: the bus is gone")
        if signal.body[0] in waiting and await _is_known(jami, signal.body[0]):
            waiting.discard(signal.body[0])


async def _is_known(jami: Jami, account: str) -> bool:
    details = await jami.details(account)
    # One that is disabled does not load.
    return bool(details.get(calls.USERNAME)) or details.get(calls.ENABLE) != "true"


@frozen
class _Import:
    """One account on its way from its archive to what is declared."""

    account: AccountConfiguration
    archive: Archive
    copy: Path = field(repr=False)

    async def settle(self, host: Host, id: str) -> None:
        """Have the loaded account as it is declared."""
        jami = Jami(host.bus)
        await self._apply(jami, id)
        for problem in await self._differences(jami, id):
            host.warn(f"cannot set {problem} of account {self.archive.fingerprint}: jamid did not take it")

    async def load(self, host: Host, limit: float) -> str | None:
        """Import it and return its id once it has loaded; None, and a warning, where that fails."""
        try:
            await host.write_file(self.copy, self.archive.content, 0o600)
            return await host.within(limit, partial(self._load, Jami(host.bus)))
        except (BadArchive, TimeoutError) as error:
            host.warn(f"cannot import {self.account.archive}: {error}")
        except OSError as error:
            raise HerdError(f"cannot write {self.copy}: {error.strerror}") from error
        finally:
            await host.remove_file(self.copy)
        return None

    async def _load(self, jami: Jami) -> str:
        """The account's id, once jamid has loaded it: it tells of its devices and knows its fingerprint."""
        request = {"Account.type": "RING", "Account.archivePath": str(self.copy)}
        async with jami.bus.signals(calls.INTERFACE, "registrationStateChanged", "knownDevicesChanged") as signals:
            account = await jami.add_account(request)
            has_devices = False
            async for signal in signals:
                if signal.body[0] != account:
                    continue
                has_devices = has_devices or signal.member == "knownDevicesChanged"
                if signal.member == "registrationStateChanged" and signal.body[1] == "ERROR_GENERIC":
                    raise BadArchive("jamid refuses it; export the account again")
                if has_devices and (await jami.details(account)).get(calls.USERNAME):
                    return account
        raise HerdError("cannot import accounts: the bus is gone")

    async def _apply(self, jami: Jami, account: str) -> None:
        present = await jami.details(account)
        if (wanted := present | self._declared_details()) != present:
            await jami.set_details(account, wanted)

    def _declared_details(self) -> dict[str, str]:
        declared = self.account.details()
        return declared if self.archive.enabled else declared | {calls.ENABLE: "false"}

    async def _differences(self, jami: Jami, account: str) -> list[str]:
        """The names of details that are not as declared, read back from jamid."""
        if not (declared := self._declared_details()):
            return []
        details = await jami.details(account)
        return [key for key, value in declared.items() if details.get(key) != value]
