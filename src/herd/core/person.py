"""A person who is known to several servers: by a fingerprint on one, a certificate or an address on others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen


@frozen
class Identity:
    """What a kind of server knows people by; `kind` is its key in `[person.NAME]`.

    `judge` returns the one form of what is written there, or raises ValueError, a clause.
    """

    kind: str
    judge: Callable[[str], str]


@frozen
class Moderation:
    """How people are banned from a service: the actions for that, which all take somebody of that kind.

    `export` is the one whose result has them all: `bans`, each with somebody under the key `subject`.
    """

    kind: str
    subject: str
    ban: str
    unban: str
    export: str = "export-bans"


@frozen
class Person:
    """Somebody by name, and who that is on each kind of server."""

    name: str
    identities: Mapping[str, str]


def people(table: Any, known: Sequence[Identity]) -> tuple[tuple[Person, ...], list[str]]:
    """What `[person.NAME]` tables say, and everything that is wrong with them."""
    if not isinstance(table, dict) or not all(isinstance(each, dict) for each in table.values()):
        return (), ["cannot read [person]: it is written as [person.NAME]"]
    judges = {each.kind: each for each in known}
    found, problems = [], []
    for name, each in table.items():
        identities = {}
        for kind, text in each.items():
            try:
                identities[kind] = _judged(judges, kind, text)
            except ValueError as error:
                problems.append(f"cannot read [person.{name}] {kind}: {error}")
        if not each:
            problems.append(f"cannot read [person.{name}]: it says of no server who that is; add {_listed(judges)}")
        found.append(Person(name, identities))
    return tuple(found), [*problems, *_twice(found)]


def _judged(judges: Mapping[str, Identity], kind: str, text: Any) -> str:
    if kind not in judges:
        raise ValueError(f"there is no such key; the keys are {_listed(judges)}")
    if not isinstance(text, str):
        raise ValueError("it is a text in quotes")
    try:
        return judges[kind].judge(text)
    except ValueError as error:
        raise ValueError(f"it is {text[:80]!r}, and {error}") from error


def _listed(judges: Mapping[str, Identity]) -> str:
    return ", ".join(sorted(judges))


def _twice(found: Sequence[Person]) -> list[str]:
    """Two persons cannot be one: a ban of the one would be one of the other."""
    owners: dict[tuple[str, str], str] = {}
    problems = []
    for person in found:
        for kind, identity in person.identities.items():
            owner = owners.setdefault((kind, identity), person.name)
            if owner != person.name:
                problems.append(f"cannot read [person.{person.name}] {kind}: that is {owner} already; name it once")
    return problems
