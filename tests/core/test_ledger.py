"""What of the ledger counts."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from herd.core.ledger import Change, Entry, Kind, Verdict, latest, next_end, verdict

_BAN = Change("here", "mallory", Kind.BAN, holds=True, author="alice", at=10.0)


def _entries(*changes: Change) -> list[Entry]:
    return [Entry(number, change) for number, change in enumerate(changes, 1)]


def test_the_last_change_about_the_same_counts() -> None:
    unban = evolve(_BAN, holds=False, at=11.0)
    assert verdict(_entries(_BAN), "here", Kind.BAN, 20.0) == Verdict(frozenset({"mallory"}), frozenset())
    assert verdict(_entries(_BAN, unban), "here", Kind.BAN, 20.0) == Verdict(frozenset(), frozenset({"mallory"}))
    assert verdict(_entries(unban, _BAN), "here", Kind.BAN, 20.0).holds == {"mallory"}


def test_other_places_subjects_and_kinds_are_other_matters() -> None:
    for other in (
        evolve(_BAN, place="there", holds=False),
        evolve(_BAN, subject="eve", holds=False),
        evolve(_BAN, kind=Kind.MODERATOR, holds=False),
    ):
        assert verdict(_entries(_BAN, other), "here", Kind.BAN, 20.0).holds == {"mallory"}


def test_a_change_that_was_withdrawn_counts_not() -> None:
    entries = [Entry(1, _BAN), Entry(2, evolve(_BAN, holds=False), withdrawn=True)]
    assert verdict(entries, "here", Kind.BAN, 20.0).holds == {"mallory"}


def test_a_ban_whose_time_is_up_is_lifted() -> None:
    entries = _entries(evolve(_BAN, until=30.0))
    assert verdict(entries, "here", Kind.BAN, 29.9).holds == {"mallory"}
    assert verdict(entries, "here", Kind.BAN, 30.0) == Verdict(frozenset(), frozenset({"mallory"}))


def test_the_next_end_is_that_of_what_counts() -> None:
    for_a_while = evolve(_BAN, until=30.0)
    assert next_end(_entries(for_a_while), 20.0) == 30.0
    assert next_end(_entries(for_a_while), 30.0) is None
    assert next_end(_entries(for_a_while, _BAN), 20.0) is None
    assert next_end(_entries(for_a_while, evolve(_BAN, subject="eve", until=25.0)), 20.0) == 25.0


@given(st.permutations(_entries(_BAN, evolve(_BAN, holds=False), evolve(_BAN, kind=Kind.CONTACT))))
def test_the_order_of_reading_does_not_matter(entries: list[Entry]) -> None:
    assert {each.number for each in latest(entries).values()} == {2, 3}
