"""Jami's accounts as they are declared, at every start: those that are there stay, the others are imported.

Order, each step measured with jamid 13.7.0: wait until all that jamid had has loaded; look at the archives (jamid says
the same of every bad one); keep each account that was imported from the archive it has now; import the others all at
once and wait for each to have loaded, for what is set before is lost without an error; let each count, in place of the
one with its fingerprint; set and read back the details. No account is changed while another loads. One bad archive is
a warning and the other accounts are served; a jamid that fails is the failure of the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from attrs import frozen

from herd.core.host import Host
from herd_services.jami import origins
from herd_services.jami.accounts import Account, all_accounts
from herd_services.jami.calls import Jami
from herd_services.jami.configuration import AccountConfiguration
from herd_services.jami.importing import Declared, let_count, load, settle, stays
from herd_services.jami.making import all_or_none, discard, time_limit
from herd_services.jami.origins import Origin
from herd_services.jami.source import Source, Unusable, read_source
from herd_services.jami.waiting import await_jamid, await_present


@frozen
class Provisioner:
    """The set-up of the service: jamid answers, and every declared account is as declared."""

    accounts: tuple[AccountConfiguration, ...] | None
    # Where jamid's user, and nobody else, can read the archives while they are imported.
    directory: Path

    async def __call__(self, host: Host) -> None:
        """Raises HerdError when jamid or the ledger fails; a bad archive is a warning."""
        await await_jamid(host)
        await await_present(host)
        if not self.accounts:
            return
        known = await origins.origins(host)
        present = await _one_each(host, known)
        served = await self._served(host, self.accounts, known, present)
        known = await origins.origins(host)
        await host.gather(
            [
                partial(settle, host, account, live, known.get(fingerprint))
                for fingerprint, (account, live) in served.items()
            ]
        )

    async def _served(
        self,
        host: Host,
        accounts: Sequence[AccountConfiguration],
        known: Mapping[str, Origin],
        present: Mapping[str, Account],
    ) -> dict[str, tuple[AccountConfiguration, Account]]:
        """The declared accounts that are there in the end, by fingerprint."""
        whose = await origins.owners(host, accounts)
        looked_at = await host.gather(
            [partial(_look_at, host, each, known, present, whose.get(each.archive)) for each in accounts]
        )
        declared = _apart(host, looked_at)
        if not any(each.has_to_be_imported for each in declared):
            return await _gathered(host, declared, [None] * len(declared), present)
        async with all_or_none(host):
            return await _gathered(host, declared, await self._imported(host, declared), present)

    async def _imported(self, host: Host, declared: Sequence[Declared]) -> list[Account | None]:
        """For each that has to be imported the account, loaded; None for the others."""
        imports = {index: each for index, each in enumerate(declared) if each.has_to_be_imported}
        procedures = [
            partial(load, host, each, self.directory / f"{index}.gz", time_limit(len(imports)))
            for index, each in imports.items()
        ]
        loaded = dict(zip(imports, await host.gather(procedures), strict=True))
        return [loaded.get(index) for index in range(len(declared))]


async def _look_at(
    host: Host,
    account: AccountConfiguration,
    known: Mapping[str, Origin],
    present: Mapping[str, Account],
    owner: str | None,
) -> Declared:
    last = present.get(owner) if owner and owner in known else None
    try:
        source = await read_source(host, account)
    except Unusable as error:
        host.warn(f"{error}{stays(last)}")
        return Declared(account, None, last, last)
    for remark in source.remarks:
        host.warn(remark)
    return Declared(account, source, _kept(source, known, present), last)


def _kept(source: Source, known: Mapping[str, Origin], present: Mapping[str, Account]) -> Account | None:
    """The account that was imported from this archive, as it is now."""
    for origin in known.values():
        live = present.get(origin.fingerprint)
        if origin.digest == source.digest and live is not None and live.id == origin.id:
            return live
    return None


def _apart(host: Host, looked_at: Sequence[Declared]) -> list[Declared]:
    """Without those whose account an earlier one is, as far as that is known before an import."""
    found: list[Declared] = []
    seen: dict[str, Path] = {}
    for each in looked_at:
        if each.fingerprint is None:
            found.append(each)
        elif earlier := seen.get(each.fingerprint):
            _warn_of_double(host, each, earlier, each.fingerprint)
        else:
            seen[each.fingerprint] = each.account.archive
            found.append(each)
    return found


def _warn_of_double(host: Host, declared: Declared, earlier: Path, fingerprint: str) -> None:
    host.warn(
        f"cannot import {declared.account.archive}: it holds the same account as {earlier}, "
        f"{fingerprint}; declare one of them"
    )


async def _gathered(
    host: Host, declared: Sequence[Declared], imported: Sequence[Account | None], present: Mapping[str, Account]
) -> dict[str, tuple[AccountConfiguration, Account]]:
    """By fingerprint: the imported account, or the one that stays; whose an archive is, is remembered."""
    served: dict[str, tuple[AccountConfiguration, Account]] = {}
    for each, new in zip(declared, imported, strict=True):
        live = each.live or each.last
        if new is not None:
            live = await _counted(host, each, new, served, present.get(new.fingerprint))
        if live is not None and live.fingerprint not in served:
            served[live.fingerprint] = each.account, live
            await origins.own(host, each.account.archive, live.fingerprint)
    return served


async def _counted(
    host: Host,
    declared: Declared,
    new: Account,
    served: Mapping[str, tuple[AccountConfiguration, Account]],
    replaced: Account | None,
) -> Account | None:
    """The imported account; None, and a warning, where it is one that is served already."""
    if earlier := served.get(new.fingerprint):
        _warn_of_double(host, declared, earlier[0].archive, new.fingerprint)
        await discard(host, new.id)
        return None
    assert declared.source is not None
    await let_count(host, declared.source, new, replaced)
    return new


async def _one_each(host: Host, known: Mapping[str, Origin]) -> dict[str, Account]:
    """The accounts by fingerprint. Of several with the same, one was imported and never counted: it goes."""
    found: dict[str, Account] = {}
    for account in await all_accounts(host):
        other = found.setdefault(account.fingerprint, account)
        if other is account:
            continue
        origin = known.get(account.fingerprint)
        kept, gone = (account, other) if origin and origin.id == account.id else (other, account)
        found[account.fingerprint] = kept
        await Jami(host.bus).remove_account(gone.id)
        host.say(f"removed one of two accounts {gone.fingerprint}")
    return found
