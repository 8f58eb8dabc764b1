"""Accounts as jamid has them: found by fingerprint or registered name, and told as the Guix manual tells them."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.suggest import did_you_mean
from herd_services.jami import calls
from herd_services.jami.calls import Jami
from herd_services.jami.fingerprint import is_fingerprint


@frozen
class Account:
    """One loaded account."""

    id: str
    details: Mapping[str, str]
    registered_name: str
    # jamid's word: REGISTERED, TRYING, …
    registration: str

    @property
    def fingerprint(self) -> str:
        """Its 40 hexadecimal digits."""
        return self.details.get(calls.USERNAME, "")

    @property
    def name(self) -> str:
        """What headings call it: its registered name, else its fingerprint."""
        return self.registered_name or self.fingerprint

    @property
    def label(self) -> str:
        """What list-accounts puts in parentheses."""
        return self.registered_name or self.details.get(calls.DISPLAY_NAME, "") or self.details.get(calls.ALIAS, "")

    @property
    def title(self) -> str:
        """How it is told on a line: its fingerprint, and the label in parentheses."""
        label = " ".join(self.label.split())
        return f"{self.fingerprint} ({label})" if label else self.fingerprint

    @property
    def is_enabled(self) -> bool:
        """Whether it is reachable."""
        return self.details.get(calls.ENABLE) == "true"


async def all_accounts(host: Host) -> list[Account]:
    """Every account that has loaded, in jamid's order."""
    jami = Jami(host.bus)
    ids = await jami.account_ids()
    accounts = [await account_of(jami, each) for each in ids]
    return [account for account in accounts if is_fingerprint(account.fingerprint)]


async def account_of(jami: Jami, account: str) -> Account:
    """The account of jamid's id; one that is not there, or has not loaded, has no fingerprint."""
    details = await jami.details(account)
    volatile = await jami.volatile_details(account)
    return Account(account, details, volatile.get(calls.REGISTERED_NAME, ""), volatile.get(calls.REGISTRATION, ""))


async def find(host: Host, name: str) -> Account:
    """The account of that fingerprint, in either case, or registered name. Raises HerdError."""
    accounts = await all_accounts(host)
    for account in accounts:
        if name.lower() == account.fingerprint or (name and name == account.registered_name):
            return account
    known = [text for account in accounts for text in (account.fingerprint, account.registered_name) if text]
    remedy = did_you_mean(name, known) or "see: herd list-accounts jami"
    raise HerdError(f"cannot find an account {name}; {remedy}")
