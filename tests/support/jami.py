"""What the tests of Jami share: real archives, the table [jami], and jamid asked over its bus by a second connection.

What herdd did is judged by what jamid says, not by what `herd` says of it.
"""

from __future__ import annotations

import importlib.util
import os
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest
import trio
from attrs import frozen

from herd.daemon.dbus import BusError, connected
from herd_services.jami import calls
from herd_services.jami.calls import Jami
from support import Daemon, toml

T = TypeVar("T")
# Fingerprints of people who are none of our accounts; the first is the Guix manual's.
STRANGER = "1dbcb0f5f37324228235564b79f2b9737e9a008f"
FRIEND = "8b4e2a4c7d1f0e6b9a3c5d7e9f1b3d5f7a9c1e3b"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs a service as another user")


@frozen
class Archive:
    """An exported account."""

    path: Path
    fingerprint: str
    name: str


def tools() -> ModuleType:
    """tools/archives.py, which no wheel holds."""
    file = Path(__file__).resolve().parents[2] / "tools" / "archives.py"
    specification = importlib.util.spec_from_file_location("herd_tools_archives", file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def table(*accounts: dict[str, Any], **keys: Any) -> str:
    """[jami] with its accounts; keys with underscores. Without accounts none is declared."""
    lines = ["[jami]", *(f"{key.replace('_', '-')} = {toml(value)}" for key, value in keys.items())]
    for account in accounts:
        values = {
            key.replace("_", "-"): str(value) if isinstance(value, Path) else value for key, value in account.items()
        }
        lines += ["[[jami.account]]", *(f"{key} = {toml(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def bus(daemon: Daemon) -> Path:
    """The socket of Jami's bus."""
    return daemon.services_dir / "jami" / "bus"


def ask(daemon: Daemon, question: Callable[[Jami], Awaitable[T]]) -> T:
    """What jamid answers to a connection of our own."""

    async def run() -> T:
        async with connected(bus(daemon)) as connection:
            return await question(Jami(connection))

    return trio.run(run)


async def account_id(jami: Jami, fingerprint: str) -> str:
    """jamid's name for the account."""
    for account in await jami.account_ids():
        if (await jami.details(account)).get(calls.USERNAME) == fingerprint:
            return account
    raise AssertionError(f"jamid has no account {fingerprint}")


@frozen
class Seen:
    """All of an account that Jami's actions can change."""

    details: dict[str, str]
    contacts: frozenset[str]
    banned: frozenset[str]
    moderators: frozenset[str]
    anyone_moderates: bool


def seen(daemon: Daemon, fingerprint: str) -> Seen:
    """The account as jamid has it."""

    async def question(jami: Jami) -> Seen:
        account = await account_id(jami, fingerprint)
        contacts = await jami.contacts(account)
        return Seen(
            details=await jami.details(account),
            contacts=frozenset(each["id"] for each in contacts if each.get("banned") != "true"),
            banned=frozenset(each["id"] for each in contacts if each.get("banned") == "true"),
            moderators=frozenset(await jami.moderators(account)),
            anyone_moderates=await jami.anyone_moderates(account),
        )

    return ask(daemon, question)


def change_details(daemon: Daemon, fingerprint: str, **changes: str) -> None:
    """Set details behind herdd's back; keys without their `Account.`.

    jamid 13.7.0 crashes now and then when that is asked of an account that begins to register: then once more.
    """

    async def question(jami: Jami) -> None:
        account = await account_id(jami, fingerprint)
        details = await jami.details(account)
        await jami.set_details(account, details | {f"Account.{key}": value for key, value in changes.items()})

    respawns = daemon.status("jami")["respawns"]
    try:
        ask(daemon, question)
    except BusError:
        daemon.until("jami", lambda facts: facts["respawns"] > respawns and facts["status"] == "running")
        ask(daemon, question)


def fingerprints(daemon: Daemon) -> list[str]:
    """Those of all accounts, in jamid's order."""

    async def question(jami: Jami) -> list[str]:
        return [(await jami.details(account))[calls.USERNAME] for account in await jami.account_ids()]

    return ask(daemon, question)


def restore(daemon: Daemon, fingerprint: str) -> None:
    """Undo what was done to the accounts, one of which is named, and empty the ledger, behind herdd's back."""
    with closing(sqlite3.connect(daemon.state_dir / "ledger.sqlite")) as connection, connection:
        connection.execute("DELETE FROM change")
    # It has its turn after whatever looks after the decisions still.
    daemon.herd("enable-account", "jami", fingerprint)

    async def undo(jami: Jami) -> None:
        for account in await jami.account_ids():
            for contact in await jami.contacts(account):
                await jami.add_contact(account, contact["id"])
                await jami.remove_contact(account, contact["id"], ban=False)
            for moderator in await jami.moderators(account):
                await jami.set_moderator(account, moderator, state=False)
            await jami.let_anyone_moderate(account, state=True)
            details = await jami.details(account)
            await jami.set_details(account, details | {"Account.enable": "true"})

    ask(daemon, undo)


def devices(daemon: Daemon) -> dict[str, str]:
    """The device's id of every account, by fingerprint: another after each import."""

    async def question(jami: Jami) -> dict[str, str]:
        found: dict[str, str] = {}
        for account in await jami.account_ids():
            owner = (await jami.details(account))[calls.USERNAME]
            assert owner not in found, "two accounts with one fingerprint"
            found[owner] = (await jami.volatile_details(account))["Account.deviceID"]
        return found

    return ask(daemon, question)


def at_first_account(daemon: Daemon, begin: Callable[[], object], then: Callable[[], object]) -> None:
    """Do something once jamid has begun to make an account, after what makes it do so; its bus has to be there."""

    async def run() -> None:
        async with (
            connected(bus(daemon)) as connection,
            connection.signals(calls.INTERFACE, "registrationStateChanged") as signals,
        ):
            begin()
            await anext(signals)
            then()

    trio.run(run)


def left_of_accounts(daemon: Daemon) -> list[str]:
    """The names of accounts' directories in Jami's home."""
    places = [daemon.state_dir / "jami" / name / "jami" for name in (".local/share", ".cache")]
    found = {each.name for place in places if place.exists() for each in place.iterdir() if each.is_dir()}
    return sorted(name for name in found if len(name) == 16)


def secret_account(archive: Archive, password_file: Path, **keys: Any) -> dict[str, Any]:
    """The table of an account whose archive is encrypted."""
    return {"archive": archive.path, "archive_password_file": password_file, **keys}
