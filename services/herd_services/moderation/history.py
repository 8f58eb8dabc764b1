"""What was decided on a server, by whom, when and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from herd.core.action import Reply
from herd.core.ledger import Change, Entry
from herd.core.words import clock


def history(entries: Sequence[Entry], deed: Callable[[Change], str], subject: str, place: str | None = None) -> Reply:
    """The decisions, the first one first; `deed` says what was done: "banned NAME". `subject` and `place` are keys."""
    return Reply(
        {"entries": [_facts(each, subject, place) for each in entries]}, "".join(_line(each, deed) for each in entries)
    )


def _line(entry: Entry, deed: Callable[[Change], str]) -> str:
    change = entry.change
    until = "" if change.until is None else f" until {clock(change.until)}"
    reason = f": {' '.join(change.reason.split())}" if change.reason else ""
    end = " (it did not take)" if entry.withdrawn else ""
    return f"{clock(change.at)} {change.author} {deed(change)}{until}{reason}{end}\n"


def _facts(entry: Entry, subject: str, place: str | None) -> dict[str, Any]:
    change = entry.change
    return {
        "number": entry.number,
        "kind": change.kind.value,
        "holds": change.holds,
        **({} if place is None else {place: change.place}),
        subject: change.subject,
        "author": change.author,
        "atUSec": int(change.at * 1e6),
        "reason": change.reason,
        "untilUSec": None if change.until is None else int(change.until * 1e6),
        "withdrawn": entry.withdrawn,
    }
