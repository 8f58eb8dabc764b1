"""A file of bans: the records of export-bans, or any that have the field of whom a server bans."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from attrs import frozen

from herd.core import recutils
from herd.core.errors import HerdError
from herd_services.moderation.ban import Words

# Bytes.
MAX_FILE = 16 * 1024 * 1024
_FORMS = ("%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
# Seconds, as --for has it: beyond it some moments cannot be told.
_LONGEST = 36525 * 86400.0
# As many mistakes as are told at once.
_MOST_PROBLEMS = 20


@frozen
class Wish:
    """A ban that a file asks for. No place: everywhere."""

    place: str | None
    subject: str
    reason: str | None = None
    until: float | None = None


@frozen
class Judge:
    """What a server takes for somebody, and for a place: each returns its one form, or raises ValueError, a clause."""

    subject: Callable[[str], str]
    place: Callable[[str], str]


def wishes(content: bytes, name: str, now: float, words: Words, judge: Judge) -> list[Wish]:
    """What a file asks for; a ban whose time is up is left out. Raises HerdError with every mistake, a line each."""
    remedy = f"see: herd export-bans {words.service}"
    try:
        read = recutils.parse(content.decode())
    except UnicodeDecodeError as error:
        raise HerdError(f"cannot import {name}: it is no text in UTF-8; {remedy}") from error
    except ValueError as error:
        raise HerdError(f"cannot import {name}: {error}; {remedy}") from error
    found, problems = [], []
    for line, fields in read:
        try:
            found.append(_wish(fields, words, judge, now))
        except ValueError as error:
            problems.append(f"cannot import {name}, line {line}: {error}")
    if problems:
        raise HerdError("\n".join(problems[:_MOST_PROBLEMS]))
    return [each for each in found if each.until is None or each.until > now]


def _wish(fields: dict[str, str], words: Words, judge: Judge, now: float) -> Wish:
    subject = _judged(fields, words.subject, judge.subject)
    is_placed = words.place is not None and fields.get(words.place, "").strip()
    place = _judged(fields, words.place, judge.place) if words.place and is_placed else None
    until = fields.get("Until", "").strip()
    return Wish(place, subject, fields.get("Reason") or None, _moment(until, now) if until else None)


def _judged(fields: dict[str, str], field: str, judge: Callable[[str], str]) -> str:
    text = fields.get(field, "").strip()
    try:
        return judge(text)
    except ValueError as error:
        raise ValueError(f"its {field} is {text[:80]!r}, and {error}") from error


def _moment(text: str, now: float) -> float:
    for form in _FORMS:
        try:
            moment = datetime.strptime(text, form).timestamp()
        except (ValueError, OverflowError):
            continue
        if moment > now + _LONGEST:
            raise ValueError(f"its Until is {text!r}, more than a hundred years from now; leave it out")
        return moment
    raise ValueError(f"its Until is {text!r}, and a moment is written 2026-11-28 12:00:00 +0100")
