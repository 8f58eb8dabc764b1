"""Jami's moderation upheld: the ledger laid over every account, after each start and when a ban's time is up.

Debian's jamid forgets its moderators at every restart, an account that is imported anew knows of no ban, and a herdd or
jamid that was killed may have left a change half done: whatever differs is repaired and said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from functools import partial

from attrs import evolve, frozen

from herd.core.host import Host, Note
from herd.core.ledger import Entry, Kind, next_end
from herd.core.words import clock
from herd_services.jami.accounts import Account, all_accounts
from herd_services.jami.calls import Jami
from herd_services.jami.configuration import AccountConfiguration
from herd_services.jami.decision import ANYONE
from herd_services.jami.following import follow
from herd_services.jami.judgement import Declared, Judgement, Standing, judge
from herd_services.jami.standing import bring, standing
from herd_services.moderation.ending import closed

_LISTS = {Kind.CONTACT: "allowed-contacts", Kind.MODERATOR: "moderators"}
# Of what the ledger remembers: before an archive's path, whose archive it is.
ARCHIVE = "archive:"


@frozen
class Upholder:
    """Lays the ledger over the accounts. Whose archives the declared ones are is known once they were imported."""

    accounts: tuple[AccountConfiguration, ...]

    async def uphold(self, host: Host, only: Collection[str] | None = None) -> None:
        """Have every account, or only these, as it should be. Raises HerdError when jamid or the ledger fails."""
        async with host.alone():
            declared = await self._declared(host)
            entries = await closed(host)
            accounts = [each for each in await all_accounts(host) if only is None or each.fingerprint in only]
            await host.gather([partial(_uphold, host, each, entries, declared) for each in accounts])

    async def keep(self, host: Host) -> None:
        """Lift each ban, and end whatever else has an end, on its time; look after every change once more.

        A ban that was lifted makes a declared contact one again; status shows who is declared and is it no more.
        """
        newest = None
        while True:
            version = host.ledger.version
            entries = await host.ledger.counting()
            host.publish("moderation", _notes(entries, await self._declared(host), host.now()))
            if newest is not None and (touched := {each.change.place for each in entries if each.number > newest}):
                await self.uphold(host, touched)
            newest = max((each.number for each in entries), default=0)
            end = next_end(entries, host.now())
            await host.ledger.wait(version, end)
            if end is not None and end <= host.now():
                await self.uphold(host)

    async def _declared(self, host: Host) -> dict[str, Declared]:
        """The declared lists, and after which entry each was changed; what is new is remembered."""
        lists, known = await self._lists(host), await host.ledger.recall("declared:")
        newest: int | None = None
        found = {}
        for account, declared in lists.items():
            changed = {}
            for kind, name in _LISTS.items():
                key, digest = f"declared:{account}:{name}", _digest(declared.listed(kind))
                before, _, number = known.get(key, "").partition(" ")
                if before != digest:
                    newest = await _newest(host) if newest is None else newest
                    number = str(newest)
                    await host.ledger.remember(key, f"{digest} {number}")
                changed[kind] = int(number)
            found[account] = evolve(declared, changed_after=changed)
        return found

    async def _lists(self, host: Host) -> dict[str, Declared]:
        owners = await host.ledger.recall(ARCHIVE)
        return {
            owner: Declared(_set(each.allowed_contacts), _set(each.moderators))
            for each in self.accounts
            if (owner := owners.get(f"{ARCHIVE}{each.archive}"))
        }


def _set(listed: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if listed is None else frozenset(listed)


async def _newest(host: Host) -> int:
    return max((entry.number for entry in await host.ledger.history()), default=0)


def _digest(listed: frozenset[str] | None) -> str:
    return "-" if listed is None else hashlib.sha256(" ".join(sorted(listed)).encode()).hexdigest()


async def _uphold(host: Host, account: Account, entries: list[Entry], declared: Mapping[str, Declared]) -> None:
    jami = Jami(host.bus)
    present = await standing(jami, account.id)
    lists = declared.get(account.fingerprint, Declared())
    judgement = judge(entries, account.fingerprint, lists, host.now())
    wanted = judgement.over(present)
    if (reopened := f"{ANYONE}{account.fingerprint}") in await host.ledger.recall(ANYONE):
        # jamid may have closed that for what did not take.
        wanted = evolve(wanted, anyone_moderates=not judgement.names_moderators)
    if present != wanted:
        if problems := await bring(jami, account.id, present, wanted):
            # Warnings are for observers, too; who it is stands in the log.
            host.say(f"account {account.name} has {' and '.join(problems)}, and should not")
            host.warn(f"cannot have account {account.name} as it should be: jamid did not take it; see: herd log")
        host.say(f"account {account.name} was brought to what was decided: {_changes(present, wanted)}")
    await host.ledger.forget(reopened)
    # Even where nothing was to be repaired: a herdd that was killed may not have come to this.
    for problem in await follow(host, account, present, wanted):
        host.say(problem)


def _changes(present: Standing, wanted: Standing) -> str:
    counts = {
        "banned": len(wanted.banned - present.banned),
        "no longer banned": len(present.banned - wanted.banned),
        "contacts": len(wanted.contacts - present.contacts),
        "no longer contacts": len(present.contacts - wanted.contacts - wanted.banned),
        "moderators": len(wanted.moderators - present.moderators),
        "no longer moderators": len(present.moderators - wanted.moderators),
    }
    told = [f"{count} {word}" for word, count in counts.items() if count]
    who = "anyone moderates" if wanted.anyone_moderates else "only those who are named moderate"
    return ", ".join(told) or who


def _notes(entries: list[Entry], declared: Mapping[str, Declared], now: float) -> list[Note]:
    """Who is declared and is it no more, with who said so."""
    return [
        Note(
            f"account.{account}.{word}.{person}",
            "removed",
            _removal(entries, account, word, person),
            is_about_people=True,
        )
        for account, lists in declared.items()
        for word, people in _taken_back(judge(entries, account, lists, now))
        for person in sorted(people)
    ]


def _taken_back(judgement: Judgement) -> list[tuple[str, frozenset[str]]]:
    gone = judgement.taken_back
    return [("contact", gone.contacts), ("moderator", gone.moderators)]


def _removal(entries: list[Entry], account: str, word: str, person: str) -> str:
    change = next(
        entry.change
        for entry in reversed(entries)
        if (entry.change.place, entry.change.subject) == (account, person) and entry.change.kind.value in (word, "ban")
    )
    said = f"{person}, declared a {word} of account {account}, was"
    return f"{said} {'banned' if change.kind is Kind.BAN else 'removed'} by {change.author} at {clock(change.at)}."
