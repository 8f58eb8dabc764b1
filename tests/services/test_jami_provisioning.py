"""Accounts made from their archives at the start of jami: what is declared is what jamid then has."""

from __future__ import annotations

import os

from herd_services.jami import calls
from herd_services.jami.calls import Jami
from jami import FRIEND, STRANGER, Archive, ask, devices, fingerprints, seen, table
from support import Daemon, herdd, short_directory


def test_every_account_is_served_and_nothing_is_warned_of(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    expected = {archives[name].fingerprint for name in ("dummy", "other", "own", "resting")}
    assert set(fingerprints(provisioned)) == expected
    assert provisioned.status("jami")["warnings"] == []


def test_every_key_of_an_account_reaches_jamid(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    account = seen(provisioned, archives["dummy"].fingerprint)
    assert account.contacts == {STRANGER, FRIEND}
    assert account.details["DHT.PublicInCalls"] == "false"
    assert account.moderators == {FRIEND}
    assert not account.anyone_moderates
    assert account.details["Account.rendezVous"] == "true"
    assert account.details["Account.peerDiscovery"] == "false"
    assert account.details["Account.hostname"] == "127.0.0.1:9;[::1]:9"
    assert account.details["RingNS.uri"] == "https://names.example"


def test_what_is_declared_empty_or_false_is_set_too(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    account = seen(provisioned, archives["other"].fingerprint)
    assert account.contacts == frozenset()
    assert account.details["DHT.PublicInCalls"] == "false"
    assert account.moderators == frozenset()
    assert not account.anyone_moderates
    assert account.details["Account.rendezVous"] == "false"
    assert account.details["Account.peerDiscovery"] == "true"
    assert account.details["Account.hostname"] == "127.0.0.1:9"
    assert account.details["RingNS.uri"] == ""


def test_an_absent_key_keeps_what_the_archive_says(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    account = seen(provisioned, archives["own"].fingerprint)
    assert account.contacts == {FRIEND}
    assert account.details["DHT.PublicInCalls"] == "true"
    assert account.anyone_moderates
    assert account.details["Account.rendezVous"] == "true"
    assert account.details["Account.peerDiscovery"] == "false"
    assert account.details["RingNS.uri"] == "ns.example"
    assert account.details[calls.DISPLAY_NAME] == "own"
    assert account.details[calls.ENABLE] == "true"


def test_an_account_exported_while_disabled_comes_disabled(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    resting = archives["resting"].fingerprint
    assert seen(provisioned, resting).details[calls.ENABLE] == "false"
    assert f"  - {resting} (resting) [disabled]\n" in provisioned.herd("list-accounts", "jami").stdout


def test_no_copy_of_an_archive_stays_behind(provisioned: Daemon) -> None:
    assert list((provisioned.services_dir / "jami" / "archives").iterdir()) == []


def test_the_archives_themselves_stay_as_they_are(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    for archive in archives.values():
        about = archive.path.stat()
        assert (about.st_uid, about.st_mode & 0o777) == (os.geteuid(), 0o600)


def test_without_declared_accounts_those_that_exist_are_left_alone() -> None:
    async def add(jami: Jami) -> None:
        async with jami.bus.signals(calls.INTERFACE, "knownDevicesChanged", "registrationStateChanged") as signals:
            account = await jami.add_account({"Account.type": "RING", "Account.displayName": "by hand"})
            async for signal in signals:
                if signal.body[0] == account and (await jami.details(account)).get(calls.USERNAME):
                    break
            await jami.let_anyone_moderate(account, state=False)
            await jami.remove_contact(account, STRANGER, ban=True)

    with short_directory() as directory:
        with herdd(table(), directory=directory) as daemon:
            daemon.until_status("jami", "running")
            assert daemon.herd("list-accounts", "jami").stdout == "There is no Jami account available.\n"
            ask(daemon, add)
            before = fingerprints(daemon)
            assert daemon.herd("restart", "jami").returncode == 0
            assert fingerprints(daemon) == before
            assert seen(daemon, before[0]).banned == {STRANGER}
        with herdd(table(), directory=directory) as daemon:
            daemon.until_status("jami", "running")
            assert fingerprints(daemon) == before
            assert seen(daemon, before[0]).details[calls.DISPLAY_NAME] == "by hand"


def test_fresh_makes_jamis_state_anew_at_every_start(archives: dict[str, Archive]) -> None:
    dummy = archives["dummy"]
    with herdd(table({"archive": dummy.path}, fresh=True)) as daemon:
        daemon.until_status("jami", "running")
        for _ in range(2):
            before = devices(daemon)
            assert daemon.herd("create-account", "jami").returncode == 0
            assert daemon.herd("restart", "jami").returncode == 0
            assert devices(daemon).keys() == {dummy.fingerprint}
            assert devices(daemon) != before


def test_twenty_accounts_are_served(crowd: list[Archive]) -> None:
    config = table(*({"archive": each.path, "rendezvous_point": True, "moderators": [FRIEND]} for each in crowd))
    with herdd(config) as daemon:
        facts = daemon.until_status("jami", "running")
        assert facts["warnings"] == []
        assert set(fingerprints(daemon)) == {each.fingerprint for each in crowd}
        for each in crowd:
            account = seen(daemon, each.fingerprint)
            assert account.details["Account.rendezVous"] == "true"
            assert account.moderators == {FRIEND}
        listed = daemon.herd("list-accounts", "jami").stdout
        assert sorted(listed.splitlines()[1:-1]) == sorted(f"  - {each.fingerprint} ({each.name})" for each in crowd)
