"""Values as Lua writes them: Prosody's configuration and its accounts are programs in Lua.

What is written means the same to Lua 5.1 and to 5.4 (their manuals, "Lexical Conventions"), and is one line, so that
nothing that it holds can be taken for a part of the program.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORDS = frozenset(
    [
        "and",
        "break",
        "do",
        "else",
        "elseif",
        "end",
        "false",
        "for",
        "function",
        "goto",
        "if",
        "in",
        "local",
        "nil",
        "not",
        "or",
        "repeat",
        "return",
        "then",
        "true",
        "until",
        "while",
    ]
)
# Control characters and what is special in a literal. Three digits each: a digit may follow.
_SPECIAL = re.compile(r'[\x00-\x1f\x7f"\\]')
# Every number of Lua 5.1 is a double: beyond this, it has not all integers.
_MAX_INTEGER = 2**53


def is_name(text: str) -> bool:
    """Whether it can be the name of a variable."""
    return _NAME.fullmatch(text) is not None and text not in _KEYWORDS


def text(value: str) -> str:
    """A string's literal, to be written as UTF-8. Raises ValueError for half of a surrogate pair."""
    value.encode()
    return '"' + _SPECIAL.sub(lambda found: f"\\{ord(found[0]):03d}", value) + '"'


def literal(value: Any) -> str:
    """The literal of a text, truth value, number, list or table of such. Raises ValueError for anything else."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return text(value)
        case int() | float():
            return _number(value)
        case list() | tuple():
            return _table([literal(each) for each in value])
        case Mapping():
            return _table([f"{_key(key)} = {literal(each)}" for key, each in value.items()])
    raise ValueError(f"{value!r} is nothing that Lua has; write a text, a number, true, false, a list or a table")


def _number(value: int | float) -> str:
    if abs(value) > _MAX_INTEGER if isinstance(value, int) else not math.isfinite(value):
        raise ValueError(f"{value!r} is no number that every Lua has")
    return repr(value)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError(f"{key!r} is no key; write a text")
    return key if is_name(key) else f"[{text(key)}]"


def _table(entries: list[str]) -> str:
    return f"{{ {', '.join(entries)} }}" if entries else "{}"
