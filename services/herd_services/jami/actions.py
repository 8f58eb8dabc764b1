"""The nine actions of the Guix manual, texts included ("Telephony Services", Jami Service).

Every argument is checked before anything is changed, and every change is read back before it is reported.
"""

from __future__ import annotations

from typing import Any

from herd.core.errors import HerdError
from herd.core.service import Access, Action, Host, Invocation, Reply
from herd_services.jami import calls, records
from herd_services.jami.accounts import Account, all_accounts, find
from herd_services.jami.calls import Jami
from herd_services.jami.fingerprint import contact as contact_of

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
    label = f" ({_one_line(account.label)})" if account.label else ""
    return f"{account.fingerprint}{label}{'' if account.is_enabled else ' [disabled]'}"


def _one_line(text: str) -> str:
    """A name that others chose must not break the listing."""
    return " ".join(text.split())


def _block(heading: str, items: Any) -> str:
    return heading + "\n" + "".join(f"  - {item}\n" for item in items) + "\n"


async def list_account_details(host: Host, call: Invocation) -> Reply:
    """All details of all accounts, as records."""
    accounts = await all_accounts(host)
    return Reply({"accounts": [records.ordered(each.details) for each in accounts]}, records.text(accounts))


async def list_contacts(host: Host, call: Invocation) -> Reply:
    """Everyone who is allowed and not banned, by account."""
    found = await _contacts(host, banned=False)
    blocks = [_block(f"Contacts for account {account.name}:", ids) for account, ids in found]
    return Reply(_by_account("contacts", found), "".join(blocks) or _NONE)


async def list_banned_contacts(host: Host, call: Invocation) -> Reply:
    """Everyone who is banned, by account; accounts without bans are left out."""
    found = [(account, ids) for account, ids in await _contacts(host, banned=True) if ids]
    blocks = [_block(f"Banned contacts for account {account.name}:", ids) for account, ids in found]
    return Reply(_by_account("banned", found), "".join(blocks))


async def _contacts(host: Host, *, banned: bool) -> list[tuple[Account, list[str]]]:
    jami = Jami(host.bus)
    return [(account, await _contact_ids(jami, account, banned=banned)) for account in await all_accounts(host)]


async def _contact_ids(jami: Jami, account: Account, *, banned: bool) -> list[str]:
    contacts = await jami.contacts(account.id)
    return sorted(each["id"] for each in contacts if (each.get("banned") == "true") is banned)


def _by_account(key: str, found: list[tuple[Account, list[str]]]) -> dict[str, Any]:
    return {"accounts": [{"fingerprint": a.fingerprint, "name": a.name, key: ids} for a, ids in found]}


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


async def add_moderator(host: Host, call: Invocation) -> Reply:
    """CONTACT ACCOUNT: from now on only those who are named moderate."""
    contact, jami = contact_of(call.arguments[0]), Jami(host.bus)
    account = await find(host, call.arguments[1])
    if contact == account.fingerprint:
        raise HerdError(f"cannot make {contact} a moderator: it is the account's own fingerprint; name a contact")
    await jami.let_anyone_moderate(account.id, state=False)
    await jami.set_moderator(account.id, contact, state=True)
    if contact not in await jami.moderators(account.id) or await jami.anyone_moderates(account.id):
        raise HerdError(
            f"cannot make {contact} a moderator for account {account.name}: jamid did not take it; try again"
        )
    return Reply(
        {"account": account.fingerprint, "moderator": contact},
        f"{contact} is a moderator for account {account.name}.\n",
    )


async def ban_contact(host: Host, call: Invocation) -> Reply:
    """CONTACT [ACCOUNT]: on one account or on all; whoever is banned moderates no more."""
    contact, jami = contact_of(call.arguments[0]), Jami(host.bus)
    present = await all_accounts(host)
    accounts = [await find(host, name)] if (name := call.arguments.optional(1)) is not None else present
    if contact in {account.fingerprint for account in present}:
        raise HerdError(
            f"cannot ban {contact}: it is an account of this host; disable it with: herd disable-account jami"
        )
    if not accounts:
        raise HerdError(f"cannot ban {contact}: there is no account; see: herd status jami")
    for account in accounts:
        await _ban(jami, account, contact)
    text = "".join(f"{contact} is banned from account {account.name}.\n" for account in accounts)
    return Reply({"contact": contact, "accounts": [account.fingerprint for account in accounts]}, text)


async def _ban(jami: Jami, account: Account, contact: str) -> None:
    await jami.remove_contact(account.id, contact, ban=True)
    if contact in await jami.moderators(account.id):
        await jami.set_moderator(account.id, contact, state=False)
    banned = contact in await _contact_ids(jami, account, banned=True)
    if not banned or contact in await jami.moderators(account.id):
        raise HerdError(f"cannot ban {contact} from account {account.name}: jamid did not take it; try again")


async def enable_account(host: Host, call: Invocation) -> Reply:
    """ACCOUNT: reachable again."""
    return await _set_enabled(host, call.arguments[0], enabled=True)


async def disable_account(host: Host, call: Invocation) -> Reply:
    """ACCOUNT: unreachable from the network."""
    return await _set_enabled(host, call.arguments[0], enabled=False)


async def _set_enabled(host: Host, name: str, *, enabled: bool) -> Reply:
    jami, word = Jami(host.bus), "enabled" if enabled else "disabled"
    account = await find(host, name)
    if account.is_enabled is not enabled:
        await jami.set_details(account.id, {**account.details, calls.ENABLE: str(enabled).lower()})
        details = await jami.details(account.id)
        if details.get(calls.ENABLE) != str(enabled).lower():
            raise HerdError(f"cannot have account {account.name} {word}: jamid did not take it; try again")
    return Reply({"account": account.fingerprint, "enabled": enabled}, f"Account {account.name} is {word}.\n")


ACTIONS = (
    Action("list-accounts", "List the accounts: fingerprint, name, and whether disabled.", list_accounts),
    Action("list-account-details", "Print all details of the accounts, as records for recsel.", list_account_details),
    Action("list-banned-contacts", "List the banned contacts of each account.", list_banned_contacts),
    Action("list-contacts", "List the contacts of each account.", list_contacts),
    Action("list-moderators", "List who moderates the conferences of each account.", list_moderators),
    Action(
        "add-moderator",
        "Let a contact, a 40-digit fingerprint, moderate an account's conferences; from then on not everybody does.",
        add_moderator,
        "CONTACT ACCOUNT",
        Access.CHANGE,
    ),
    Action(
        "ban-contact",
        "Ban a contact, a 40-digit fingerprint, from one account or from all; it loses moderation too.",
        ban_contact,
        "CONTACT [ACCOUNT]",
        Access.CHANGE,
    ),
    Action(
        "enable-account",
        "Make an account, a fingerprint or registered name, reachable again.",
        enable_account,
        "ACCOUNT",
        Access.CHANGE,
    ),
    Action(
        "disable-account",
        "Make an account, a fingerprint or registered name, unreachable from the network.",
        disable_account,
        "ACCOUNT",
        Access.CHANGE,
    ),
)
