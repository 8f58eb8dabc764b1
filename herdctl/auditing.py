"""Lines of the log of who did what, as `herd audit` prints them."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def entry(line: str) -> dict[str, Any]:
    """What a line says, its time included; a line that says something else is its message."""
    time, _, rest = line.partition(" ")
    try:
        return {"time": time, **json.loads(rest)}
    except (ValueError, TypeError):
        return {"time": time, "message": rest}


def told(line: str) -> str:
    """`2026-11-21T12:50:11.000+00:00 ann (1234, moderator) ban mumble Bob: done`."""
    found = entry(line)
    if "outcome" not in found:
        return line
    person = f" for {found['person']}" if "person" in found else ""
    who = f"{found['user']}{person} ({found['pid']}, {found.get('role', 'no role')})"
    words = " ".join([found["action"], found["service"], *map(_word, found["arguments"])])
    reason = f": {found['message']}" if "message" in found else ""
    more = f" (and {found['untold']} times before)" if "untold" in found else ""
    return f"{found['time']} {who} {words}: {found['outcome']}{reason}{more}"


def _word(word: str) -> str:
    return word if word and word.isprintable() and " " not in word else json.dumps(word, ensure_ascii=False)
