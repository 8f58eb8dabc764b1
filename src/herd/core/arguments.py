"""The words after an action's name, read by the action's usage: `CONTACT [ACCOUNT] [--reason TEXT] [--force]`.

Capital words are arguments, in their order; those in brackets may be left out. Options may stand anywhere, each once,
`--reason TEXT` or `--reason=TEXT`; what follows `--` is no option. Where a usage has no options, no word is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from attrs import Factory, frozen

from herd.core.suggest import did_you_mean

_PARTS = re.compile(r"\[[^]]*\]|\S+")


@frozen
class Arguments:
    """What was given: the arguments, and the options by their names with the dashes; one without a value has ''."""

    words: tuple[str, ...] = ()
    options: Mapping[str, str] = Factory(dict)

    def __getitem__(self, index: int) -> str:
        """An argument that the usage requires."""
        return self.words[index]

    def optional(self, index: int) -> str | None:
        """An argument that may have been left out."""
        return self.words[index] if index < len(self.words) else None


@frozen
class Usage:
    """How many arguments there have to be and may be (None: any number), and whether an option takes a value."""

    least: int
    most: int | None
    options: Mapping[str, bool]


def parse_usage(text: str) -> Usage:
    """What a usage allows."""
    least, most, options = 0, 0, {}
    endless = False
    for part in _PARTS.findall(text):
        inner = part.strip("[]")
        if inner.startswith("--"):
            name, _, value = inner.partition(" ")
            options[name] = bool(value)
            continue
        endless = endless or inner.endswith("...")
        least += not part.startswith("[")
        most += 1
    return Usage(least, None if endless else most, options)


def read(usage: str, words: Sequence[str]) -> Arguments:
    """The words sorted out. Raises ValueError, the end of a sentence, where they do not fit."""
    allowed = parse_usage(usage)
    found, options, waiting = [], dict[str, str](), list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--" and allowed.options:
            found += waiting
            break
        if not word.startswith("--") or not allowed.options:
            found.append(word)
            continue
        name, given, value = word.partition("=")
        if name not in allowed.options:
            remedy = did_you_mean(name, allowed.options) or "it takes no such option"
            raise ValueError(f"{name} is unknown; {remedy}")
        if name in options:
            raise ValueError(f"{name} is given twice")
        options[name] = _value(name, allowed.options[name], value if given else None, waiting)
    if len(found) < allowed.least:
        raise ValueError("an argument is missing")
    if allowed.most is not None and len(found) > allowed.most:
        raise ValueError(f"{found[allowed.most]!r} is one too many")
    return Arguments(tuple(found), options)


def _value(name: str, takes_one: bool, given: str | None, waiting: list[str]) -> str:
    if not takes_one:
        if given is not None:
            raise ValueError(f"{name} takes no value")
        return ""
    if given is None and not waiting:
        raise ValueError(f"{name} needs a value")
    return waiting.pop(0) if given is None else given
