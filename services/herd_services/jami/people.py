"""Who is meant: a fingerprint, or a registered name that a name server knows.

Anything else is refused, never passed on: jamid takes it without a word.
"""

from __future__ import annotations

import re
from functools import partial

from herd.core.errors import HerdError, WrongUsage
from herd.core.host import Host
from herd_services.jami import calls
from herd_services.jami.accounts import Account, all_accounts
from herd_services.jami.calls import Jami
from herd_services.jami.fingerprint import is_fingerprint

# Source: the name server's own rule (jami-daemon, namedirectory.cpp).
_NAME = re.compile(r"[a-zA-Z0-9_-]{3,32}")
_PATIENCE = 15.0
_FOUND, _UNREACHABLE = 0, 3


async def contact(host: Host, text: str) -> str:
    """The fingerprint of whoever is meant, lower-case. Raises WrongUsage, HerdError."""
    if is_fingerprint(text):
        return text.lower()
    if not _NAME.fullmatch(text):
        raise WrongUsage(
            f"cannot take {text!r} for a contact: a fingerprint is 40 hexadecimal digits; see: herd list-contacts jami"
        )
    accounts = await all_accounts(host)
    for account in accounts:
        if text == account.registered_name:
            return account.fingerprint
    return await _looked_up(host, accounts, text)


async def _looked_up(host: Host, accounts: list[Account], name: str) -> str:
    """Asked of the name server of the first account; the others have the same one, or one of their own."""
    reasons = set()
    for account in {each.details.get(calls.NAME_SERVER, ""): each for each in accounts if each.is_enabled}.values():
        try:
            state, fingerprint = await host.within(_PATIENCE, partial(_ask, Jami(host.bus), account.id, name))
        except TimeoutError:
            state, fingerprint = _UNREACHABLE, ""
        if state == _FOUND and is_fingerprint(fingerprint):
            return fingerprint.lower()
        reasons.add("no name server answers" if state == _UNREACHABLE else "no name server knows it")
    reason = " and ".join(sorted(reasons)) or "there is no account to ask for the name"
    raise WrongUsage(
        f"cannot take {name!r} for a contact: {reason}, and a fingerprint is 40 hexadecimal digits; "
        "see: herd list-contacts jami"
    )


async def _ask(jami: Jami, account: str, name: str) -> tuple[int, str]:
    async with jami.bus.signals(calls.INTERFACE, "registeredNameFound") as signals:
        await jami.look_up(account, name)
        async for signal in signals:
            of, state, fingerprint, found = signal.body
            if (of, found) == (account, name):
                return int(state), str(fingerprint)
    raise HerdError(f"cannot look {name} up: the bus is gone")
