"""Accounts made, exported, compared and removed by actions."""

from __future__ import annotations

import gzip
import json
import os
import pwd
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator
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
    change_details,
    devices,
    fingerprints,
    left_of_accounts,
    needs_root,
    secret_account,
    seen,
    table,
)
from support import Daemon, herdd, short_directory


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Where the daemon of this module is, and files are written."""
    with short_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def shared(archives: dict[str, Archive], place: Path) -> Iterator[Daemon]:
    """A daemon with a plain and an encrypted account declared."""
    password = place / "password"
    password.write_text("correct horse\n")
    password.chmod(0o600)
    config = table({"archive": archives["dummy"].path}, secret_account(archives["secret"], password))
    with herdd(f"[access]\nmoderator = [65534]\n{config}", directory=place) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: Daemon) -> Daemon:
    """The same, running."""
    shared.until_status("jami", "running")
    return shared


@pytest.fixture
def home(place: Path) -> Iterator[Path]:
    """A directory of this test's."""
    path = place / "home"
    path.mkdir()
    yield path
    subprocess.run(["rm", "-r", path], check=True)


def _done(daemon: Daemon, *words: str, **keys: Any) -> str:
    done = daemon.herd(*words, **keys)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _refused(daemon: Daemon, *words: str, status: int = 1) -> str:
    done = daemon.herd(*words)
    assert (done.returncode, done.stdout) == (status, ""), done
    assert done.stderr.startswith("herd: cannot ")
    return done.stderr


def _private(daemon: Daemon) -> list[Path]:
    return list((daemon.services_dir / "jami" / "archives").iterdir())


def test_an_account_is_made_and_removed(daemon: Daemon) -> None:
    before = fingerprints(daemon)
    told = _done(daemon, "create-account", "jami", "--display-name", "Réunion du lundi")
    made = told.rstrip("\n")
    assert set(fingerprints(daemon)) == {*before, made}
    assert seen(daemon, made).details[calls.DISPLAY_NAME] == "Réunion du lundi"
    assert f"  - {made} (Réunion du lundi)\n" in _done(daemon, "list-accounts", "jami")
    refused = _refused(daemon, "remove-account", "jami", made)
    assert "nobody else has its keys; export it first: " in refused
    _done(daemon, "ban-contact", "jami", STRANGER, made)
    assert _done(daemon, "remove-account", "jami", made, "--force") == f"Account {made} was removed.\n"
    assert set(fingerprints(daemon)) == set(before)
    # What was decided of it stays, as history.
    assert f"banned {STRANGER} from account {made}" in _done(daemon, "history", "jami", made)


def test_accounts_are_made_one_at_a_time_and_last(daemon: Daemon) -> None:
    before = devices(daemon)
    answers: list[dict[str, Any]] = []

    def make() -> None:
        answers.append(daemon.call("Perform", action="create-account", service="jami", arguments=[]))

    # As many at once make jamid stand still.
    threads = [threading.Thread(target=make) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = {answer["parameters"]["result"]["account"] for answer in answers}
    assert len(made) == 5
    after = devices(daemon)
    assert after.keys() == {*before, *made}
    assert daemon.herd("restart", "jami").returncode == 0
    assert devices(daemon) == after
    for each in made:
        _done(daemon, "remove-account", "jami", each, "--force")


def test_whoever_is_killed_while_an_account_is_made_leaves_none(daemon: Daemon) -> None:
    before, pid = devices(daemon), daemon.status("jami")["mainPid"]
    with daemon.wire() as wire:
        at_first_account(
            daemon,
            lambda: wire.send("Perform", action="create-account", service="jami", arguments=[]),
            lambda: os.kill(pid, signal.SIGKILL),
        )
        answer = wire.receive()
    assert answer is not None
    assert answer["error"] == "org.herdctl.Supervisor.CannotDo"
    daemon.until("jami", lambda facts: facts["status"] == "running" and facts["mainPid"] != pid)
    assert devices(daemon) == before
    assert len(left_of_accounts(daemon)) == len(before)


@pytest.mark.parametrize("name", ["a" * 101, "two\nlines", "\x1b[31m"], ids=["long", "lines", "escape"])
def test_a_name_that_is_none_makes_no_account(daemon: Daemon, name: str) -> None:
    before = fingerprints(daemon)
    assert "cannot call an account" in _refused(daemon, "create-account", "jami", "--display-name", name, status=2)
    assert fingerprints(daemon) == before


def test_an_export_is_an_archive_that_can_be_declared(daemon: Daemon, archives: dict[str, Archive], home: Path) -> None:
    dummy, file = archives["dummy"], home / "archive.gz"
    told = _done(daemon, "export-account", "jami", dummy.fingerprint, str(file))
    assert told == f"Account {dummy.fingerprint} was exported to {file}.\n"
    content = json.loads(gzip.decompress(file.read_bytes()))
    assert content["Account.username"] == dummy.fingerprint
    about = file.stat()
    assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (os.geteuid(), 0o600)
    assert _private(daemon) == []
    with herdd(table({"archive": file})) as other:
        assert other.until_status("jami", "running")["warnings"] == []
        assert devices(other).keys() == {dummy.fingerprint}


def test_what_was_exported_may_be_removed(daemon: Daemon, home: Path) -> None:
    made = _done(daemon, "create-account", "jami").strip()
    _done(daemon, "export-account", "jami", made, str(home / "made.gz"))
    _done(daemon, "remove-account", "jami", made)
    assert made not in fingerprints(daemon)


def test_what_is_declared_is_not_removed(daemon: Daemon, archives: dict[str, Archive]) -> None:
    for name in ("dummy", "secret"):
        owner = archives[name].fingerprint
        refused = _refused(daemon, "remove-account", "jami", owner, "--force")
        assert refused == (
            f"herd: cannot remove account {owner}: it is declared in herd.toml; remove its [[jami.account]] first\n"
        )
        assert owner in fingerprints(daemon)
    assert "cannot find an account" in _refused(daemon, "remove-account", "jami", "0" * 40)


def test_an_encrypted_account_is_exported_with_its_password_alone(
    daemon: Daemon, archives: dict[str, Archive], place: Path, home: Path
) -> None:
    owner, file = archives["secret"].fingerprint, home / "secret.gz"
    export = ("export-account", "jami", owner, str(file))
    assert "it has a password; name a file that holds it" in _refused(daemon, *export)
    (home / "wrong").write_text("another\n")
    assert "the password is not the account's" in _refused(daemon, *export, "--password-file", str(home / "wrong"))
    (home / "empty").write_text("\n")
    assert "its first line is empty" in _refused(daemon, *export, "--password-file", str(home / "empty"))
    assert "cannot read" in _refused(daemon, *export, "--password-file", str(home / "missing"))
    assert not file.exists()
    _done(daemon, *export, "--password-file", str(place / "password"))
    assert file.read_bytes()
    assert not file.read_bytes().startswith(b"\x1f\x8b")
    plain = ("export-account", "jami", archives["dummy"].fingerprint, str(home / "plain.gz"))
    assert "it has none" in _refused(daemon, *plain, "--password-file", str(place / "password"))
    assert _private(daemon) == []


def test_no_export_writes_over_or_through_anything(daemon: Daemon, archives: dict[str, Archive], home: Path) -> None:
    owner = archives["dummy"].fingerprint
    (home / "precious").write_text("precious")
    (home / "link").symlink_to("precious")
    (home / "dangling").symlink_to("elsewhere")
    (home / "directory").mkdir()
    for name in ("precious", "link", "dangling", "directory", "nowhere/archive.gz", "", "x" * 300):
        assert "cannot write" in _refused(daemon, "export-account", "jami", owner, str(home / name))
    assert (home / "precious").read_text() == "precious"
    assert {each.name for each in home.iterdir()} == {"precious", "link", "dangling", "directory"}
    for name in ("two\nlines", "--option", "`id`;$(id)", "-"):
        _done(daemon, "export-account", "jami", owner, str(home / name))
        assert (home / name).stat().st_size
    assert _private(daemon) == []


@needs_root
def test_jamis_user_cannot_lead_an_export_elsewhere(daemon: Daemon, archives: dict[str, Archive], home: Path) -> None:
    owner, jami = archives["dummy"].fingerprint, pwd.getpwnam("jami")
    (home / "precious").write_text("precious")
    copy = daemon.services_dir / "jami" / "archives" / f"{owner}.export"
    copy.symlink_to(home / "precious")
    os.lchown(copy, jami.pw_uid, jami.pw_gid)
    _done(daemon, "export-account", "jami", owner, str(home / "archive.gz"))
    assert json.loads(gzip.decompress((home / "archive.gz").read_bytes()))["Account.username"] == owner
    assert (home / "precious").read_text() == "precious"


def _diff(daemon: Daemon, *words: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(_done(daemon, "--json", "account-diff", "jami", *words))
    return result


_NOTHING: dict[str, Any] = {"accounts": [], "notLoaded": [], "notDeclared": []}


def test_without_differences_that_is_said(daemon: Daemon) -> None:
    assert _done(daemon, "account-diff", "jami") == "Every account is as herd.toml and its archive say.\n"
    assert _diff(daemon) == _NOTHING


def test_what_differs_from_the_archive_is_told(daemon: Daemon, archives: dict[str, Archive]) -> None:
    dummy = archives["dummy"]
    owner = dummy.fingerprint
    change_details(daemon, owner, displayName="another", rendezVous="true")
    try:
        _done(daemon, "ban-contact", "jami", STRANGER, owner)
        _done(daemon, "add-moderator", "jami", FRIEND, owner)
        _done(daemon, "add-contact", "jami", FRIEND, owner)
        told = _done(daemon, "account-diff", "jami", owner.upper())
        lines = [
            "Account.displayName is another, and dummy in the archive",
            "Account.rendezVous is true, and false in the archive",
            f"contact {FRIEND} is there, and not in the archive",
            f"ban {STRANGER} is there, and not in the archive",
            f"moderator {FRIEND} is there, and not in the archive",
            "only who is named moderates, and anyone in the archive",
        ]
        items = "".join(f"  - {line}\n" for line in lines)
        assert told == f"Account {owner} (another) of {dummy.path}:\n{items}\n"
        (account,) = _diff(daemon)["accounts"]
        assert (account["fingerprint"], account["archive"]) == (owner, str(dummy.path))
        first = {"what": "detail", "name": "Account.displayName", "expected": "dummy", "live": "another"}
        assert account["differences"][0] == {**first, "of": "archive"}
        assert len(account["differences"]) == len(lines)
        # Of another account nothing is told.
        assert _diff(daemon, archives["secret"].fingerprint) == _NOTHING
    finally:
        change_details(daemon, owner, displayName="dummy", rendezVous="false")
        _done(daemon, "unban-contact", "jami", STRANGER, owner)
        _done(daemon, "remove-contact", "jami", FRIEND, owner)
        _done(daemon, "remove-moderator", "jami", FRIEND, owner, "--force")

        async def undo(jami: Jami) -> None:
            await jami.let_anyone_moderate(await account_id(jami, owner), state=True)

        ask(daemon, undo)


def test_declarations_and_accounts_without_their_counterpart_are_named(
    archives: dict[str, Archive], home: Path
) -> None:
    dummy, missing = archives["dummy"], home / "missing.gz"
    archive = home / "dummy.gz"
    archive.write_bytes(dummy.path.read_bytes())
    keys: dict[str, Any] = {"rendezvous_point": True, "allowed_contacts": [FRIEND], "moderators": [FRIEND]}
    with herdd(table({"archive": archive, **keys}, {"archive": missing})) as daemon:
        daemon.until_status("jami", "running")
        made = _done(daemon, "create-account", "jami", "--display-name", "by hand").strip()
        assert _diff(daemon) == {
            "accounts": [],
            "notLoaded": [
                {
                    "archive": str(missing),
                    "reason": f"cannot read the archive {missing}: No such file or directory; "
                    "correct its path or its owner",
                }
            ],
            "notDeclared": [{"fingerprint": made}],
        }
        told = _done(daemon, "account-diff", "jami")
        assert f"The account of {missing} is not loaded: cannot read the archive" in told
        assert told.endswith(f"Account {made} (by hand) is not declared in herd.toml.\n")
        _done(daemon, "remove-moderator", "jami", FRIEND, dummy.fingerprint, "--force")
        _done(daemon, "remove-contact", "jami", FRIEND, dummy.fingerprint)
        change_details(daemon, dummy.fingerprint, rendezVous="false")
        archive.write_bytes(gzip.compress(gzip.decompress(archive.read_bytes()), mtime=1))
        told = _done(daemon, "account-diff", "jami", dummy.fingerprint)
        for line in (
            "the archive is another than the account was imported from; the next start imports it",
            "Account.rendezVous is false, and true declared",
            f"contact {FRIEND} is declared, and not there",
            f"moderator {FRIEND} is declared, and not there",
        ):
            assert f"  - {line}\n" in told


def test_how_far_each_account_is_with_the_network_is_told_and_kept_up_to_date(
    daemon: Daemon, archives: dict[str, Archive]
) -> None:
    owner = archives["dummy"].fingerprint
    name = f"account.{owner}.registration"
    facts = daemon.until("jami", lambda facts: facts["notes"].get(name) in ("TRYING", "REGISTERED"))
    assert f"account.{archives['secret'].fingerprint}.registration" in facts["notes"]
    with daemon.wire() as wire:
        # A watcher is told, whatever asks for nothing.
        wire.send("Watch", more=True, service="jami")
        wire.receive()
        change_details(daemon, owner, enable="false")
        while True:
            answer = wire.receive()
            assert answer is not None
            if answer["parameters"]["service"]["notes"][name] == "UNREGISTERED":
                break
    assert f"  Account {owner} (dummy): disabled\n" in _done(daemon, "status", "jami")
    change_details(daemon, owner, enable="true")
    daemon.until("jami", lambda facts: facts["notes"][name] in ("TRYING", "REGISTERED"))
    made = _done(daemon, "create-account", "jami").strip()
    other = f"account.{made}.registration"
    daemon.until("jami", lambda facts: facts["notes"].get(other) in ("TRYING", "REGISTERED"))
    assert f"  Account {made}, not declared: " in _done(daemon, "status", "jami")
    _done(daemon, "remove-account", "jami", made, "--force")
    daemon.until("jami", lambda facts: other not in facts["notes"])


@needs_root
def test_moderators_make_and_export_none(daemon: Daemon, archives: dict[str, Archive]) -> None:
    owner = archives["dummy"].fingerprint
    for words in (
        ["create-account", "jami"],
        ["export-account", "jami", owner, "/tmp/never.gz"],
        ["remove-account", "jami", owner],
    ):
        done = daemon.herd(*words, user=65534)
        assert done.returncode == 6, done
    assert daemon.herd("account-diff", "jami", user=65534).returncode == 0
