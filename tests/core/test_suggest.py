"""What is offered for a word that is none: the nearest one, if any is near."""

from __future__ import annotations

import pytest

from herd.core.suggest import did_you_mean, nearest

KNOWN = ["start", "status", "stop", "list-accounts", "list-contacts"]


@pytest.mark.parametrize(
    ("word", "match"),
    [
        ("stauts", "status"),
        ("stop", "stop"),
        ("list-acounts", "list-accounts"),
        ("list-contact", "list-contacts"),
        ("qqq", None),
        ("", None),
    ],
)
def test_the_nearest_word_is_found(word: str, match: str | None) -> None:
    assert nearest(word, KNOWN) == match
    assert did_you_mean(word, iter(KNOWN)) == (f"did you mean {match}?" if match else "")


def test_of_no_words_none_is_near() -> None:
    assert did_you_mean("start", []) == ""
