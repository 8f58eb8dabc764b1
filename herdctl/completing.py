"""`herd _complete WORDS…`, which the shells' completions ask: what the last word could become.

A line is a word, a tabulator and what tells more of it; exit status 3 says that a file belongs there. Nothing is ever
complained of. The name begins with what begins no action's name, so no service can have an action of that name.
"""

from __future__ import annotations

import os
import re
import signal

from herd.core.errors import HerdError
from herdctl import client
from herdctl.usages import USAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILES = 3
_OPTIONS = {
    "--json": "print the result as JSON",
    "--socket": "the socket of herdd",
    "--help": "say how it is used",
    "--version": "print the version",
}
_OF_LOG = {
    "--follow": "go on with the lines to come",
    "--lines": "that many lines",
    "--since": "lines from then on",
    "--all": "of herdd and every service",
}
_WITH_VALUE = ("-s", "--socket", "-n", "--lines", "--since")
_FLAGS = ("--json", "-f", "--follow", "--all", "-h", "--help", "--version")
# What no shell takes for anything but part of a word: names are chosen by others, and bash inserts them as they are.
_HARMLESS = re.compile(r"[\w@%+:,./-]+")
# Seconds. A herdd that hangs must not hold up whoever types.
_PATIENCE = 5


def main(words: list[str]) -> int:
    """Print the candidates; the exit status."""
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.alarm(_PATIENCE)
    rest, path, option = _without_options(words or [""])
    if option:
        return FILES if option in ("-s", "--socket") else 0
    answer = _asked(path or client.default_socket(), rest)
    offered = [(each["word"], each["note"]) for each in answer["candidates"]]
    if rest[-1].startswith("-"):
        offered += (_OPTIONS | (_OF_LOG if rest[0] in ("log", "audit") else {})).items()
    for word, note in offered:
        if _HARMLESS.fullmatch(word):
            print(f"{word}\t{''.join(each if each.isprintable() else ' ' for each in note)}")
    return FILES if answer["files"] else 0


def _asked(path: str, words: list[str]) -> dict[str, Any]:
    try:
        *_, answer = client.calls(path, "Complete", {"words": words})
    except HerdError:
        # None runs, or it is one of before.
        always = USAGES.items() if len(words) == 1 else ()
        return {"candidates": [{"word": name, "note": note} for name, (_, note, _) in always], "files": False}
    return answer


def _without_options(words: list[str]) -> tuple[list[str], str | None, str]:
    """The words without herd's own options, the socket among these, and the option whose value the last word is."""
    rest, path, option = [], None, ""
    for word in words[:-1]:
        if option:
            path = word if option in ("-s", "--socket") else path
            option = ""
        elif word in _WITH_VALUE:
            option = word
        elif word.startswith("--socket="):
            path = word.partition("=")[2]
        elif word not in _FLAGS and not word.startswith(("--lines=", "--since=")):
            rest.append(word)
    return [*rest, words[-1]], path, option
