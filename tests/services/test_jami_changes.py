"""The actions that change accounts: their words, what jamid has then, and that a wrong argument changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from jami import FRIEND, STRANGER, Archive, fingerprints, restore, seen, table
from support import Daemon, herdd

_UNKNOWN = "0" * 40


@pytest.fixture(scope="module")
def daemon(archives: dict[str, Archive]) -> Iterator[Daemon]:
    """A daemon of this module's own, with two accounts."""
    with herdd(table(*({"archive": archives[name].path} for name in ("dummy", "other")))) as daemon:
        daemon.until_status("jami", "running")
        yield daemon


@pytest.fixture
def dummy(archives: dict[str, Archive]) -> str:
    """A fingerprint."""
    return archives["dummy"].fingerprint


@pytest.fixture
def other(archives: dict[str, Archive]) -> str:
    """Another."""
    return archives["other"].fingerprint


@pytest.fixture(autouse=True)
def as_before(daemon: Daemon, dummy: str) -> Iterator[None]:
    """What a test did to the accounts is undone, and forgotten."""
    yield
    restore(daemon, dummy)


def _done(daemon: Daemon, *words: str) -> str:
    done = daemon.herd(*words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_ban_from_one_account(daemon: Daemon, dummy: str, other: str) -> None:
    assert _done(daemon, "ban-contact", "jami", STRANGER, dummy) == f"{STRANGER} is banned from account {dummy}.\n"
    assert seen(daemon, dummy).banned == {STRANGER}
    assert seen(daemon, other).banned == frozenset()
    expected = f"Banned contacts for account {dummy}:\n  - {STRANGER}\n\n"
    assert _done(daemon, "list-banned-contacts", "jami") == expected
    assert f"  - {STRANGER}" not in _done(daemon, "list-contacts", "jami")


def test_a_ban_from_all_accounts(daemon: Daemon, dummy: str, other: str) -> None:
    order = fingerprints(daemon)
    told = _done(daemon, "ban-contact", "jami", STRANGER)
    assert told == "".join(f"{STRANGER} is banned from account {each}.\n" for each in order)
    assert seen(daemon, dummy).banned == seen(daemon, other).banned == {STRANGER}
    blocks = [f"Banned contacts for account {each}:\n  - {STRANGER}\n\n" for each in order]
    assert _done(daemon, "list-banned-contacts", "jami") == "".join(blocks)


def test_to_ban_again_is_no_error(daemon: Daemon, dummy: str) -> None:
    for _ in range(2):
        _done(daemon, "ban-contact", "jami", STRANGER, dummy)
    assert seen(daemon, dummy).banned == {STRANGER}


def test_a_moderator_is_added_and_from_then_on_not_everybody_moderates(daemon: Daemon, dummy: str, other: str) -> None:
    told = _done(daemon, "add-moderator", "jami", STRANGER, dummy)
    assert told == f"{STRANGER} is a moderator for account {dummy}.\n"
    account = seen(daemon, dummy)
    assert account.moderators == {STRANGER}
    assert not account.anyone_moderates
    assert seen(daemon, other).anyone_moderates
    listed = _done(daemon, "list-moderators", "jami")
    assert f"Moderators for account {dummy}:\n  - {STRANGER}\n\n" in listed
    assert f"Anyone can moderate for account {other}\n\n" in listed


def test_whoever_is_banned_moderates_no_more(daemon: Daemon, dummy: str, other: str) -> None:
    for account in (dummy, other):
        _done(daemon, "add-moderator", "jami", STRANGER, account)
        _done(daemon, "add-moderator", "jami", FRIEND, account)
    _done(daemon, "ban-contact", "jami", STRANGER)
    for account in (dummy, other):
        assert seen(daemon, account).moderators == {FRIEND}
        assert not seen(daemon, account).anyone_moderates


def test_an_account_is_disabled_and_enabled(daemon: Daemon, dummy: str) -> None:
    before = seen(daemon, dummy)
    assert _done(daemon, "disable-account", "jami", dummy) == f"Account {dummy} is disabled.\n"
    assert seen(daemon, dummy).details == before.details | {"Account.enable": "false"}
    assert f"  - {dummy} (dummy) [disabled]\n" in _done(daemon, "list-accounts", "jami")
    # Done already: done.
    assert _done(daemon, "disable-account", "jami", dummy) == f"Account {dummy} is disabled.\n"
    assert _done(daemon, "enable-account", "jami", dummy) == f"Account {dummy} is enabled.\n"
    assert f"  - {dummy} (dummy)\n" in _done(daemon, "list-accounts", "jami")
    assert seen(daemon, dummy) == before


def test_fingerprints_are_taken_in_either_case(daemon: Daemon, dummy: str) -> None:
    assert _done(daemon, "disable-account", "jami", dummy.upper()) == f"Account {dummy} is disabled.\n"
    assert _done(daemon, "enable-account", "jami", dummy.upper()) == f"Account {dummy} is enabled.\n"
    _done(daemon, "add-moderator", "jami", STRANGER.upper(), dummy.upper())
    assert seen(daemon, dummy).moderators == {STRANGER}
    _done(daemon, "ban-contact", "jami", STRANGER.upper(), dummy.upper())
    assert seen(daemon, dummy).banned == {STRANGER}
    assert not seen(daemon, dummy).moderators


def test_the_same_for_programs(daemon: Daemon, dummy: str) -> None:
    def asked(*words: str) -> object:
        return json.loads(_done(daemon, "--json", *words))

    assert asked("ban-contact", "jami", STRANGER) == {"contact": STRANGER, "accounts": fingerprints(daemon)}
    assert asked("add-moderator", "jami", FRIEND, dummy) == {"account": dummy, "moderator": FRIEND}
    assert asked("disable-account", "jami", dummy) == {"account": dummy, "enabled": False}
    assert asked("enable-account", "jami", dummy) == {"account": dummy, "enabled": True}


_WRONG = {
    # Words after `herd`, with DUMMY and OTHER for fingerprints: exit status and what stands in the answer.
    ("ban-contact", "jami", "stranger"): (2, "a fingerprint is 40 hexadecimal digits"),
    ("ban-contact", "jami", f"jami:{STRANGER}"): (2, "40 hexadecimal digits"),
    ("ban-contact", "jami", STRANGER[:-1]): (2, "40 hexadecimal digits"),
    ("ban-contact", "jami", f"{STRANGER}0"): (2, "40 hexadecimal digits"),
    ("ban-contact", "jami", f"{STRANGER[:-1]}g"): (2, "40 hexadecimal digits"),
    ("ban-contact", "jami", f"{STRANGER}\n"): (2, "40 hexadecimal digits"),
    ("ban-contact", "jami", ""): (2, "40 hexadecimal digits"),
    ("ban-contact", "jami", STRANGER, _UNKNOWN): (1, "herd list-accounts jami"),
    ("ban-contact", "jami", STRANGER, ""): (1, "cannot find an account"),
    ("ban-contact", "jami", "DUMMY"): (1, "it is an account of this host"),
    ("ban-contact", "jami", "DUMMY", "OTHER"): (1, "it is an account of this host"),
    ("ban-contact", "jami"): (2, "herd ban-contact jami CONTACT [ACCOUNT]"),
    ("ban-contact", "jami", STRANGER, "DUMMY", "OTHER"): (2, "herd ban-contact jami CONTACT [ACCOUNT]"),
    ("add-moderator", "jami", "stranger", "DUMMY"): (2, "40 hexadecimal digits"),
    ("add-moderator", "jami", f"{STRANGER}0", "DUMMY"): (2, "40 hexadecimal digits"),
    ("add-moderator", "jami", STRANGER, _UNKNOWN): (1, "cannot find an account"),
    ("add-moderator", "jami", "DUMMY", "DUMMY"): (1, "own fingerprint"),
    ("add-moderator", "jami", STRANGER): (2, "herd add-moderator jami CONTACT ACCOUNT"),
    ("enable-account", "jami"): (2, "herd enable-account jami ACCOUNT"),
    ("enable-account", "jami", _UNKNOWN): (1, "cannot find an account"),
    ("disable-account", "jami", "nobody"): (1, "cannot find an account nobody"),
    ("disable-account", "jami", "DUMMY", "OTHER"): (2, "herd disable-account jami ACCOUNT"),
    ("list-accounts", "jami", "DUMMY"): (2, "herd list-accounts jami"),
    ("list-account-details", "jami", "DUMMY"): (2, "herd list-account-details jami"),
    ("list-contacts", "jami", "DUMMY"): (2, "herd list-contacts jami"),
    ("list-banned-contacts", "jami", "DUMMY"): (2, "herd list-banned-contacts jami"),
    ("list-moderators", "jami", "DUMMY"): (2, "herd list-moderators jami"),
}


@pytest.mark.parametrize("words", _WRONG, ids=repr)
def test_a_wrong_argument_is_explained_and_changes_nothing(
    daemon: Daemon, dummy: str, other: str, words: tuple[str, ...]
) -> None:
    status, text = _WRONG[words]
    before = seen(daemon, dummy), seen(daemon, other)
    done = daemon.herd(*({"DUMMY": dummy, "OTHER": other}.get(word, word) for word in words))
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("herd: cannot ")
    assert text in done.stderr
    assert (seen(daemon, dummy), seen(daemon, other)) == before


def test_a_mistyped_account_is_guessed(daemon: Daemon, dummy: str) -> None:
    done = daemon.herd("disable-account", "jami", dummy[:-1])
    assert done.returncode == 1
    assert f"did you mean {dummy}?" in done.stderr
