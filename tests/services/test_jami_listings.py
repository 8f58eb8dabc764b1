"""What the listings print: the texts of the Guix manual, the same for programs, and records that recutils reads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from jami import FRIEND, STRANGER, Archive, change_details, fingerprints, seen
from support import Daemon

_HOSTILE = {
    "newline": "two\nlines",
    "blank line": "one\n\nthree",
    "record": "x\n\n%rec: Evil\n\nAccount_username: 0",
    "backslash": "ends in \\",
    "backslashes": "first \\\nsecond \\\\",
    "type": "%rec: Other",
    "comment": "# no comment",
    "plus": "+ more",
    "colon": "Account_enable: false",
    "empty": "",
    "blanks": "  around  ",
    "UTF-8": "Zoë 🐑 羊",
    "carriage return": "one\rtwo",
    "long": "ä" * 32768,
}


def _blocks(daemon: Daemon, blocks: dict[str, str]) -> str:
    """The blocks of the accounts, by fingerprint, in jamid's order."""
    return "".join(blocks.get(fingerprint, "") for fingerprint in fingerprints(daemon))


def _piped(daemon: Daemon, *command: str) -> str:
    listed = daemon.herd("list-account-details", "jami")
    assert listed.returncode == 0
    done = subprocess.run(command, input=listed.stdout, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def renamed(provisioned: Daemon, archives: dict[str, Archive], request: pytest.FixtureRequest) -> Iterator[str]:
    """An account whose display name is a hostile one for the time of the test."""
    account = archives["own"].fingerprint
    name = _HOSTILE[request.param]
    change_details(provisioned, account, displayName=name)
    assert seen(provisioned, account).details["Account.displayName"] == name
    yield name
    change_details(provisioned, account, displayName="own")


def test_list_accounts(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    lines = {each.fingerprint: f"  - {each.fingerprint} ({each.name})\n" for each in archives.values()}
    resting = archives["resting"].fingerprint
    lines[resting] = f"  - {resting} (resting) [disabled]\n"
    expected = f"The following Jami accounts are available:\n{_blocks(provisioned, lines)}\n"
    assert provisioned.herd("list-accounts", "jami").stdout == expected


def test_list_contacts(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    contacts = {"dummy": sorted([STRANGER, FRIEND]), "own": [FRIEND]}
    blocks = {}
    for archive in archives.values():
        items = "".join(f"  - {each}\n" for each in contacts.get(archive.name, []))
        blocks[archive.fingerprint] = f"Contacts for account {archive.fingerprint}:\n{items}\n"
    assert provisioned.herd("list-contacts", "jami").stdout == _blocks(provisioned, blocks)


def test_list_moderators(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    dummy, other, own, resting = (archives[name].fingerprint for name in ("dummy", "other", "own", "resting"))
    blocks = {
        dummy: f"Moderators for account {dummy}:\n  - {FRIEND}\n\n",
        other: f"Moderators for account {other}:\n\n",
        own: f"Anyone can moderate for account {own}\n\n",
        resting: f"Anyone can moderate for account {resting}\n\n",
    }
    assert provisioned.herd("list-moderators", "jami").stdout == _blocks(provisioned, blocks)


def test_list_banned_contacts_says_nothing_of_accounts_without_bans(provisioned: Daemon) -> None:
    done = provisioned.herd("list-banned-contacts", "jami")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_same_for_programs(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    def asked(action: str) -> dict[str, dict[str, object]]:
        answer = json.loads(provisioned.herd("--json", action, "jami").stdout)
        return {each.get("fingerprint") or each["Account.username"]: each for each in answer["accounts"]}

    dummy, other, own = (archives[name].fingerprint for name in ("dummy", "other", "own"))
    assert asked("list-accounts")[dummy] == {
        "fingerprint": dummy, "registeredName": "", "displayName": "dummy", "alias": "", "enabled": True,
    }  # fmt: skip
    assert asked("list-accounts")[archives["resting"].fingerprint]["enabled"] is False
    assert asked("list-contacts")[dummy]["contacts"] == sorted([STRANGER, FRIEND])
    assert asked("list-banned-contacts") == {}
    moderators = asked("list-moderators")
    assert (moderators[dummy]["anyone"], moderators[dummy]["moderators"]) == (False, [FRIEND])
    assert (moderators[other]["anyone"], moderators[other]["moderators"]) == (False, [])
    assert moderators[own]["anyone"] is True
    assert asked("list-account-details")[own]["Account.rendezVous"] == "true"


def test_details_hold_all_that_jamid_says(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    answer = json.loads(provisioned.herd("--json", "list-account-details", "jami").stdout)
    told = {each["Account.username"]: each for each in answer["accounts"]}
    for name in ("dummy", "other", "own", "resting"):
        fingerprint = archives[name].fingerprint
        assert told[fingerprint] == seen(provisioned, fingerprint).details


def test_the_manuals_pipeline_finds_the_rendezvous_points(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    found = _piped(provisioned, "recsel", "-p", "Account.username", "-e", 'Account.rendezVous ~ "true"')
    points = [archives[name].fingerprint for name in ("dummy", "own")]
    assert sorted(found.split()) == sorted(["Account_username:", "Account_username:", *points])


@pytest.mark.parametrize("renamed", _HOSTILE, indirect=True)
def test_no_name_breaks_the_records(provisioned: Daemon, archives: dict[str, Archive], renamed: str) -> None:
    _piped(provisioned, "recfix", "--check")
    assert _piped(provisioned, "recsel", "-c") == "4\n"
    account = archives["own"].fingerprint
    found = _piped(provisioned, "recsel", "-P", "Account_displayName", "-e", f'Account_username = "{account}"')
    # A blank behind a backslash at the end of a line is the price of the format; so is a carriage return.
    expected = "\n".join(
        f"{line} " if line.endswith("\\") else line for line in renamed.replace("\r", "\n").split("\n")
    )
    assert found.rstrip("\n") == expected.rstrip("\n")


@pytest.mark.parametrize("renamed", ["newline", "record", "carriage return", "long"], indirect=True)
def test_no_name_breaks_the_list_of_accounts(provisioned: Daemon, renamed: str) -> None:
    lines = provisioned.herd("list-accounts", "jami").stdout.splitlines()
    assert len(lines) == 6
    assert any(f"({' '.join(renamed.split())})" in line for line in lines)


def test_arguments_are_completed_by_what_is_listed(provisioned: Daemon, archives: dict[str, Archive]) -> None:
    def offered(*words: str) -> dict[str, str]:
        answer = provisioned.call("Complete", words=[*words, ""])["parameters"]
        return {each["word"]: each["note"] for each in answer["candidates"]}

    accounts = {each.fingerprint: each.name for each in archives.values() if each.name != "secret"}
    assert offered("enable-account", "jami") == accounts
    assert offered("ban-contact", "jami").keys() == {STRANGER, FRIEND}
    assert offered("ban-contact", "jami", FRIEND) == accounts
    assert offered("remove-moderator", "jami").keys() == {FRIEND}
    assert offered("unban-contact", "jami") == {}
    assert offered("hang-up", "jami") == {}
