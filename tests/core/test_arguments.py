"""The words after an action's name."""

from __future__ import annotations

import pytest

from herd.core.arguments import Arguments, Usage, parse_usage, read

_BAN = "CONTACT [ACCOUNT] [--reason TEXT] [--for DURATION] [--force]"


def test_a_usage_says_what_is_allowed() -> None:
    assert parse_usage(_BAN) == Usage(1, 2, {"--reason": True, "--for": True, "--force": False})
    assert parse_usage("") == Usage(0, 0, {})
    assert parse_usage("[WORD...]") == Usage(0, None, {})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a"], Arguments(("a",))),
        (["a", "b"], Arguments(("a", "b"))),
        (["--reason", "he shouts", "a"], Arguments(("a",), {"--reason": "he shouts"})),
        (["a", "--reason=x=y", "b", "--force"], Arguments(("a", "b"), {"--reason": "x=y", "--force": ""})),
        (["--reason", "--force", "a"], Arguments(("a",), {"--reason": "--force"})),
        (["--reason=", "a"], Arguments(("a",), {"--reason": ""})),
        (["--", "--force"], Arguments(("--force",))),
        (["-x"], Arguments(("-x",))),
    ],
)
def test_words_are_sorted_out(words: list[str], expected: Arguments) -> None:
    assert read(_BAN, words) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "an argument is missing"),
        (["a", "b", "c"], "'c' is one too many"),
        (["a", "--reasn", "x"], "did you mean --reason?"),
        (["a", "--json"], "--json is unknown"),
        (["a", "--reason"], "--reason needs a value"),
        (["a", "--force=yes"], "--force takes no value"),
        (["a", "--force", "--force"], "--force is given twice"),
    ],
)
def test_what_does_not_fit_is_said(words: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(_BAN, words)


def test_without_options_every_word_is_an_argument() -> None:
    assert read("ONE [TWO]", ["--", "--force"]) == Arguments(("--", "--force"))


def test_arguments_are_asked_for_by_their_place() -> None:
    found = Arguments(("a",))
    assert (found[0], found.optional(1)) == ("a", None)
