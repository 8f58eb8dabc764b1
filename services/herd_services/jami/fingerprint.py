"""Fingerprints: the 40 hexadecimal digits that name a Jami account or contact, written lower-case here."""

from __future__ import annotations

import re

from herd.core.errors import WrongUsage

_FINGERPRINT = re.compile(r"[0-9a-fA-F]{40}")


def is_fingerprint(text: str) -> bool:
    """Whether the whole text is a fingerprint, in either case."""
    return _FINGERPRINT.fullmatch(text) is not None


def contact(text: str) -> str:
    """The fingerprint of a contact as an argument gives it, lower-case. Raises WrongUsage."""
    if not is_fingerprint(text):
        raise WrongUsage(
            f"cannot take {text!r} for a contact: a fingerprint is 40 hexadecimal digits; see: herd list-contacts jami"
        )
    return text.lower()
