"""Conferences that run, with real calls: who is told to be there, and what is done to them, as the callers see it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio

from assembly import Assembly
from calls import Caller
from doubles import bare_host
from herd.core.host import Host
from herd.daemon.dbus import connected
from herd_services.jami import call_manager
from herd_services.jami.accounts import Account, find
from herd_services.jami.call_manager import CallManager
from herd_services.jami.calls import Jami
from herd_services.jami.conferences import hang_up_contact, set_live_moderator
from herd_services.jami.following import follow
from herd_services.jami.judgement import Standing
from jami import STRANGER


class Held:
    """A conference at the meeting point, with the calls by which people take part."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly, self.calls = assembly, dict[str, str]()
        self.ann, self.bob, self.cleo = assembly.people
        self.point, self.desk = assembly.point.fingerprint, assembly.desk.fingerprint
        for each in assembly.people:
            self.join(each)

    def join(self, caller: Caller) -> None:
        """Let somebody call the meeting point."""
        self.calls[caller.name] = caller.join(self.assembly.point)

    def conferences(self) -> list[str]:
        """jamid's ids."""
        return self.assembly.point.ask(CallManager.conference_ids)

    def herd(self, *words: str) -> str:
        """What `herd` prints, who has to be content."""
        done = self.assembly.daemon.herd(*words)
        assert (done.returncode, done.stderr) == (0, "")
        return str(done.stdout)

    def listed(self) -> dict[str, dict[str, Any]]:
        """The participants of the meeting point's conference, as programs are told of them, by fingerprint."""
        answer = json.loads(self.herd("--json", "list-conferences", "jami", self.point))
        (account,) = answer["accounts"]
        assert (account["fingerprint"], account["name"]) == (self.point, self.point)
        (conference,) = account["conferences"]
        return {each["fingerprint"]: each for each in conference["participants"]}

    def until_told(self, caller: Caller, flag: str, value: bool) -> None:
        """Return once a caller is told so of himself."""
        caller.until_told(self.calls[caller.name], flag, value)

    def through(self, procedure: Callable[[Host, Account], Awaitable[Any]], account: str) -> Any:
        """What a procedure returns that is run as herdd would."""

        async def run() -> Any:
            async with connected(self.assembly.point.socket) as connection:
                host = bare_host()
                host.join_bus(connection)
                return await procedure(host, await find(host, account))

        return trio.run(run)


@pytest.fixture
def held(assembly: Assembly) -> Held:
    """A conference of three, in which nothing has been done."""
    assembly.end_all_calls()
    return Held(assembly)


def test_whoever_takes_part_is_listed(held: Held) -> None:
    names = {each.fingerprint: each.name for each in held.assembly.people}
    (conference,) = held.conferences()
    lines = "".join(f"    - {fingerprint} ({names[fingerprint]})\n" for fingerprint in sorted(names))
    expected = f"Conferences of account {held.point}:\n  - {conference}\n{lines}\n"
    assert held.herd("list-conferences", "jami") == expected
    assert held.herd("list-conferences", "jami", held.point.upper()) == expected
    listed = held.listed()
    assert {each["call"] for each in listed.values()} == set(held.assembly.point.calls())
    assert listed[held.ann.fingerprint] == {
        "fingerprint": held.ann.fingerprint, "displayName": "ann", "call": listed[held.ann.fingerprint]["call"],
        "moderator": False, "muted": False, "mutedByItself": False, "handRaised": False, "recording": False,
    }  # fmt: skip


def test_where_nobody_meets_there_is_no_conference(held: Held) -> None:
    assert held.herd("list-conferences", "jami", held.desk) == "There is no conference.\n"
    assert json.loads(held.herd("--json", "list-conferences", "jami", held.desk)) == {"accounts": []}
    held.assembly.end_all_calls()
    assert held.herd("list-conferences", "jami") == "There is no conference.\n"


def test_whoever_left_is_not_listed_although_jamid_still_tells_of_him(held: Held) -> None:
    held.herd("hang-up", "jami", held.bob.fingerprint)
    held.bob.until_alone()
    rows = held.assembly.point.rows()
    assert any(row[call_manager.URI].startswith(held.bob.fingerprint) for row in rows)
    assert set(held.listed()) == {held.ann.fingerprint, held.cleo.fingerprint}
    # The next change makes him a row of nobody, who moderates.
    held.cleo.hang_up()
    held.join(held.cleo)
    rows = held.assembly.point.rows()
    assert len([row for row in rows if not row[call_manager.URI] and row[call_manager.MODERATOR] == "true"]) > 1
    listed = held.listed()
    assert set(listed) == {held.ann.fingerprint, held.cleo.fingerprint}
    assert not any(each["moderator"] for each in listed.values())


def test_a_raised_hand_is_listed(held: Held) -> None:
    held.cleo.raise_hand(held.calls["cleo"])
    held.until_told(held.cleo, call_manager.HAND_RAISED, True)
    assert f"    - {held.cleo.fingerprint} (cleo) [hand raised]\n" in held.herd("list-conferences", "jami")
    assert [each["handRaised"] for _, each in sorted(held.listed().items())].count(True) == 1


def test_somebody_is_muted_and_unmuted(held: Held) -> None:
    bob, (conference,) = held.bob.fingerprint, held.conferences()
    told = held.herd("mute-participant", "jami", bob.upper(), held.point)
    assert told == f"{bob} is muted in conference {conference} of account {held.point}.\n"
    held.until_told(held.bob, call_manager.MUTED, True)
    assert f"    - {bob} (bob) [muted]\n" in held.herd("list-conferences", "jami")
    assert {who for who, each in held.listed().items() if each["muted"]} == {bob}
    told = held.herd("unmute-participant", "jami", bob, held.point)
    assert told == f"{bob} is no longer muted in conference {conference} of account {held.point}.\n"
    held.until_told(held.bob, call_manager.MUTED, False)
    assert not any(each["muted"] for each in held.listed().values())


def test_what_is_so_already_is_done(held: Held) -> None:
    bob = held.bob.fingerprint
    for word, state in (("unmute", False), ("mute", True), ("mute", True)):
        told = json.loads(held.herd("--json", f"{word}-participant", "jami", bob, held.point))
        assert told == {"account": held.point, "contact": bob, "conferences": held.conferences(), "muted": state}
        assert held.listed()[bob]["muted"] is state


def test_whoever_takes_part_twice_is_muted_and_hung_up_twice(held: Held) -> None:
    held.join(held.bob)
    held.herd("mute-participant", "jami", held.bob.fingerprint, held.point)
    assert held.herd("list-conferences", "jami").count(f"{held.bob.fingerprint} (bob) [muted]\n") == 2
    told = held.herd("hang-up", "jami", held.bob.fingerprint)
    assert told == f"2 calls of {held.bob.fingerprint} with account {held.point} have ended.\n"
    held.bob.until_alone()


def test_somebody_is_hung_up_and_may_come_back(held: Held) -> None:
    bob = held.bob.fingerprint
    told = held.herd("hang-up", "jami", bob, held.point)
    assert told == f"1 call of {bob} with account {held.point} has ended.\n"
    held.bob.until_alone()
    assert set(held.listed()) == {held.ann.fingerprint, held.cleo.fingerprint}
    held.join(held.bob)
    told = json.loads(held.herd("--json", "hang-up", "jami", bob))
    accounts = [{"fingerprint": held.point, "name": held.point, "calls": 1}]
    assert told == {"contact": bob, "accounts": accounts}


def test_a_call_that_rings_is_hung_up_and_is_no_conference(held: Held) -> None:
    held.ann.hang_up()
    held.ann.ring(held.assembly.desk)
    held.assembly.desk.until(CallManager.call_ids, len)
    assert held.herd("list-conferences", "jami", held.desk) == "There is no conference.\n"
    told = held.herd("hang-up", "jami", held.ann.fingerprint, held.desk)
    assert told == f"1 call of {held.ann.fingerprint} with account {held.desk} has ended.\n"
    held.ann.until_alone()


def test_of_two_calls_only_that_with_the_account_is_hung_up(held: Held) -> None:
    held.ann.ring(held.assembly.desk)
    held.assembly.desk.accept()
    told = held.herd("hang-up", "jami", held.ann.fingerprint, held.desk)
    assert told == f"1 call of {held.ann.fingerprint} with account {held.desk} has ended.\n"
    held.ann.until(CallManager.call_ids, lambda ids: ids == [held.calls["ann"]])
    assert held.ann.fingerprint in held.listed()


_WRONG = {
    # Words after `herd`, with names for fingerprints: exit status and what stands in the answer.
    ("mute-participant", "jami", STRANGER, "POINT"): (1, f"cannot mute {STRANGER}: it is in no conference of account"),
    ("unmute-participant", "jami", STRANGER, "POINT"): (1, f"cannot unmute {STRANGER}: it is in no conference"),
    ("mute-participant", "jami", "BOB", "DESK"): (1, "herd list-conferences jami"),
    ("mute-participant", "jami", "BOB", STRANGER): (1, "cannot find an account"),
    ("mute-participant", "jami", "b", "POINT"): (2, "40 hexadecimal digits"),
    ("mute-participant", "jami", "BOB"): (2, "herd mute-participant jami CONTACT ACCOUNT"),
    ("unmute-participant", "jami", "BOB"): (2, "herd unmute-participant jami CONTACT ACCOUNT"),
    ("hang-up", "jami", STRANGER): (1, f"cannot hang up {STRANGER}: it has no call with any account"),
    ("hang-up", "jami", "BOB", "DESK"): (1, "it has no call with account DESK"),
    ("hang-up", "jami", "BOB", STRANGER): (1, "cannot find an account"),
    ("hang-up", "jami", "BOB@ring.dht"): (2, "40 hexadecimal digits"),
    ("hang-up", "jami"): (2, "herd hang-up jami CONTACT [ACCOUNT]"),
    ("list-conferences", "jami", STRANGER): (1, "cannot find an account"),
    ("list-conferences", "jami", "POINT", "DESK"): (2, "herd list-conferences jami [ACCOUNT]"),
}


def test_a_wrong_argument_is_explained_and_changes_nothing(held: Held) -> None:
    names = {"POINT": held.point, "DESK": held.desk, "BOB": held.bob.fingerprint}

    def spelled(text: str) -> str:
        for name, fingerprint in names.items():
            text = text.replace(name, fingerprint)
        return text

    before = held.listed()
    for words, (status, text) in _WRONG.items():
        done = held.assembly.daemon.herd(*map(spelled, words))
        assert (done.returncode, done.stdout) == (status, ""), words
        assert done.stderr.startswith("herd: cannot "), words
        assert spelled(text) in done.stderr, words
    assert held.listed() == before


def test_a_moderator_moderates_what_runs_and_no_more(held: Held) -> None:
    bob = held.bob.fingerprint
    for state in (True, True, False):
        held.through(partial(_moderate, bob, state), held.point)
        held.until_told(held.bob, call_manager.MODERATOR, state)
        assert [who for who, each in held.listed().items() if each["moderator"]] == [bob] * state
    # Where somebody takes part in nothing there is nothing to do.
    held.through(partial(_moderate, STRANGER, True), held.point)
    held.through(partial(_moderate, bob, True), held.desk)
    assert not any(each["moderator"] for each in held.listed().values())


async def _moderate(contact: str, state: bool, host: Host, account: Account) -> None:
    await set_live_moderator(host, account, contact, state)


def test_a_ban_ends_the_calls(held: Held) -> None:
    bob = held.bob.fingerprint
    held.herd("ban-contact", "jami", bob, held.point)
    try:
        held.through(lambda host, account: hang_up_contact(host, account, bob), held.point)
        held.bob.until_alone()
        assert set(held.listed()) == {held.ann.fingerprint, held.cleo.fingerprint}
        # Nothing is left to be hung up.
        assert held.through(lambda host, account: hang_up_contact(host, account, bob), held.point) == 0
    finally:
        held.herd("unban-contact", "jami", bob, held.point)


def test_whoever_is_banned_is_hung_up_at_once(held: Held) -> None:
    bob = held.bob.fingerprint
    try:
        told = held.herd("ban-contact", "jami", bob, held.point, "--reason", "shouts")
        assert told == f"{bob} is banned from account {held.point}.\n"
        held.bob.until_alone()
        assert set(held.listed()) == {held.ann.fingerprint, held.cleo.fingerprint}
    finally:
        held.herd("unban-contact", "jami", bob, held.point)
    held.join(held.bob)
    assert bob in held.listed()


def test_a_new_moderator_moderates_the_conference_that_runs(held: Held) -> None:
    bob = held.bob.fingerprint
    held.herd("add-moderator", "jami", bob, held.point)
    held.until_told(held.bob, call_manager.MODERATOR, True)
    held.herd("remove-moderator", "jami", bob, held.point, "--force")
    held.until_told(held.bob, call_manager.MODERATOR, False)


def test_whoever_is_no_moderator_by_name_moderates_no_more(held: Held) -> None:
    ann, bob = held.ann.fingerprint, held.bob.fingerprint
    held.through(_let_anyone_moderate, held.point)
    held.through(partial(_moderate, ann, True), held.point)
    held.until_told(held.ann, call_manager.MODERATOR, True)
    held.herd("add-moderator", "jami", bob, held.point)
    held.until_told(held.ann, call_manager.MODERATOR, False)
    held.until_told(held.bob, call_manager.MODERATOR, True)
    held.herd("remove-moderator", "jami", bob, held.point, "--force")


async def _let_anyone_moderate(host: Host, account: Account) -> None:
    await Jami(host.bus).let_anyone_moderate(account.id, state=True)


def test_what_has_an_end_ends_in_the_conference_that_runs(held: Held) -> None:
    bob = held.bob.fingerprint
    held.herd("add-moderator", "jami", bob, held.point, "--for", "3s")
    held.until_told(held.bob, call_manager.MODERATOR, True)
    held.until_told(held.bob, call_manager.MODERATOR, False)


def test_a_ban_that_was_there_already_ends_the_calls_too(held: Held) -> None:
    # As a herdd leaves it that was killed in between.
    bob = held.bob.fingerprint
    banned = Standing(banned=frozenset({bob}))
    held.through(lambda host, account: follow(host, account, banned, banned), held.point)
    held.bob.until_alone()
    assert set(held.listed()) == {held.ann.fingerprint, held.cleo.fingerprint}
