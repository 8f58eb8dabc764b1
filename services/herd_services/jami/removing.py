"""Accounts removed from this host. What the ledger tells of them stays, as history."""

from __future__ import annotations

from attrs import frozen

from herd.core.action import Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host
from herd_services.jami import origins
from herd_services.jami.accounts import find
from herd_services.jami.calls import Jami
from herd_services.jami.configuration import AccountConfiguration
from herd_services.jami.exporting import is_exported


@frozen
class Remover:
    """Removes accounts, but none that is declared."""

    declared: tuple[AccountConfiguration, ...]

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        """ACCOUNT [--force]: without it only where the account's keys are somewhere else, too."""
        jami, account = Jami(host.bus), await find(host, call.arguments[0])
        attempt, owner = f"cannot remove account {account.name}", account.fingerprint
        if owner in (await origins.owners(host, self.declared)).values():
            raise HerdError(f"{attempt}: it is declared in herd.toml; remove its [[jami.account]] first")
        has_archive = owner in await origins.origins(host) or await is_exported(host, owner)
        if not has_archive and "--force" not in call.arguments.options:
            raise HerdError(
                f"{attempt}: nobody else has its keys; export it first: herd export-account jami {owner} FILE, "
                "or say --force"
            )
        await jami.remove_account(account.id)
        if account.id in await jami.account_ids():
            raise HerdError(f"{attempt}: jamid did not take it; try again")
        await origins.forget(host, owner)
        return Reply({"account": owner}, f"Account {account.name} was removed.\n")
