"""What is decided lasts, is told with its author, and ends on its time."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jami import FRIEND, STRANGER, Archive, restore, seen, table
from support import PATIENCE, Daemon, as_peer, herdd, short_directory

_THIRD = "f" * 40


@pytest.fixture
def dummy(archives: dict[str, Archive]) -> str:
    """A fingerprint."""
    return archives["dummy"].fingerprint


@pytest.fixture
def other(archives: dict[str, Archive]) -> str:
    """Another."""
    return archives["other"].fingerprint


@pytest.fixture(scope="module")
def shared(archives: dict[str, Archive]) -> Iterator[Daemon]:
    """A daemon with two accounts."""
    with herdd(_table(archives)) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: Daemon, dummy: str) -> Iterator[Daemon]:
    """The same; what a test did to the accounts is undone, and forgotten."""
    shared.until_status("jami", "running")
    yield shared
    restore(shared, dummy)


def _table(archives: dict[str, Archive], **keys: Any) -> str:
    """`dummy` declared with these keys, and `other` as it is."""
    return table({"archive": archives["dummy"].path, **keys}, {"archive": archives["other"].path})


def _done(daemon: Daemon, *words: str) -> str:
    done = daemon.herd(*words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _refused(daemon: Daemon, *words: str) -> str:
    done = daemon.herd(*words)
    assert (done.returncode, done.stdout) == (1, ""), done
    return done.stderr.removeprefix("herd: ").rstrip("\n")


def _json(daemon: Daemon, *words: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(_done(daemon, "--json", *words))
    return result


def _banned(daemon: Daemon, fingerprint: str) -> set[str]:
    return set(seen(daemon, fingerprint).banned)


def _moderators(daemon: Daemon, fingerprint: str) -> set[str]:
    return set(seen(daemon, fingerprint).moderators)


def _contacts(daemon: Daemon, fingerprint: str) -> set[str]:
    return set(seen(daemon, fingerprint).contacts)


def _until_seen(daemon: Daemon, fingerprint: str, what: str, expected: set[str]) -> None:
    """jamid tells nobody of all that changes, so it is asked until it is so."""
    end = time.monotonic() + PATIENCE
    while getattr(seen(daemon, fingerprint), what) != expected:
        assert time.monotonic() < end, seen(daemon, fingerprint)


# Kept.


def test_the_sequence_of_the_guix_system_test_lasts(daemon: Daemon, dummy: str, other: str) -> None:
    """Provision, list, add-moderator, global ban, ban for one account, disable, enable: gnu/tests/telephony.scm."""
    assert dummy in _done(daemon, "list-accounts", "jami")
    assert f"Account_username: {dummy}" in _done(daemon, "list-account-details", "jami")
    _done(daemon, "add-moderator", "jami", FRIEND, dummy)
    _done(daemon, "ban-contact", "jami", STRANGER)
    _done(daemon, "ban-contact", "jami", _THIRD, other)
    _done(daemon, "disable-account", "jami", other)
    assert f"{other} (other) [disabled]" in _done(daemon, "list-accounts", "jami")
    _done(daemon, "enable-account", "jami", other)
    for again in ("jami", "jami-dbus-session", "root"):
        assert _moderators(daemon, dummy) == {FRIEND}
        assert (_banned(daemon, dummy), _banned(daemon, other)) == ({STRANGER}, {STRANGER, _THIRD})
        if again != "root":
            assert daemon.herd("restart", again).returncode == 0


def test_bans_and_moderators_outlive_herdd(archives: dict[str, Archive], dummy: str) -> None:
    with short_directory() as directory:
        with herdd(_table(archives), directory=directory) as daemon:
            daemon.until_status("jami", "running")
            _done(daemon, "ban-contact", "jami", STRANGER, dummy, "--reason", "shouts")
            _done(daemon, "add-moderator", "jami", FRIEND, dummy)
        with herdd(_table(archives), directory=directory) as daemon:
            daemon.until_status("jami", "running")
            assert (_banned(daemon, dummy), _moderators(daemon, dummy)) == ({STRANGER}, {FRIEND})
            assert ": shouts" in _done(daemon, "history", "jami", STRANGER)


@pytest.mark.parametrize("victim", ["herdd", "jami", "jami-dbus-session"])
def test_what_was_told_survives_a_kill(archives: dict[str, Archive], dummy: str, other: str, victim: str) -> None:
    with short_directory() as directory:
        with herdd(_table(archives), directory=directory, ends=victim != "herdd") as daemon:
            daemon.until_status("jami", "running")
            _done(daemon, "ban-contact", "jami", STRANGER)
            old = daemon.status("jami")["mainPid"]
            if victim == "herdd":
                daemon.end(signal.SIGKILL)
            else:
                subprocess.run(["kill", "-9", str(daemon.status(victim)["mainPid"])], check=True)
                daemon.until("jami", lambda facts: facts["status"] == "running" and facts["mainPid"] != old)
                assert _banned(daemon, dummy) == _banned(daemon, other) == {STRANGER}
        with herdd(_table(archives), directory=directory) as daemon:
            daemon.until_status("jami", "running")
            assert _banned(daemon, dummy) == _banned(daemon, other) == {STRANGER}


# The way back.


def test_a_ban_is_lifted_where_it_is(daemon: Daemon, dummy: str, other: str) -> None:
    _done(daemon, "ban-contact", "jami", STRANGER)
    told = _done(daemon, "unban-contact", "jami", STRANGER, dummy)
    assert told == f"{STRANGER} is no longer banned from account {dummy}.\n"
    assert (_banned(daemon, dummy), _banned(daemon, other)) == (set(), {STRANGER})
    assert _done(daemon, "unban-contact", "jami", STRANGER).count("no longer") == 1
    assert daemon.herd("restart", "jami").returncode == 0
    assert _banned(daemon, dummy) == _banned(daemon, other) == set()
    assert _refused(daemon, "unban-contact", "jami", STRANGER) == (
        f"cannot unban {STRANGER}: it is not banned from any account; see: herd list-banned-contacts jami"
    )


def test_moderation_that_was_lost_with_a_ban_does_not_come_back(daemon: Daemon, dummy: str) -> None:
    for moderator in (FRIEND, STRANGER):
        _done(daemon, "add-moderator", "jami", moderator, dummy)
    _done(daemon, "ban-contact", "jami", STRANGER)
    assert _moderators(daemon, dummy) == {FRIEND}
    assert "it is banned from account" in _refused(daemon, "add-moderator", "jami", STRANGER, dummy)
    assert "it is banned from account" in _refused(daemon, "add-contact", "jami", STRANGER, dummy)
    _done(daemon, "unban-contact", "jami", STRANGER)
    assert daemon.herd("restart", "jami").returncode == 0
    assert _moderators(daemon, dummy) == {FRIEND}


def test_the_last_moderator_stays_unless_forced(daemon: Daemon, dummy: str) -> None:
    assert _refused(daemon, "remove-moderator", "jami", FRIEND, dummy).endswith(
        f"anyone can moderate for account {dummy}; name one first: herd add-moderator jami CONTACT {dummy}"
    )
    _done(daemon, "add-moderator", "jami", FRIEND, dummy)
    assert "it is none of account" in _refused(daemon, "remove-moderator", "jami", STRANGER, dummy)
    assert _refused(daemon, "remove-moderator", "jami", FRIEND, dummy) == (
        f"cannot remove the moderator {FRIEND}: it is the last one of account {dummy}; "
        "add another first, or say --force"
    )
    assert _moderators(daemon, dummy) == {FRIEND}
    told = _done(daemon, "remove-moderator", "jami", FRIEND, dummy, "--force")
    assert told == f"{FRIEND} is no longer a moderator for account {dummy}.\n"
    assert daemon.herd("restart", "jami").returncode == 0
    assert (_moderators(daemon, dummy), seen(daemon, dummy).anyone_moderates) == (set(), False)


def test_contacts_are_added_and_removed_for_good(daemon: Daemon, dummy: str) -> None:
    _done(daemon, "add-contact", "jami", FRIEND, dummy)
    assert _contacts(daemon, dummy) == {FRIEND}
    assert daemon.herd("restart", "jami").returncode == 0
    assert _contacts(daemon, dummy) == {FRIEND}
    told = _done(daemon, "remove-contact", "jami", FRIEND, dummy)
    assert told == f"{FRIEND} is no longer a contact of account {dummy}.\n"
    assert "it is none of account" in _refused(daemon, "remove-contact", "jami", FRIEND, dummy)
    assert (_contacts(daemon, dummy), _banned(daemon, dummy)) == (set(), set())


# Time.


def test_a_ban_ends_on_its_time(daemon: Daemon, dummy: str) -> None:
    begun = time.time()
    told = _done(daemon, "ban-contact", "jami", STRANGER, dummy, "--for", "3s")
    assert re.fullmatch(rf"{STRANGER} is banned from account {dummy} until [0-9: -]+\.\n", told)
    assert _banned(daemon, dummy) == {STRANGER}
    _until_seen(daemon, dummy, "banned", set())
    assert time.time() >= begun + 3
    assert f"herdd unbanned {STRANGER} from account {dummy}: its time was up" in _done(daemon, "history", "jami")


def test_a_ban_ends_though_herdd_did_not_run_then(archives: dict[str, Archive], dummy: str) -> None:
    with short_directory() as directory:
        with herdd(_table(archives), directory=directory, ends=False) as daemon:
            daemon.until_status("jami", "running")
            _done(daemon, "ban-contact", "jami", STRANGER, dummy, "--for", "1s")
            end = time.time() + 1
            daemon.end(signal.SIGKILL)
        while time.time() < end:
            pass
        with herdd(_table(archives), directory=directory) as daemon:
            daemon.until_status("jami", "running")
            assert _banned(daemon, dummy) == set()


# The declaration.


def test_a_declared_moderator_who_was_removed_stays_removed_until_the_list_changes(
    archives: dict[str, Archive], dummy: str
) -> None:
    with herdd(_table(archives, moderators=[FRIEND, STRANGER])) as daemon:
        daemon.until_status("jami", "running")
        _done(daemon, "remove-moderator", "jami", STRANGER, dummy)
        _done(daemon, "add-moderator", "jami", _THIRD, dummy)
        assert daemon.herd("restart", "jami").returncode == 0
        assert _moderators(daemon, dummy) == {FRIEND, _THIRD}
        line = f"{STRANGER}, declared a moderator of account {dummy}, was removed by root at "
        daemon.until("jami", lambda facts: f"account.{dummy}.moderator.{STRANGER}" in facts["notes"])
        assert line in daemon.herd("status", "jami").stdout
        daemon.config.write_text(_table(archives, moderators=[FRIEND, STRANGER, "a" * 40]))
        assert daemon.herd("reload", "root").returncode == 0
        assert _moderators(daemon, dummy) == {FRIEND, STRANGER, "a" * 40, _THIRD}
        assert line not in daemon.herd("status", "jami").stdout


def test_a_declared_contact_who_is_banned_stays_banned(archives: dict[str, Archive], dummy: str) -> None:
    with herdd(_table(archives, allowed_contacts=[FRIEND, STRANGER])) as daemon:
        daemon.until_status("jami", "running")
        _done(daemon, "ban-contact", "jami", STRANGER, dummy)
        daemon.config.write_text(_table(archives, allowed_contacts=[STRANGER]))
        assert daemon.herd("reload", "root").returncode == 0
        assert (_banned(daemon, dummy), _contacts(daemon, dummy)) == ({STRANGER}, set())
        line = f"{STRANGER}, declared a contact of account {dummy}, was banned by root"
        assert line in daemon.herd("status", "jami").stdout
        if os.geteuid() == 0:
            _unseen_by_observers(daemon, STRANGER)
        _done(daemon, "unban-contact", "jami", STRANGER)
        _until_seen(daemon, dummy, "contacts", {STRANGER})


def _unseen_by_observers(daemon: Daemon, person: str) -> None:
    daemon.config.write_text(f"{daemon.config.read_text()}[access]\nobserver = [65534]\n")
    assert daemon.herd("reload", "root").returncode == 0
    assert person in str(daemon.call("Status"))
    for words in (("status", "jami"), ("--json", "status", "jami"), ("--json", "status"), ("why", "jami")):
        done = daemon.herd(*words, user=65534)
        assert (done.returncode, person in done.stdout) == (0, False), done
    with as_peer(65534):
        wire = daemon.wire()
    with wire:
        reply = wire.call("Status", service="jami")
        assert (len(reply["parameters"]["services"]), person in str(reply)) == (1, False)
        wire.send("Watch", more=True, service="jami")
        reply = wire.receive() or {}
        assert (reply["parameters"]["service"]["name"], person in str(reply)) == ("jami", False)


# Told.


def test_who_banned_whom_is_told_as_records_and_as_json(daemon: Daemon, dummy: str, tmp_path: Path) -> None:
    _done(daemon, "ban-contact", "jami", STRANGER, dummy, "--reason", "shouts\nand \\", "--for", "7d")
    _done(daemon, "ban-contact", "jami", FRIEND, dummy)
    assert _done(daemon, "list-banned-contacts", "jami") == (
        f"Banned contacts for account {dummy}:\n  - {STRANGER}\n  - {FRIEND}\n\n"
    )
    (account,) = _json(daemon, "list-banned-contacts", "jami")["accounts"]
    first, second = account["bans"]
    assert (first["contact"], first["author"], first["reason"]) == (STRANGER, "root", "shouts\nand \\")
    assert first["untilUSec"] - first["sinceUSec"] == pytest.approx(7 * 86400e6, abs=1e6)
    assert (second["contact"], second["reason"], second["untilUSec"]) == (FRIEND, None, None)
    records = tmp_path / "bans.rec"
    for action in (("list-banned-contacts", "jami", "--records"), ("export-bans", "jami")):
        records.write_text(_done(daemon, *action))
        subprocess.run(["recfix", "--check", str(records)], check=True)
        found = subprocess.run(
            ["recsel", "-t", "Ban", "-e", "#Until && Until >> '2026-01-01'", "-P", "Contact", str(records)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert found.stdout.strip() == STRANGER


def test_the_history_tells_all_and_what_is_asked_for(daemon: Daemon, dummy: str, other: str) -> None:
    _done(daemon, "ban-contact", "jami", STRANGER, "--reason", "spam")
    _done(daemon, "add-moderator", "jami", FRIEND, other)
    _done(daemon, "unban-contact", "jami", STRANGER, dummy)
    lines = [line.split(" ", 2)[2] for line in _done(daemon, "history", "jami").splitlines()]
    assert sorted(lines[:2]) == sorted(f"root banned {STRANGER} from account {each}: spam" for each in (dummy, other))
    assert lines[2:] == [
        f"root made {FRIEND} a moderator for account {other}",
        f"root unbanned {STRANGER} from account {dummy}",
    ]
    assert _done(daemon, "history", "jami", FRIEND).count("\n") == 1
    assert _done(daemon, "history", "jami", dummy.upper()).count("\n") == 2
    assert _refused(daemon, "history", "jami", _THIRD).startswith(f"cannot find {_THIRD} in the ledger; ")


# Files.


def test_exported_bans_are_imported_elsewhere(daemon: Daemon, archives: dict[str, Archive], dummy: str) -> None:
    _done(daemon, "ban-contact", "jami", STRANGER, "--reason", "shouts\n\nloud", "--for", "7d")
    _done(daemon, "ban-contact", "jami", FRIEND, dummy)
    file = daemon.directory / "bans"
    file.write_text(_done(daemon, "export-bans", "jami"))
    with herdd(_table(archives)) as elsewhere:
        elsewhere.until_status("jami", "running")
        _done(elsewhere, "ban-contact", "jami", FRIEND, dummy)
        told = _done(elsewhere, "import-bans", "jami", str(file), "--dry-run")
        assert (told.count(" would be banned "), _banned(elsewhere, dummy)) == (2, {FRIEND})
        told = _done(elsewhere, "import-bans", "jami", str(file))
        assert told.endswith("\n1 ban of the file is in force already.\n")
        assert told.count(f"{STRANGER} is banned from account ") == 2
        here, there = (
            {
                (account["fingerprint"], ban["contact"], ban["reason"], (ban["untilUSec"] or 0) // 10**6)
                for account in _json(each, "list-banned-contacts", "jami")["accounts"]
                for ban in account["bans"]
            }
            for each in (daemon, elsewhere)
        )
        assert here == there
        assert elsewhere.herd("restart", "jami").returncode == 0
        assert _banned(elsewhere, dummy) == {STRANGER, FRIEND}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            f"Contact: {STRANGER}\n\nContact: 12\n\nName: x\n",
            "line 3: its Contact is '12'.*\n.*line 5: its Contact is ''",
        ),
        (f"Contact: {STRANGER}\nAccount: {_THIRD}\n", f"there is no account {_THIRD}"),
        (f"Contact: {STRANGER}\nUntil: tomorrow\n", "its Until is 'tomorrow', and a moment is written"),
        (f"Contact: {STRANGER}\n\nDUMMY\n", "line 3 is no field"),
        (f"Contact: {STRANGER}\n\nContact: DUMMY\n", "it is an account of this host"),
    ],
)
def test_a_file_with_a_mistake_bans_nobody(daemon: Daemon, dummy: str, other: str, content: str, said: str) -> None:
    file = daemon.directory / "bans"
    file.write_text(content.replace("DUMMY", dummy))
    for options in ((), ("--dry-run",)):
        assert re.search(said, _refused(daemon, "import-bans", "jami", str(file), *options))
    assert _banned(daemon, dummy) == _banned(daemon, other) == set()
    assert _done(daemon, "history", "jami") == ""


def test_a_file_that_cannot_be_read_is_said(daemon: Daemon) -> None:
    missing = daemon.directory / "nothing"
    assert _refused(daemon, "import-bans", "jami", str(missing)).startswith(
        f"cannot read {missing}: No such file or directory"
    )
    missing.write_bytes(b"Contact: \xff\n")
    assert "it is no text in UTF-8" in _refused(daemon, "import-bans", "jami", str(missing))


# Options.


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ban-contact", "jami", STRANGER, "--for", "soon"], "cannot take --for: 'soon' is no duration"),
        (["ban-contact", "jami", STRANGER, "--for"], "--for needs a value; it is used as: herd ban-contact jami"),
        (["ban-contact", "jami", STRANGER, "--reason", "x" * 501], "it has more than 500 characters"),
        (["ban-contact", "jami", STRANGER, "--reasn", "x"], "--reasn is unknown; did you mean --reason?"),
        (["unban-contact", "jami"], "an argument is missing; it is used as: herd unban-contact jami CONTACT"),
    ],
)
def test_a_wrong_option_changes_nothing(daemon: Daemon, dummy: str, words: list[str], said: str) -> None:
    done = daemon.herd(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert _banned(daemon, dummy) == set()
    assert _done(daemon, "history", "jami") == ""
