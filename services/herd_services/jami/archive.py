"""Account archives: looked at before jamid is, which says the same of every bad one (ERROR_GENERIC).

A plain archive is gzip of a JSON object with the account's keys; anything else is encrypted or none.
Source: measured with jamid 13.7.0 and exportToFile.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Mapping

from attrs import field, frozen

from herd_services.jami import calls
from herd_services.jami.fingerprint import is_fingerprint

# Real archives have a few kilobytes; contacts let them grow.
MAX_ARCHIVE = 16 * 1024 * 1024
MAX_CONTENT = 64 * 1024 * 1024
_GZIP = b"\x1f\x8b"
KEYS = ("ringAccountKey", "ringAccountCert", "ringCaKey")


class BadArchive(Exception):
    """An archive that cannot be imported; the text is the end of a sentence."""


@frozen
class Archive:
    """A plain archive: all of it, the account's keys among it."""

    everything: Mapping[str, object] = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Whose it is."""
        return str(self.everything[calls.USERNAME]).lower()

    @property
    def is_enabled(self) -> bool:
        """Whether the account was enabled when it was exported."""
        return self.everything.get(calls.ENABLE) != "false"

    @property
    def details(self) -> dict[str, str]:
        """What it says of the account's details, the device's own left out."""
        return {
            key: value
            for key, value in self.everything.items()
            if isinstance(value, str) and "." in key and not key.startswith("TLS.")
        }

    @property
    def contacts(self) -> frozenset[str]:
        """Who was a contact."""
        return frozenset(person for person, each in self._people.items() if not each.get("banned") and _is_active(each))

    @property
    def banned(self) -> frozenset[str]:
        """Who was banned."""
        return frozenset(person for person, each in self._people.items() if each.get("banned"))

    @property
    def _people(self) -> dict[str, dict[str, object]]:
        people = self.everything.get("ringAccountContacts")
        items = people.items() if isinstance(people, dict) else ()
        return {str(person).lower(): each for person, each in items if isinstance(each, dict)}

    def bearing(self, declared: Mapping[str, str]) -> bytes:
        """What jamid is given to import. Compresses: call it in a thread.

        Declared details go into the archive, for jamid 13.7.0 now and then crashes or stands still when told to change
        those of one account while it loads others. It never loads one that comes disabled, so each comes enabled.
        """
        return gzip.compress(json.dumps({**self.everything, **declared, calls.ENABLE: "true"}).encode())


def _is_active(contact: Mapping[str, object]) -> bool:
    # Source: jami_contact.h; the times of the last addition and the last removal, in seconds.
    added, removed = contact.get("added", 0), contact.get("removed", 0)
    return isinstance(added, int) and isinstance(removed, int) and added > removed


def is_encrypted(content: bytes) -> bool:
    """Whether it may be an encrypted archive; nobody can tell without the password."""
    return bool(content) and not content.startswith(_GZIP)


def inspect(content: bytes) -> Archive:
    """What a plain archive holds. Raises BadArchive. Decompresses: call it in a thread."""
    if not content:
        raise BadArchive("it is empty; export the account again")
    if is_encrypted(content):
        raise BadArchive(
            "it is encrypted or no account archive; name its password's file (archive-password-file), or export the "
            "account without a password"
        )
    everything = _object(_decompressed(content))
    if missing := [key for key in KEYS if not everything.get(key)]:
        raise BadArchive(f"it has no {' and no '.join(missing)}; export the account again")
    fingerprint = everything.get(calls.USERNAME, "")
    if not isinstance(fingerprint, str) or not is_fingerprint(fingerprint):
        raise BadArchive("it names no account (Account.username is no fingerprint); export the account again")
    return Archive(everything)


def _decompressed(content: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            plain = file.read(MAX_CONTENT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadArchive(f"it is corrupt ({error}); export the account again") from error
    if len(plain) > MAX_CONTENT:
        raise BadArchive(f"it holds more than {MAX_CONTENT} bytes; export the account again")
    return plain


def _object(plain: bytes) -> dict[str, object]:
    try:
        everything = json.loads(plain)
    except (ValueError, RecursionError) as error:
        raise BadArchive(f"its content is not JSON ({error}); export the account again") from error
    if not isinstance(everything, dict):
        raise BadArchive("its content is not a JSON object; export the account again")
    return everything
