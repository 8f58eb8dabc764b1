"""Bans that are in force, told in the words of their server: for people, for programs, and as records for recutils."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from attrs import frozen

from herd.core import recutils
from herd.core.ledger import Change
from herd.core.words import clock


@frozen
class Words:
    """What a server calls whom it bans, and from what: fields of records, in lower case keys for programs."""

    service: str
    subject: str
    # None: there is but one.
    place: str | None
    # Of the fields, as recutils has types: "line", "regexp /…/".
    subject_type: str
    place_type: str
    # Behind "banned NAME": " from room …", or nothing.
    where: Callable[[str], str]

    def named(self, place: str, subject: str) -> dict[str, str]:
        """Whom and from what, by field."""
        return {**({self.place: place} if self.place else {}), self.subject: subject}


@frozen
class Ban:
    """One that is in force; `change` says what the ledger knows of it, None: it came by other ways."""

    place: str
    subject: str
    change: Change | None
    # By what name the server knows the subject, where that is another.
    name: str = ""

    def told(self) -> dict[str, Any]:
        """Who decided it and on what terms, for programs. Microseconds since the epoch."""
        change = self.change
        return {
            "author": change and change.author,
            "reason": change and change.reason,
            "sinceUSec": change and int(change.at * 1e6),
            "untilUSec": None if change is None or change.until is None else int(change.until * 1e6),
        }

    def facts(self, words: Words) -> dict[str, Any]:
        """For programs."""
        named = {field.lower(): value for field, value in words.named(self.place, self.subject).items()}
        return {**named, **self._named("name"), **self.told()}

    def fields(self, words: Words) -> dict[str, str]:
        """As a record; what is not known is left out."""
        change = self.change
        named = words.named(self.place, self.subject)
        found = {"Id": "/".join(named.values()), **named, **self._named("Name")}
        if change is not None:
            found |= {"Author": change.author, "Since": _date(change.at)}
            found |= {"Reason": change.reason} if change.reason else {}
            found |= {"Until": _date(change.until)} if change.until is not None else {}
        return found

    def line(self, words: Words) -> str:
        """For people."""
        name = f" ({self.name})" if self.name else ""
        return f"  - {self.subject}{name}{words.where(self.place)}{_by(self.change)}\n"

    def _named(self, key: str) -> dict[str, str]:
        return {key: self.name} if self.name else {}


def _by(change: Change | None) -> str:
    if change is None:
        return ", not by herd"
    until = "" if change.until is None else f" until {clock(change.until)}"
    reason = f": {' '.join(change.reason.split())}" if change.reason else ""
    return f", by {change.author}{until}{reason}"


def records(bans: Iterable[Ban], words: Words) -> str:
    """A whole record file, its descriptor first, as import-bans reads it."""
    types = [f"%type: {words.place} {words.place_type}"] if words.place else []
    types.append(f"%type: {words.subject} {words.subject_type}")
    mandatory = f"%mandatory: {' '.join(words.named('', ''))}"
    descriptor = [
        "%rec: Ban",
        "%key: Id",
        "%type: Id line",
        *types,
        "%type: Since date",
        "%type: Until date",
        mandatory,
    ]
    return "".join(f"{line}\n" for line in descriptor) + "\n" + recutils.records(ban.fields(words) for ban in bans)


def _date(moment: float) -> str:
    """As recutils reads it, whose dates have no offset of ISO 8601's form."""
    return f"{datetime.fromtimestamp(moment).astimezone():%Y-%m-%d %H:%M:%S %z}"
