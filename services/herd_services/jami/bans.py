"""The bans that are in force, told: the manual's listing, and records for recutils that import-bans reads."""

from __future__ import annotations

from herd.core.action import Invocation, Reply
from herd.core.host import Host
from herd.core.ledger import Kind, latest
from herd_services.jami.accounts import Account, all_accounts
from herd_services.jami.calls import Jami
from herd_services.jami.standing import standing
from herd_services.moderation.ban import Ban, Words, records

_FINGERPRINT = "regexp /^[0-9a-f]{40}$/"


def _where(account: str) -> str:
    return f" from account {account}"


WORDS = Words("jami", "Contact", "Account", _FINGERPRINT, _FINGERPRINT, _where)


async def bans(host: Host) -> list[tuple[Account, list[Ban]]]:
    """Every account with its bans, in the order of the contacts."""
    known = latest(await host.ledger.counting())
    found = []
    for account in await all_accounts(host):
        place = account.fingerprint
        banned = (await standing(Jami(host.bus), account.id)).banned
        entries = {contact: known.get((place, contact, Kind.BAN)) for contact in sorted(banned)}
        bans = [Ban(place, each, entry.change if entry else None) for each, entry in entries.items()]
        found.append((account, bans))
    return found


async def list_banned_contacts(host: Host, call: Invocation) -> Reply:
    """Everyone who is banned, by account; accounts without bans are left out."""
    found = [(account, each) for account, each in await bans(host) if each]
    result = {
        "accounts": [
            {
                "fingerprint": account.fingerprint,
                "name": account.name,
                "banned": [ban.subject for ban in each],
                "bans": [{"contact": ban.subject, **ban.told()} for ban in each],
            }
            for account, each in found
        ]
    }
    if "--records" in call.arguments.options:
        return Reply(result, records([ban for _, each in found for ban in each], WORDS))
    return Reply(result, "".join(_block(account, each) for account, each in found))


def _block(account: Account, found: list[Ban]) -> str:
    return f"Banned contacts for account {account.name}:\n" + "".join(f"  - {ban.subject}\n" for ban in found) + "\n"


async def export_bans(host: Host, call: Invocation) -> Reply:
    """All bans, as import-bans reads them."""
    found = [ban for _, each in await bans(host) for ban in each]
    return Reply({"bans": [ban.facts(WORDS) for ban in found]}, records(found, WORDS))
