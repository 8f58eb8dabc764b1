"""A file of bans: the records of export-bans, or any that have a field Contact."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from herd.core import recutils
from herd.core.errors import HerdError
from herd_services.jami.fingerprint import is_fingerprint

_FORMS = ("%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
# As many mistakes as are told at once.
_MOST_PROBLEMS = 20


@frozen
class Wish:
    """A ban that a file asks for. No account: on all."""

    account: str | None
    contact: str
    reason: str | None = None
    until: float | None = None


def wishes(content: bytes, name: str, now: float) -> list[Wish]:
    """What a file asks for; a ban whose time is up is left out. Raises HerdError with every mistake, a line each."""
    try:
        read = recutils.parse(content.decode())
    except UnicodeDecodeError as error:
        raise HerdError(f"cannot import {name}: it is no text in UTF-8; see: herd export-bans jami") from error
    except ValueError as error:
        raise HerdError(f"cannot import {name}: {error}; see: herd export-bans jami") from error
    found, problems = [], []
    for line, fields in read:
        try:
            found.append(_wish(fields))
        except ValueError as error:
            problems.append(f"cannot import {name}, line {line}: {error}")
    if problems:
        raise HerdError("\n".join(problems[:_MOST_PROBLEMS]))
    return [each for each in found if each.until is None or each.until > now]


def _wish(fields: dict[str, str]) -> Wish:
    contact, account = fields.get("Contact", "").strip(), fields.get("Account", "").strip()
    for word, text in (("Contact", contact), ("Account", account or contact)):
        if not is_fingerprint(text):
            raise ValueError(f"its {word} is {text!r}, and a fingerprint is 40 hexadecimal digits")
    until = fields.get("Until", "").strip()
    return Wish(
        account.lower() or None, contact.lower(), fields.get("Reason") or None, _moment(until) if until else None
    )


def _moment(text: str) -> float:
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).timestamp()
        except ValueError:
            continue
    raise ValueError(f"its Until is {text!r}, and a moment is written 2026-11-28 12:00:00 +0100")
