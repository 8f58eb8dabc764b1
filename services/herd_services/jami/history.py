"""What was decided of Jami's accounts."""

from __future__ import annotations

from herd.core.action import Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.ledger import Change, Kind
from herd_services.jami.accounts import all_accounts
from herd_services.moderation.history import history as told

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

    def deed(change: Change) -> str:
        return _WORDS[change.kind, change.holds].format(change.subject, names.get(change.place, change.place))

    return told(entries, deed, "contact", "account")
