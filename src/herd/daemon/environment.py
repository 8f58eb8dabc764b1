"""Environment files: lines of NAME=value with the quotes of systemd.exec(5), EnvironmentFile=.

Unlike systemd, which skips what it cannot read, a mistake is an error that names its line: a service that starts
without its password is worse than one that does not start.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

from herd.daemon.files import read_guarded

MAX_SIZE = 256 * 1024
_NAME = re.compile(r"[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_IGNORED = re.compile(r"[ \t]*(?:[#;][^\n]*)?(?:\n|\Z)")
# What stands in quotes may go over lines.
_SINGLE = re.compile(r"'([^']*)'[ \t]*")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"[ \t]*', re.DOTALL)
# The rest of a line, on which a quote is a character like any other.
_PLAIN = re.compile(r"((?:[^\\\n]|\\.)*)\\?(?:\n|\Z)", re.DOTALL)


def read_environment(path: Path) -> dict[str, str]:
    """The variables of a file. Raises OSError, whose `strerror` names the line of a mistake. Blocks."""
    try:
        return parse_environment(_contents(path).decode())
    except UnicodeDecodeError as error:
        raise OSError(errno.EINVAL, "it is not UTF-8", str(path)) from error
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from error


def _contents(path: Path) -> bytes:
    try:
        return read_guarded(path, MAX_SIZE)
    except OSError as error:
        # It names a part of the path alone.
        raise OSError(error.errno, error.strerror, str(path)) from error


def parse_environment(text: str) -> dict[str, str]:
    """The variables; of a name that comes twice, the last. Raises ValueError that names the line."""
    found: dict[str, str] = {}
    position = 0
    text = text.replace("\r\n", "\n")
    while position < len(text):
        if ignored := _IGNORED.match(text, position):
            position = ignored.end()
            continue
        line = text.count("\n", 0, position) + 1
        name = _NAME.match(text, position)
        if name is None:
            raise ValueError(f"line {line}: it is not NAME=value")
        value, position = _value(text, name.end(), line)
        if "\0" in value:
            raise ValueError(f"line {line}: a NUL byte")
        found[name[1]] = value
    return found


def _value(text: str, position: int, line: int) -> tuple[str, int]:
    """The value that begins at the position, and where the next line begins."""
    parts: list[str] = []
    while position < len(text) and text[position] in "'\"":
        single = text[position] == "'"
        quoted = (_SINGLE if single else _DOUBLE).match(text, position)
        if quoted is None:
            raise ValueError(f"line {line}: a quote that does not end")
        parts.append(quoted[1] if single else _unescaped(quoted[1]))
        position = quoted.end()
    plain = _PLAIN.match(text, position)
    assert plain is not None
    parts.append(_plain(plain[1]))
    return "".join(parts), plain.end()


def _plain(text: str) -> str:
    """What no quotes hold: a backslash takes the next character as it is, blanks at the end go."""
    characters: list[str] = []
    length = 0
    for each in re.finditer(r"\\(.)|[^\\]", text, re.DOTALL):
        characters.append(each[0] if each[1] is None else each[1].strip("\n"))
        if each[0] not in " \t":
            length = len(characters)
    return "".join(characters[:length])


def _unescaped(text: str) -> str:
    """What double quotes hold: a backslash counts only before a few characters, and joins two lines."""
    return re.sub(r'\\(["\\`$\n])', lambda escape: escape[1].strip("\n"), text)
