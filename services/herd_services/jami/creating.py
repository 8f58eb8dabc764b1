"""New accounts, one at a time: jamid 13.7.0 stands still for good when it makes several at once."""

from __future__ import annotations

from herd.core.action import Invocation, Reply
from herd.core.errors import HerdError, WrongUsage
from herd.core.host import Host
from herd_services.jami import calls
from herd_services.jami.accounts import account_of
from herd_services.jami.calls import Jami
from herd_services.jami.making import Refused, all_or_none, make, time_limit

_MAX_NAME = 100


async def create_account(host: Host, call: Invocation) -> Reply:
    """A new account, once it has loaded. Whoever is killed before that leaves none."""
    name = call.arguments.options.get("--display-name", "")
    if len(name) > _MAX_NAME or not name.isprintable():
        raise WrongUsage(
            f"cannot call an account {name[:_MAX_NAME]!r}: a name has {_MAX_NAME} characters at most, on one line"
        )
    try:
        async with all_or_none(host):
            made = await make(host, {calls.DISPLAY_NAME: name, calls.ALIAS: name}, time_limit(1))
    except Refused as error:
        raise HerdError(f"cannot create an account: {error}; see: herd log jami") from error
    account = await account_of(Jami(host.bus), made)
    return Reply({"account": account.fingerprint, "displayName": name}, f"{account.fingerprint}\n")
