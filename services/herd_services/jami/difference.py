"""What is live of an account held against its declaration and its archive. Decides; asks nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from attrs import frozen

from herd_services.jami import calls
from herd_services.jami.archive import Archive
from herd_services.jami.configuration import AccountConfiguration
from herd_services.jami.judgement import Standing

_DECLARED, _ARCHIVE = "declaration", "archive"
_WHERE = {_DECLARED: "declared", _ARCHIVE: "in the archive"}
_MODERATORS, _ANYONE = "Account.defaultModerators", "Account.allModeratorEnabled"
# Told otherwise, or the device's own.
_LEFT_OUT = frozenset({_MODERATORS, _ANYONE, calls.USERNAME, calls.HAS_PASSWORD})
# What a moderator may read. Of all other details only that they differ is told: among them are passwords, servers and
# paths, and list-account-details keeps these for admins.
_TOLD = frozenset(
    {calls.DISPLAY_NAME, calls.ENABLE, "Account.rendezVous", "Account.peerDiscovery", "DHT.PublicInCalls"}
)


@frozen
class Difference:
    """One thing that is not as it was said to be, `of` which source; `text` is a line without its end."""

    what: str
    name: str
    expected: Any
    live: Any
    of: str
    text: str

    def facts(self) -> dict[str, Any]:
        """For programs."""
        told = {"what": self.what, "name": self.name, "expected": self.expected, "live": self.live, "of": self.of}
        return {key: value for key, value in told.items() if value is not None}


def differences(
    account: AccountConfiguration, archive: Archive | None, details: Mapping[str, str], live: Standing
) -> list[Difference]:
    """All of an account. Of an encrypted archive nothing is known; what is declared counts before an archive."""
    return [
        *_details(account.details(), archive.details if archive else {}, details),
        *_contacts(account, archive, live),
        *_moderators(account, archive, live),
    ]


def _details(declared: Mapping[str, str], archive: Mapping[str, str], live: Mapping[str, str]) -> Iterator[Difference]:
    expected = {**archive, **declared}
    for key in sorted((expected.keys() & live.keys()) - _LEFT_OUT):
        if live[key] == expected[key]:
            continue
        of = _DECLARED if key in declared else _ARCHIVE
        if key in _TOLD:
            text = f"{key} is {_shown(live[key])}, and {_shown(expected[key])} {_WHERE[of]}"
            yield Difference("detail", key, expected[key], live[key], of, text)
        else:
            yield Difference("detail", key, None, None, of, f"{key} is not as {_WHERE[of]}")


def _shown(value: str) -> str:
    return " ".join(value.split()) or "empty"


def _contacts(account: AccountConfiguration, archive: Archive | None, live: Standing) -> Iterator[Difference]:
    if account.allowed_contacts is not None:
        yield from _people("contact", account.allowed_contacts, live.contacts, _DECLARED)
    elif archive is not None:
        yield from _people("contact", archive.contacts, live.contacts, _ARCHIVE)
    if archive is not None:
        yield from _people("ban", archive.banned - set(account.allowed_contacts or ()), live.banned, _ARCHIVE)


def _moderators(account: AccountConfiguration, archive: Archive | None, live: Standing) -> Iterator[Difference]:
    if account.moderators is not None:
        of, anyone, named = _DECLARED, False, account.moderators
    elif archive is not None:
        of, anyone = _ARCHIVE, archive.details.get(_ANYONE) != "false"
        named = tuple(each for each in archive.details.get(_MODERATORS, "").split("/") if each)
    else:
        return
    yield from _people("moderator", named, live.moderators, of)
    if live.anyone_moderates is not anyone:
        others = "moderators are declared" if of == _DECLARED else "not so in the archive"
        text = (
            f"anyone moderates, and {others}"
            if live.anyone_moderates
            else "only who is named moderates, and anyone in the archive"
        )
        yield Difference("anyone", "moderates", anyone, live.anyone_moderates, of, text)


def _people(what: str, expected: Collection[str], live: Collection[str], of: str) -> Iterator[Difference]:
    for person in sorted({*expected} - {*live}):
        yield Difference(what, person, True, False, of, f"{what} {person} is {_WHERE[of]}, and not there")
    for person in sorted({*live} - {*expected}):
        yield Difference(what, person, False, True, of, f"{what} {person} is there, and not {_WHERE[of]}")
