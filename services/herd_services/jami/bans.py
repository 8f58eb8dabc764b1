"""The bans that are in force, told: the manual's listing, and records for recutils that import-bans reads."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import frozen

from herd.core import recutils
from herd.core.action import Invocation, Reply
from herd.core.host import Host
from herd.core.ledger import Change, Kind, latest
from herd_services.jami.accounts import Account, all_accounts
from herd_services.jami.calls import Jami
from herd_services.jami.standing import standing

_DESCRIPTOR = """\
%rec: Ban
%key: Id
%type: Id line
%type: Account regexp /^[0-9a-f]{40}$/
%type: Contact regexp /^[0-9a-f]{40}$/
%type: Since date
%type: Until date
%mandatory: Account Contact

"""


@frozen
class Ban:
    """One ban that is in force; `change` says what the ledger knows of it, None: an archive brought it."""

    account: Account
    contact: str
    change: Change | None

    def fields(self) -> dict[str, str]:
        """As a record; what is not known is left out."""
        change = self.change
        found = {
            "Id": f"{self.account.fingerprint}/{self.contact}",
            "Account": self.account.fingerprint,
            "Contact": self.contact,
        }
        if change is not None:
            found |= {"Author": change.author, "Since": _date(change.at)}
            found |= {"Reason": change.reason} if change.reason else {}
            found |= {"Until": _date(change.until)} if change.until is not None else {}
        return found

    def facts(self) -> dict[str, Any]:
        """The same for programs. Times in microseconds since the epoch."""
        change = self.change
        return {
            "contact": self.contact,
            "author": change and change.author,
            "reason": change and change.reason,
            "sinceUSec": change and int(change.at * 1e6),
            "untilUSec": None if change is None or change.until is None else int(change.until * 1e6),
        }


def _date(moment: float) -> str:
    """As recutils reads it, whose dates have no offset of ISO 8601's form."""
    return f"{datetime.fromtimestamp(moment).astimezone():%Y-%m-%d %H:%M:%S %z}"


async def bans(host: Host) -> list[tuple[Account, list[Ban]]]:
    """Every account with its bans, in the order of the contacts."""
    known = latest(await host.ledger.counting())
    found = []
    for account in await all_accounts(host):
        banned = (await standing(Jami(host.bus), account.id)).banned
        entries = {contact: known.get((account.fingerprint, contact, Kind.BAN)) for contact in sorted(banned)}
        found.append(
            (account, [Ban(account, each, entry.change if entry else None) for each, entry in entries.items()])
        )
    return found


async def list_banned_contacts(host: Host, call: Invocation) -> Reply:
    """Everyone who is banned, by account; accounts without bans are left out."""
    found = [(account, each) for account, each in await bans(host) if each]
    result = {
        "accounts": [
            {
                "fingerprint": account.fingerprint,
                "name": account.name,
                "banned": [ban.contact for ban in each],
                "bans": [ban.facts() for ban in each],
            }
            for account, each in found
        ]
    }
    if "--records" in call.arguments.options:
        return Reply(result, records([ban for _, each in found for ban in each]))
    return Reply(result, "".join(_block(account, each) for account, each in found))


def _block(account: Account, found: list[Ban]) -> str:
    return f"Banned contacts for account {account.name}:\n" + "".join(f"  - {ban.contact}\n" for ban in found) + "\n"


def records(found: list[Ban]) -> str:
    """A whole record file, its descriptor first."""
    return _DESCRIPTOR + recutils.records(ban.fields() for ban in found)


async def export_bans(host: Host, call: Invocation) -> Reply:
    """All bans, as import-bans reads them."""
    found = [ban for _, each in await bans(host) for ban in each]
    return Reply({"bans": [{"account": ban.account.fingerprint, **ban.facts()} for ban in found]}, records(found))
