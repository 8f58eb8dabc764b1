"""What nginx's file is made of: directives, blocks, and arguments in quotes.

In quotes stands whatever there is, but for $: it begins a variable, and nothing hides it. Source: nginx.org/en/docs,
"Beginner's Guide"; ngx_conf_file.c, ngx_conf_read_token().
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# Needs no quotes.
_PLAIN = re.compile(r"[A-Za-z0-9_./:@=%+~*^$\[\]-]+")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Bytes of one argument; nginx reads its file in blocks of 4096 and takes none that is longer.
_LONGEST = 2048

Block = Sequence["str | tuple[str, Block]"]


def is_path(path: Path) -> bool:
    """Whether an argument can be this path, and nothing else than it."""
    text = str(path)
    return "$" not in text and _is_argument(text)


def argument(value: str | Path) -> str:
    """One argument. `$` begins a variable. Raises ValueError for what it cannot be."""
    text = str(value)
    if not _is_argument(text):
        raise ValueError(f"{text!r} cannot stand in nginx's file; take out control characters, or some of its length")
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def directive(name: str, *arguments: str | Path) -> str:
    """One line."""
    return " ".join((name, *map(argument, arguments))) + ";"


def directives(content: Mapping[str, Any]) -> list[str]:
    """Lines of an administrator's mapping; true and false are on and off. Raises ValueError."""
    return [line for name, value in content.items() for line in _lines(name, value)]


def rendered(block: Block, indent: str = "") -> Iterator[str]:
    """The lines of a block; a pair is a heading and the block behind it."""
    for each in block:
        if isinstance(each, str):
            yield f"{indent}{each}"
        else:
            heading, inner = each
            yield f"{indent}{heading} {{"
            yield from rendered(inner, f"{indent}    ")
            yield f"{indent}}}"


def _lines(name: str, value: Any) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no directive of nginx; write one like client_max_body_size")
    lists = value if isinstance(value, list) and value and all(isinstance(each, list) for each in value) else [value]
    for each in lists:
        yield directive(name, *map(_word, each if isinstance(each, list) else [each]))


def _word(value: Any) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case str() | int():
            return str(value)
    raise ValueError(f"{value!r} is no argument of nginx; write a text, a whole number, true, false or a list of them")


def _is_argument(text: str) -> bool:
    try:
        return len(text.encode()) <= _LONGEST and not _CONTROL.search(text)
    except UnicodeEncodeError:
        return False
