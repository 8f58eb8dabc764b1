"""Records as GNU recutils reads and writes them (recutils manual, "The Rec Format").

Rules, each measured with recsel and recfix 1.9:
- a field name is [a-zA-Z%][a-zA-Z0-9_]*; what else a key has becomes `_`, so `Account.username` is `Account_username`;
- a newline inside a value goes on with `+ ` on the next line;
- a line that ends in a backslash swallows the next one and recfix says nothing: one blank follows it;
- a blank line ends a record, so an empty line in a value is a bare `+`;
- a NUL ends a value, so it becomes U+FFFD; CR and CR LF become newlines;
- all else is kept, for one blank behind the colon or the `+` is the separator and every other one the value's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")
_FIELD = re.compile(r"([a-zA-Z%][a-zA-Z0-9_]*):[ \t]?(.*)")
# recutils knows one line end; the others would cut a value where a reader of text splits lines.
_LINE_ENDS = re.compile(r"\r\n|\r|\n")


def field_name(key: str) -> str:
    """The recutils name of a key."""
    name = _NOT_IN_NAMES.sub("_", key)
    return name if name[:1].isalpha() else f"F_{name}"


def field(key: str, value: str) -> str:
    """One field as text, its last newline included."""
    lines = [_protected(line) for line in _LINE_ENDS.split(value.replace("\0", "�"))]
    heads = [f"{field_name(key)}:", *["+"] * (len(lines) - 1)]
    return "".join(f"{head} {line}\n" if line else f"{head}\n" for head, line in zip(heads, lines, strict=True))


def record(fields: Mapping[str, str]) -> str:
    """One record as text, one field a line or more, in the mapping's order."""
    return "".join(field(key, value) for key, value in fields.items())


def records(many: Iterable[Mapping[str, str]]) -> str:
    """Records as text, a blank line between two."""
    return "\n".join(record(one) for one in many)


def _protected(line: str) -> str:
    return f"{line} " if line.endswith("\\") else line


def parse(text: str) -> list[tuple[int, dict[str, str]]]:
    """The records of a text, each after the number of its first line; of a field that comes twice the last counts.

    Comments and descriptors (records with a field such as %rec) are left out. Raises ValueError, a sentence's end.
    """
    found: list[tuple[int, dict[str, str]]] = []
    name = ""
    for number, line in _logical_lines(text):
        if line.startswith("#"):
            continue
        if not line.strip():
            name = ""
        elif line.startswith("+") and name:
            found[-1][1][name] += "\n" + line[1:].removeprefix(" ")
        elif field := _FIELD.fullmatch(line):
            if not name:
                found.append((number, {}))
            name = field[1]
            found[-1][1][name] = field[2]
        else:
            raise ValueError(f"line {number} is no field; one is written Name: value")
    return [(number, fields) for number, fields in found if not any(key.startswith("%") for key in fields)]


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """A line that ends in a backslash goes on in the next one."""
    begun, whole = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        begun = begun or number
        whole += line.removesuffix("\r")
        if not whole.endswith("\\"):
            yield begun, whole
            begun, whole = 0, ""
        else:
            whole = whole[:-1]
    if begun:
        yield begun, whole
