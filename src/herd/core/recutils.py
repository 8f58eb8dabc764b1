"""Records as GNU recutils reads them (recutils manual, "The Rec Format").

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
from collections.abc import Iterable, Mapping

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")
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
