"""What somebody may have meant by a word that is none."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like `word`, if one is like it at all."""
    # Only mistakes need it.
    import difflib

    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The question "did you mean …?", or an empty string."""
    match = nearest(word, known)
    return f"did you mean {match}?" if match else ""
