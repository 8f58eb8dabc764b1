"""Accounts, contacts and moderators told, in the words of the Guix manual ("Telephony Services", Jami Service)."""

from __future__ import annotations

from typing import Any

from herd.core.action import Invocation, Reply
from herd.core.host import Host
from herd_services.jami import calls, records
from herd_services.jami.accounts import Account, all_accounts
from herd_services.jami.calls import Jami
from herd_services.jami.standing import standing

_NONE = "There is no Jami account available.\n"


async def list_accounts(host: Host, call: Invocation) -> Reply:
    """All accounts, a line each."""
    accounts = await all_accounts(host)
    result = {
        "accounts": [
            {
                "fingerprint": account.fingerprint,
                "registeredName": account.registered_name,
                "displayName": account.details.get(calls.DISPLAY_NAME, ""),
                "alias": account.details.get(calls.ALIAS, ""),
                "enabled": account.is_enabled,
            }
            for account in accounts
        ]
    }
    if not accounts:
        return Reply(result, _NONE)
    return Reply(result, _block("The following Jami accounts are available:", map(_account_line, accounts)))


def _account_line(account: Account) -> str:
    return account.title if account.is_enabled else f"{account.title} [disabled]"


def _block(heading: str, items: Any) -> str:
    return heading + "\n" + "".join(f"  - {item}\n" for item in items) + "\n"


async def list_account_details(host: Host, call: Invocation) -> Reply:
    """All details of all accounts, as records."""
    accounts = await all_accounts(host)
    return Reply({"accounts": [records.ordered(each.details) for each in accounts]}, records.text(accounts))


async def list_contacts(host: Host, call: Invocation) -> Reply:
    """Everyone who is allowed and not banned, by account."""
    jami, listed, blocks = Jami(host.bus), [], []
    for account in await all_accounts(host):
        contacts = sorted((await standing(jami, account.id)).contacts)
        listed.append({"fingerprint": account.fingerprint, "name": account.name, "contacts": contacts})
        blocks.append(_block(f"Contacts for account {account.name}:", contacts))
    return Reply({"accounts": listed}, "".join(blocks) or _NONE)


async def list_moderators(host: Host, call: Invocation) -> Reply:
    """Who moderates, by account."""
    jami = Jami(host.bus)
    listed, blocks = [], []
    for account in await all_accounts(host):
        anyone = await jami.anyone_moderates(account.id)
        moderators = [] if anyone else sorted(await jami.moderators(account.id))
        listed.append(
            {"fingerprint": account.fingerprint, "name": account.name, "anyone": anyone, "moderators": moderators}
        )
        if anyone:
            blocks.append(f"Anyone can moderate for account {account.name}\n\n")
        else:
            blocks.append(_block(f"Moderators for account {account.name}:", moderators))
    return Reply({"accounts": listed}, "".join(blocks) or _NONE)
