"""account-diff: every account held against what herd.toml and its archive say of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from herd.core.action import Invocation, Reply
from herd.core.host import Host
from herd_services.jami import origins
from herd_services.jami.accounts import Account, all_accounts, find
from herd_services.jami.calls import Jami
from herd_services.jami.configuration import AccountConfiguration
from herd_services.jami.difference import Difference, differences
from herd_services.jami.source import Source, Unusable, read_source
from herd_services.jami.standing import standing


@frozen
class _Finding:
    """What is found of one account: lines for people, facts for programs. None of the two: nothing differs."""

    key: str
    facts: Mapping[str, Any]
    text: str


@frozen
class Comparer:
    """Compares what is live with what is declared."""

    declared: tuple[AccountConfiguration, ...] | None

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        """[ACCOUNT]: of all accounts or of one, which may be declared and not loaded."""
        accounts = {each.fingerprint: each for each in await all_accounts(host)}
        owners = await origins.owners(host, self.declared or ())
        declared = [(each, owners.get(each.archive)) for each in self.declared or ()]
        only = await self._only(host, call.arguments.optional(0), set(owners.values()))
        found = await host.gather(
            [
                partial(_compared, host, each, accounts.get(owner or ""))
                for each, owner in declared
                if only in (None, owner)
            ]
        )
        strangers = [each for each in accounts.values() if each.fingerprint not in owners.values()]
        found += [_stranger(each) for each in strangers if only in (None, each.fingerprint)]
        return _reply([each for each in found if each is not None])

    async def _only(self, host: Host, name: str | None, owners: set[str]) -> str | None:
        if name is None or name.lower() in owners:
            return name and name.lower()
        return (await find(host, name)).fingerprint


def _reply(found: list[_Finding]) -> Reply:
    result: dict[str, list[Any]] = {"accounts": [], "notLoaded": [], "notDeclared": []}
    for each in found:
        result[each.key].append(each.facts)
    text = "".join(each.text for each in found)
    return Reply(result, text or "Every account is as herd.toml and its archive say.\n")


async def _compared(host: Host, account: AccountConfiguration, live: Account | None) -> _Finding | None:
    source, problem = await _source(host, account)
    if live is None:
        reason = problem or "see: herd status jami"
        facts = {"archive": str(account.archive), "reason": reason}
        return _Finding("notLoaded", facts, f"The account of {account.archive} is not loaded: {reason}\n")
    has_changed = source is not None and await _has_changed(host, live, source)
    archive = source.archive if source else None
    found = differences(account, archive, live.details, await standing(Jami(host.bus), live.id))
    if not (found or has_changed or problem):
        return None
    return _finding(account.archive, live, found, _remarks(problem, has_changed=has_changed))


async def _source(host: Host, account: AccountConfiguration) -> tuple[Source | None, str]:
    try:
        return await read_source(host, account), ""
    except Unusable as error:
        return None, str(error)


async def _has_changed(host: Host, live: Account, source: Source) -> bool:
    origin = (await origins.origins(host)).get(live.fingerprint)
    return origin is not None and origin.digest != source.digest


def _remarks(problem: str, *, has_changed: bool) -> list[str]:
    changed = "the archive is another than the account was imported from; the next start imports it"
    return [*([problem] if problem else []), *([changed] if has_changed else [])]


def _finding(archive: Path, live: Account, found: list[Difference], remarks: list[str]) -> _Finding:
    facts = {
        "fingerprint": live.fingerprint,
        "archive": str(archive),
        "differences": [each.facts() for each in found],
        "remarks": remarks,
    }
    lines = [*remarks, *(each.text for each in found)]
    text = f"Account {live.title} of {archive}:\n" + "".join(f"  - {line}\n" for line in lines) + "\n"
    return _Finding("accounts", facts, text)


def _stranger(account: Account) -> _Finding:
    facts = {"fingerprint": account.fingerprint}
    return _Finding("notDeclared", facts, f"Account {account.title} is not declared in herd.toml.\n")
