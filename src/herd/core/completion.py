"""What the last word of a command line could become: as far as usages tell it, and where the rest is found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

_PARTS = re.compile(r"\[[^]]*\]|\S+")


@frozen
class Listing:
    """Where the words for an argument are found: an action that changes nothing and needs no arguments.

    `path` leads through its result to the words, `accounts.contacts`; `note` is a key beside them, of what tells more.
    """

    action: str
    path: str
    note: str = ""


@frozen
class Candidate:
    """A word, and what tells people more of it."""

    word: str
    note: str = ""


@frozen
class Wanted:
    """What belongs at a place: an argument by its name in the usage, or one of several, and options."""

    names: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def wanted(usage: str, words: Sequence[str]) -> Wanted:
    """What the last of the words after an action is by its usage (core/arguments.py)."""
    names, options = _parts(usage)
    unused, taken, value = dict(options), 0, ""
    for word in words[:-1]:
        name, given, _ = word.partition("=")
        if value:
            value = ""
        elif name in options:
            unused.pop(name, None)
            value = "" if given else options[name]
        else:
            taken += 1
    if value:
        return Wanted((value,))
    if words[-1].startswith("-") or taken >= len(names):
        return Wanted((), tuple(unused))
    return Wanted(tuple(names[taken].split("|")))


def _parts(usage: str) -> tuple[list[str], dict[str, str]]:
    """The arguments by their names, and each option with the name of its value or ''."""
    names, options = [], {}
    for part in _PARTS.findall(usage):
        inner = part.strip("[]")
        if inner.startswith("--"):
            name, _, value = inner.partition(" ")
            options[name] = value
        else:
            names.append(inner)
    return names, options


def found(listing: Listing, result: Mapping[str, Any]) -> list[Candidate]:
    """The words of a result, each once. One that looks like an option would be taken for it."""
    *way, last = listing.path.split(".")
    nodes: list[Any] = [result]
    for key in way:
        nodes = [each for node in nodes for each in _several(node, key)]
    notes = {
        str(word): str(node.get(listing.note) or "") if listing.note else ""
        for node in nodes
        for word in _several(node, last)
    }
    return [Candidate(word, note) for word, note in notes.items() if not word.startswith("-")]


def _several(node: Any, key: str) -> Iterator[Any]:
    value = node.get(key) if isinstance(node, Mapping) else None
    if isinstance(value, list | tuple):
        yield from value
    elif value is not None:
        yield value
