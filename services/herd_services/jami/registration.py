"""How far each account is with the network, kept up to date by what jamid tells."""

from __future__ import annotations

from collections.abc import Sequence

from herd.core.errors import HerdError
from herd.core.host import Host, Note
from herd_services.jami import calls
from herd_services.jami.accounts import Account, account_of, all_accounts
from herd_services.jami.calls import Jami
from herd_services.jami.configuration import AccountConfiguration
from herd_services.jami.origins import owners

_SIGNALS = ("registrationStateChanged", "accountsChanged", "accountDetailsChanged")
# Source: account_const.h of jami-daemon.
_WORDS = {
    "REGISTERED": "registered",
    "TRYING": "not registered yet, it is trying",
    "UNREGISTERED": "not registered",
    "INITIALIZING": "loading",
    "ERROR_GENERIC": "not registered: jamid does not say why; see: herd log jami",
    "ERROR_AUTH": "not registered: it was not admitted",
    "ERROR_NETWORK": "not registered: the network cannot be reached",
    "ERROR_HOST": "not registered: its bootstrap hosts cannot be found",
    "ERROR_SERVICE_UNAVAILABLE": "not registered: the service is unavailable",
    "ERROR_NEED_MIGRATION": "not registered: its device key is missing or too old; export it elsewhere and import it",
}


async def watch_registration(host: Host, declared: Sequence[AccountConfiguration] | None) -> None:
    """Have status and watchers told of every account, and which are not `declared`. Raises HerdError at its end."""
    jami = Jami(host.bus)
    async with jami.bus.signals(calls.INTERFACE, *_SIGNALS) as signals:
        accounts = await _present(host)
        await _publish(host, accounts, declared)
        async for signal in signals:
            if signal.member == "accountsChanged" or signal.body[0] not in accounts:
                accounts = await _present(host)
            else:
                accounts[signal.body[0]] = await account_of(jami, signal.body[0])
            await _publish(host, accounts, declared)
    raise HerdError("cannot watch the accounts: the bus is gone")


async def _present(host: Host) -> dict[str, Account]:
    return {account.id: account for account in await all_accounts(host)}


async def _publish(host: Host, accounts: dict[str, Account], declared: Sequence[AccountConfiguration] | None) -> None:
    ours = None if declared is None else set((await owners(host, declared)).values())
    host.publish("registration", [_note(each, ours) for each in accounts.values() if each.fingerprint])


def _note(account: Account, declared: set[str] | None) -> Note:
    state = account.registration
    words = _WORDS.get(state, f"not registered: {state}") if account.is_enabled else "disabled"
    stranger = declared is not None and account.fingerprint not in declared
    text = f"Account {account.title}{', not declared' if stranger else ''}: {words}"
    return Note(f"account.{account.fingerprint}.registration", state, text)
