"""Accounts made reachable and unreachable. What jamid has taken is read back before it is told."""

from __future__ import annotations

from herd.core.action import Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host
from herd_services.jami import calls
from herd_services.jami.accounts import find
from herd_services.jami.calls import Jami


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
