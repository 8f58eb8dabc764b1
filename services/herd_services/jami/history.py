"""What was decided, by whom, when and why."""

from __future__ import annotations

from typing import Any

from herd.core.action import Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.ledger import Entry, Kind
from herd.core.words import clock
from herd_services.jami.accounts import all_accounts

_WORDS = {
    (Kind.BAN, True): "banned {} from account {}",
    (Kind.BAN, False): "unbanned {} from account {}",
    (Kind.MODERATOR, True): "made {} a moderator for account {}",
    (Kind.MODERATOR, False): "removed the moderator {} of account {}",
    (Kind.CONTACT, True): "added the contact {} of account {}",
    (Kind.CONTACT, False): "removed the contact {} of account {}",
}


async def history(host: Host, call: Invocation) -> Reply:
    """Every decision, or those about a contact or an account, the first one first."""
    wanted = call.arguments.optional(0)
    accounts = await all_accounts(host)
    names = {account.fingerprint: account.name for account in accounts}
    entries = await host.ledger.history()
    if wanted is not None:
        meant = next((account.fingerprint for account in accounts if wanted == account.registered_name), wanted.lower())
        entries = [each for each in entries if meant in (each.change.place, each.change.subject)]
        if not entries and meant not in names:
            raise HerdError(
                f"cannot find {wanted} in the ledger; name a contact or an account, or see: herd history jami"
            )
    return Reply({"entries": [_facts(each) for each in entries]}, "".join(_line(each, names) for each in entries))


def _line(entry: Entry, names: dict[str, str]) -> str:
    change = entry.change
    deed = _WORDS[change.kind, change.holds].format(change.subject, names.get(change.place, change.place))
    until = "" if change.until is None else f" until {clock(change.until)}"
    reason = f": {' '.join(change.reason.split())}" if change.reason else ""
    return (
        f"{clock(change.at)} {change.author} {deed}{until}{reason}{' (it did not take)' if entry.withdrawn else ''}\n"
    )


def _facts(entry: Entry) -> dict[str, Any]:
    change = entry.change
    return {
        "number": entry.number,
        "kind": change.kind.value,
        "holds": change.holds,
        "account": change.place,
        "contact": change.subject,
        "author": change.author,
        "atUSec": int(change.at * 1e6),
        "reason": change.reason,
        "untilUSec": None if change.until is None else int(change.until * 1e6),
        "withdrawn": entry.withdrawn,
    }
