"""jamid's D-Bus methods as values, and the constants of its interface.

Source: cx.ring.Ring.ConfigurationManager.xml of Debian's jami-daemon 20230206. All values in details are text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from herd.core.bus import Bus, BusCall

NAME = "cx.ring.Ring"
INTERFACE = f"{NAME}.ConfigurationManager"
_PATH = "/cx/ring/Ring/ConfigurationManager"

USERNAME = "Account.username"
NAME_SERVER = "RingNS.uri"
ENABLE = "Account.enable"
DISPLAY_NAME = "Account.displayName"
ALIAS = "Account.alias"
HAS_PASSWORD = "Account.archiveHasPassword"
# Of the volatile details: the name registered with the name server, and how far the account is with the network.
REGISTERED_NAME = "Account.registeredName"
REGISTRATION = "Account.registrationStatus"


class Jami:
    """jamid at the other end of a bus. Every method raises HerdError when the bus or jamid fails."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def _call(self, member: str, signature: str = "", *body: Any) -> tuple[Any, ...]:
        return await self.bus.call(BusCall(NAME, _PATH, INTERFACE, member, signature, body))

    async def account_ids(self) -> list[str]:
        """The ids (16 hex digits) of all accounts, in jamid's order."""
        return list((await self._call("getAccountList"))[0])

    async def details(self, account: str) -> dict[str, str]:
        """An account's details."""
        return dict((await self._call("getAccountDetails", "s", account))[0])

    async def volatile_details(self, account: str) -> dict[str, str]:
        """An account's state of registration and the like."""
        return dict((await self._call("getVolatileAccountDetails", "s", account))[0])

    async def set_details(self, account: str, details: Mapping[str, str]) -> None:
        """Replace all details; unchanged ones leave the account alone, any other bounces it."""
        await self._call("setAccountDetails", "sa{ss}", account, dict(details))

    async def add_account(self, details: Mapping[str, str]) -> str:
        """Begin to load an account; returns its id."""
        return str((await self._call("addAccount", "a{ss}", dict(details)))[0])

    async def remove_account(self, account: str) -> None:
        """Remove an account from this host."""
        await self._call("removeAccount", "s", account)

    async def export(self, account: str, path: str, password: str) -> bool:
        """Have jamid write the account's archive; False where it could not, or the password is not the account's."""
        return bool((await self._call("exportToFile", "sss", account, path, password))[0])

    async def contacts(self, account: str) -> list[dict[str, str]]:
        """An account's contacts, banned ones with `banned` = `true`."""
        return list((await self._call("getContacts", "s", account))[0])

    async def add_contact(self, account: str, contact: str) -> None:
        """Allow a contact; lifts a ban."""
        await self._call("addContact", "ss", account, contact)

    async def remove_contact(self, account: str, contact: str, *, ban: bool) -> None:
        """Remove a contact, and ban it."""
        await self._call("removeContact", "ssb", account, contact, ban)

    async def moderators(self, account: str) -> list[str]:
        """The default moderators."""
        return list((await self._call("getDefaultModerators", "s", account))[0])

    async def set_moderator(self, account: str, contact: str, *, state: bool) -> None:
        """Add or remove a default moderator."""
        await self._call("setDefaultModerator", "ssb", account, contact, state)

    async def anyone_moderates(self, account: str) -> bool:
        """Whether every participant is a moderator."""
        return bool((await self._call("isAllModerators", "s", account))[0])

    async def let_anyone_moderate(self, account: str, *, state: bool) -> None:
        """Let every participant be a moderator, or only those that are named."""
        await self._call("setAllModerators", "sb", account, state)

    async def look_up(self, account: str, name: str) -> None:
        """Ask the account's name server for a name; registeredNameFound answers."""
        await self._call("lookupName", "sss", account, "", name)
