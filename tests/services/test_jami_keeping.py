"""Accounts that are there already stay as they are; whatever was cut short is put right at the next start."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from herd_services.jami import calls
from herd_services.jami.calls import Jami
from jami import (
    FRIEND,
    STRANGER,
    Archive,
    account_id,
    ask,
    at_first_account,
    devices,
    fingerprints,
    left_of_accounts,
    seen,
    table,
    tools,
)
from support import Daemon, herdd, short_directory

_BUS = "jami-dbus-session"


@pytest.fixture
def place() -> Iterator[Path]:
    """For one herdd after another."""
    with short_directory() as directory:
        yield directory


def _both(archives: dict[str, Archive], **keys: Any) -> str:
    return table(*({"archive": archives[name].path} for name in ("dummy", "other")), **keys)


def _restart(daemon: Daemon) -> None:
    done = daemon.herd("restart", "jami")
    assert (done.returncode, done.stderr) == (0, "")


def _change(archive: Archive, path: Path, **details: str) -> Archive:
    """Another archive of the same account."""
    content = json.loads(gzip.decompress(archive.path.read_bytes()))
    content |= {f"Account.{key}": value for key, value in details.items()}
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    return Archive(path, archive.fingerprint, archive.name)


def test_devices_stay_the_same_over_every_kind_of_restart(archives: dict[str, Archive], place: Path) -> None:
    config = _both(archives)
    with herdd(config, directory=place, ends=False) as first:
        first.until_status("jami", "running")
        before = devices(first)
        assert before.keys() == {archives[name].fingerprint for name in ("dummy", "other")}
        _restart(first)
        assert devices(first) == before
        pid = first.status("jami")["mainPid"]
        os.kill(pid, signal.SIGKILL)
        first.until("jami", lambda facts: facts["status"] == "running" and facts["mainPid"] != pid)
        assert devices(first) == before
        first.process.kill()
        first.wait()
    with herdd(config, directory=place) as second:
        assert second.until_status("jami", "running")["adopted"]
        assert devices(second) == before
    with herdd(config, directory=place) as third:
        third.until_status("jami", "running")
        assert devices(third) == before
        assert third.status("jami")["warnings"] == []


def test_what_was_done_at_run_time_stays(archives: dict[str, Archive], place: Path) -> None:
    dummy, other = (archives[name].fingerprint for name in ("dummy", "other"))
    config = table({"archive": archives["dummy"].path, "rendezvous_point": True}, {"archive": archives["other"].path})
    with herdd(config, directory=place) as daemon:
        daemon.until_status("jami", "running")
        assert daemon.herd("ban-contact", "jami", STRANGER, dummy).returncode == 0
        assert daemon.herd("disable-account", "jami", dummy).returncode == 0
    with herdd(config, directory=place) as daemon:
        daemon.until_status("jami", "running")
        assert seen(daemon, dummy).banned == {STRANGER}
        assert seen(daemon, dummy).details[calls.ENABLE] == "false"
        assert seen(daemon, dummy).details["Account.rendezVous"] == "true"
        assert seen(daemon, other).details[calls.ENABLE] == "true"
        # Enabled while its archive says otherwise, it stays that, too.
        assert daemon.herd("enable-account", "jami", dummy).returncode == 0
        _restart(daemon)
        assert seen(daemon, dummy).details[calls.ENABLE] == "true"


def test_another_archive_of_the_account_takes_its_place(archives: dict[str, Archive], place: Path) -> None:
    dummy = archives["dummy"]
    archive = _change(dummy, place / "dummy.gz", displayName="one")
    with herdd(table({"archive": archive.path}), directory=place) as daemon:
        daemon.until_status("jami", "running")
        before = devices(daemon)
        assert daemon.herd("disable-account", "jami", dummy.fingerprint).returncode == 0
        _change(dummy, archive.path, displayName="two")
        _restart(daemon)
        after = devices(daemon)
        assert after.keys() == before.keys()
        assert after != before
        account = seen(daemon, dummy.fingerprint)
        assert account.details[calls.DISPLAY_NAME] == "two"
        # Whoever disabled it does not find it reachable again.
        assert account.details[calls.ENABLE] == "false"
        _restart(daemon)
        assert devices(daemon) == after
        assert len(left_of_accounts(daemon)) == 1


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (Path.unlink, "No such file or directory"),
        (lambda path: path.write_bytes(b""), "it is empty"),
        (lambda path: _spoil_key(path), "jamid refuses it"),
    ],
    ids=["missing", "empty", "refused"],
)
def test_an_account_stays_whose_archive_is_spoilt(
    archives: dict[str, Archive], place: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    archive = _change(archives["dummy"], place / "dummy.gz")
    with herdd(table({"archive": archive.path, "rendezvous_point": True}), directory=place) as daemon:
        daemon.until_status("jami", "running")
        before = devices(daemon)
        spoil(archive.path)
        done = daemon.herd("restart", "jami")
        assert done.returncode == 0
        assert reason in done.stderr
        assert f"(account {archive.fingerprint}, imported from it before, stays)" in done.stderr
        assert devices(daemon) == before
        assert seen(daemon, archive.fingerprint).details["Account.rendezVous"] == "true"


def _spoil_key(path: Path) -> None:
    content = json.loads(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(json.dumps(content | {"ringAccountKey": "AAAA"}).encode()))


def test_an_account_that_is_gone_is_imported_again(archives: dict[str, Archive]) -> None:
    dummy, other = (archives[name].fingerprint for name in ("dummy", "other"))

    async def remove(jami: Jami) -> None:
        await jami.remove_account(await account_id(jami, dummy))

    with herdd(_both(archives)) as daemon:
        daemon.until_status("jami", "running")
        before = devices(daemon)
        ask(daemon, remove)
        _restart(daemon)
        after = devices(daemon)
        assert after.keys() == before.keys()
        assert after[dummy] != before[dummy]
        assert after[other] == before[other]


def test_a_key_that_is_no_longer_declared_leaves_it_to_the_archive(archives: dict[str, Archive], place: Path) -> None:
    own = archives["own"]
    with herdd(table({"archive": own.path}), directory=place) as daemon:
        daemon.until_status("jami", "running")
        before = devices(daemon)
    changed = {"rendezvous_point": False, "name_server_uri": "https://other.example", "allowed_contacts": [FRIEND]}
    with herdd(table({"archive": own.path, **changed}), directory=place) as daemon:
        daemon.until_status("jami", "running")
        details = seen(daemon, own.fingerprint).details
        assert (details["Account.rendezVous"], details["RingNS.uri"]) == ("false", "https://other.example")
        assert details["DHT.PublicInCalls"] == "false"
    with herdd(table({"archive": own.path, "rendezvous_point": False}), directory=place) as daemon:
        daemon.until_status("jami", "running")
        details = seen(daemon, own.fingerprint).details
        assert (details["Account.rendezVous"], details["RingNS.uri"]) == ("false", "ns.example")
        assert details["DHT.PublicInCalls"] == "true"
        assert devices(daemon) == before


def test_an_account_that_is_no_longer_declared_stays_and_is_told_so(archives: dict[str, Archive], place: Path) -> None:
    dummy, other = (archives[name].fingerprint for name in ("dummy", "other"))
    with herdd(_both(archives), directory=place) as daemon:
        daemon.until_status("jami", "running")
        before = devices(daemon)
    with herdd(table({"archive": archives["dummy"].path}), directory=place) as daemon:
        daemon.until("jami", lambda facts: facts["notes"])
        assert devices(daemon) == before
        told = daemon.herd("status", "jami").stdout
        assert f"  Account {other} (other), not declared: " in told
        assert f"  Account {dummy} (dummy): " in told
        assert daemon.status("jami")["warnings"] == []


@pytest.mark.parametrize("victim", ["jami", "root"])
def test_an_import_cut_short_is_done_again_and_leaves_nothing(
    archives: dict[str, Archive], place: Path, victim: str
) -> None:
    config = _both(archives, auto_start=False)
    expected = {archives[name].fingerprint for name in ("dummy", "other")}
    with herdd(config, directory=place, ends=False) as first:
        assert first.herd("start", _BUS).returncode == 0
        with first.wire() as wire:

            def kill() -> None:
                pid = first.process.pid if victim == "root" else first.status("jami")["mainPid"]
                os.kill(pid, signal.SIGKILL)

            at_first_account(first, lambda: wire.send("Perform", action="start", service="jami", arguments=[]), kill)
            if victim == "root":
                first.wait()
            else:
                answer = wire.receive()
                assert answer is not None
                assert answer["error"] == "org.herdctl.Supervisor.StartFailed"
                assert first.end() == 0
    with herdd(config, directory=place) as second:
        assert second.herd("start", "jami").returncode == 0
        assert devices(second).keys() == expected
        assert len(left_of_accounts(second)) == 2
        assert list((second.services_dir / "jami" / "archives").iterdir()) == []
        before = devices(second)
        _restart(second)
        assert devices(second) == before


def _ledger(daemon: Daemon, statement: str, *values: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(daemon.state_dir / "ledger.sqlite")) as connection, connection:
        return connection.execute(statement, values).fetchall()


def test_an_import_that_was_not_remembered_does_not_count(archives: dict[str, Archive], place: Path) -> None:
    with herdd(_both(archives), directory=place) as daemon:
        daemon.until_status("jami", "running")
        before = devices(daemon)
        dummy, other = (archives[name].fingerprint for name in ("dummy", "other"))
        # As if herdd had been killed between the import and its note.
        _ledger(daemon, "DELETE FROM memory WHERE name = ?", f"import:{dummy}")
        _restart(daemon)
        after = devices(daemon)
        assert after.keys() == before.keys()
        assert after[dummy] != before[dummy]
        assert after[other] == before[other]
        assert len(left_of_accounts(daemon)) == 2


def test_of_two_accounts_with_one_fingerprint_the_one_that_counts_stays(archives: dict[str, Archive]) -> None:
    dummy = archives["dummy"]
    with herdd(table({"archive": dummy.path})) as daemon:
        daemon.until_status("jami", "running")
        before = devices(daemon)

        async def again(jami: Jami) -> None:
            copy = daemon.services_dir / "jami" / "again.gz"
            copy.write_bytes(dummy.path.read_bytes())
            os.chown(copy, (place := copy.parent.stat()).st_uid, place.st_gid)
            await tools().loaded(jami, {"Account.type": "RING", "Account.archivePath": str(copy)})

        ask(daemon, again)
        assert fingerprints(daemon) == [dummy.fingerprint] * 2
        _restart(daemon)
        assert devices(daemon) == before
        daemon.said(f"removed one of two accounts {dummy.fingerprint}")


def test_what_was_begun_and_never_came_to_last_is_removed(archives: dict[str, Archive], place: Path) -> None:
    with herdd(table({"archive": archives["dummy"].path}), directory=place) as daemon:
        daemon.until_status("jami", "running")
        kept = daemon.herd("create-account", "jami").stdout.strip()
        before, ids = devices(daemon), ask(daemon, Jami.account_ids)
        daemon.herd("create-account", "jami")
        # As if herdd had been killed before it was told. What is no account's directory is nobody's business.
        _ledger(daemon, "INSERT INTO memory VALUES ('jami', 'accounts-before', ?)", json.dumps(ids))
        others = daemon.state_dir / "jami/.local/share/jami/others"
        others.mkdir()
        _restart(daemon)
        assert before.keys() == {archives["dummy"].fingerprint, kept}
        assert devices(daemon) == before
        assert set(left_of_accounts(daemon)) == set(ids)
        assert others.exists()
        daemon.herd("create-account", "jami")
        _restart(daemon)
        assert len(devices(daemon)) == 3


def test_an_account_whose_maker_was_told_nothing_is_removed_by_the_next_herdd(place: Path) -> None:
    with herdd(table(), directory=place, ends=False) as first:
        pid = first.until_status("jami", "running")["mainPid"]
        kept = first.herd("create-account", "jami").stdout.strip()
        with first.wire() as wire:
            at_first_account(
                first,
                lambda: wire.send("Perform", action="create-account", service="jami", arguments=[]),
                lambda: os.kill(first.process.pid, signal.SIGKILL),
            )
        first.wait()
    with herdd(table(), directory=place) as second:
        assert second.until_status("jami", "running")["mainPid"] == pid
        assert fingerprints(second) == [kept]
        _restart(second)
        assert fingerprints(second) == [kept]
