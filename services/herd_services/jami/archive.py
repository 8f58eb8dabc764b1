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

from attrs import frozen

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
    """What jamid is given, and whose it is. `enabled` is what the archive says of Account.enable."""

    content: bytes
    fingerprint: str
    enabled: bool = True


def inspect(content: bytes, declared: Mapping[str, str]) -> Archive:
    """Say whose archive it is, and have it bear what is declared. Raises BadArchive. Decompresses: call it in a thread.

    Declared details go into the archive, for jamid 13.7.0 now and then crashes or stands still when told to change
    those of one account while it loads others. It never loads one that comes disabled, so each comes enabled.
    """
    if not content:
        raise BadArchive("it is empty; export the account again")
    if not content.startswith(_GZIP):
        raise BadArchive("it is encrypted or no account archive; export the account without a password")
    details = _details(_decompressed(content))
    if missing := [key for key in KEYS if not details.get(key)]:
        raise BadArchive(f"it has no {' and no '.join(missing)}; export the account again")
    fingerprint = details.get("Account.username", "")
    if not isinstance(fingerprint, str) or not is_fingerprint(fingerprint):
        raise BadArchive("it names no account (Account.username is no fingerprint); export the account again")
    changed = {**details, **declared, "Account.enable": "true"}
    if changed != details:
        content = gzip.compress(json.dumps(changed).encode())
    return Archive(content, fingerprint.lower(), enabled=details.get("Account.enable") != "false")


def _decompressed(content: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            plain = file.read(MAX_CONTENT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadArchive(f"it is corrupt ({error}); export the account again") from error
    if len(plain) > MAX_CONTENT:
        raise BadArchive(f"it holds more than {MAX_CONTENT} bytes; export the account again")
    return plain


def _details(plain: bytes) -> dict[str, object]:
    try:
        details = json.loads(plain)
    except (ValueError, RecursionError) as error:
        raise BadArchive(f"its content is not JSON ({error}); export the account again") from error
    if not isinstance(details, dict):
        raise BadArchive("its content is not a JSON object; export the account again")
    return details
