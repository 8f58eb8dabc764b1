"""list-account-details: one record an account, fields in the Guix manual's order."""

from __future__ import annotations

from collections.abc import Mapping

from herd.core import recutils
from herd_services.jami import calls
from herd_services.jami.accounts import Account

_FIRST = (calls.USERNAME, calls.DISPLAY_NAME, calls.ALIAS)


def ordered(details: Mapping[str, str]) -> dict[str, str]:
    """The details with those that people look for in front, the others by name."""
    rest = sorted(key for key in details if key not in _FIRST)
    return {key: details.get(key, "") for key in (*_FIRST, *rest)}


def text(accounts: list[Account]) -> str:
    """The records of all accounts."""
    return recutils.records(ordered(account.details) for account in accounts)
