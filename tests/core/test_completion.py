"""What the last word of a command line could become by a usage, and how the words are found in a listing."""

from __future__ import annotations

from typing import Any

import pytest

from herd.core.completion import Candidate, Listing, Wanted, found, wanted

BAN = "CONTACT [ACCOUNT] [--reason TEXT] [--force]"
OPTIONS = ("--reason", "--force")


@pytest.mark.parametrize(
    ("usage", "words", "expected"),
    [
        (BAN, [""], Wanted(("CONTACT",))),
        (BAN, ["1db"], Wanted(("CONTACT",))),
        (BAN, ["x", ""], Wanted(("ACCOUNT",))),
        (BAN, ["x", "y", ""], Wanted((), OPTIONS)),
        (BAN, ["-"], Wanted((), OPTIONS)),
        (BAN, ["--force", "-"], Wanted((), ("--reason",))),
        (BAN, ["--reason", ""], Wanted(("TEXT",))),
        (BAN, ["--reason", "--force", "x", ""], Wanted(("ACCOUNT",))),
        (BAN, ["--reason=z", "x", ""], Wanted(("ACCOUNT",))),
        (BAN, ["--reason=z", "-"], Wanted((), ("--force",))),
        ("[FINGERPRINT|ACCOUNT]", [""], Wanted(("FINGERPRINT", "ACCOUNT"))),
        ("FILE [--dry-run]", [""], Wanted(("FILE",))),
        ("", [""], Wanted()),
        ("[PEER]", ["x", ""], Wanted()),
    ],
)
def test_what_a_usage_wants_at_a_place(usage: str, words: list[str], expected: Wanted) -> None:
    assert wanted(usage, words) == expected


ACCOUNTS = {"accounts": [{"id": "a", "name": "Ann", "contacts": ["x", "y"]}, {"id": "b", "contacts": ["y"]}]}


@pytest.mark.parametrize(
    ("listing", "result", "expected"),
    [
        (Listing("list", "accounts.id", "name"), ACCOUNTS, [Candidate("a", "Ann"), Candidate("b")]),
        (Listing("list", "accounts.contacts"), ACCOUNTS, [Candidate("x"), Candidate("y")]),
        (Listing("list", "users"), {"users": ["u", "-v"]}, [Candidate("u")]),
        (Listing("list", "users.name"), {"users": ["u"]}, []),
        (Listing("list", "gone"), {}, []),
    ],
)
def test_the_words_of_a_listing(listing: Listing, result: dict[str, Any], expected: list[Candidate]) -> None:
    assert found(listing, result) == expected
