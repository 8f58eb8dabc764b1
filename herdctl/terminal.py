"""What a terminal gets and a pipe does not: colour, and a line of progress that is overwritten."""

from __future__ import annotations

import os
import sys

_BOLD, _RED, _PLAIN = "\x1b[1m", "\x1b[1;31m", "\x1b[0m"
_CLEAR_LINE = "\r\x1b[K"


class Terminal:
    """Standard output and error, each dressed only where a person looks at it."""

    def __init__(self, *, plain: bool) -> None:
        dumb = plain or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
        self._colours = not dumb and sys.stdout.isatty()
        self._moves = not dumb and sys.stderr.isatty()
        self._is_plain = plain
        self._in_progress = False
        self.is_terminal = sys.stdout.isatty()

    def text(self, text: str) -> None:
        """An action's text, its headings bold; those of failures red."""
        if self.is_terminal:
            text = harmless(text)
        if self._colours:
            text = "".join(map(_dressed, text.splitlines(keepends=True)))
        sys.stdout.write(text)

    def progress(self, text: str) -> None:
        """The step that is under way: on a terminal in place of the one before, elsewhere a line."""
        if self._moves:
            sys.stderr.write(f"{_CLEAR_LINE}{text}")
            self._in_progress = True
        elif not self._is_plain:
            sys.stderr.write(f"herd: {text}\n")
        sys.stderr.flush()

    def end_progress(self) -> None:
        """Leave no trace of the steps."""
        if self._in_progress:
            sys.stderr.write(_CLEAR_LINE)
            sys.stderr.flush()


def complain(text: str) -> None:
    """A sentence on standard error; what a program said may be part of it."""
    sys.stderr.write(f"herd: {harmless(text) if sys.stderr.isatty() else text}\n")


def harmless(text: str) -> str:
    """Text that others chose, without what would steer a terminal: control characters become visible."""
    return "".join(char if char.isprintable() or char in "\n\t" else f"\\x{ord(char):02x}" for char in text)


def _dressed(line: str) -> str:
    if line[:1].isspace() or not line.rstrip().endswith(":"):
        return line
    colour = _RED if line.startswith("Failed") else _BOLD
    return f"{colour}{line.rstrip()}{_PLAIN}\n"
