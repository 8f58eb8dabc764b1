"""Fingerprints: the 40 hexadecimal digits that name a Jami account or contact, written lower-case here."""

from __future__ import annotations

import re

_FINGERPRINT = re.compile(r"[0-9a-fA-F]{40}")


def is_fingerprint(text: str) -> bool:
    """Whether the whole text is a fingerprint, in either case."""
    return _FINGERPRINT.fullmatch(text) is not None


def fingerprint(text: str) -> str:
    """Its one form. Raises ValueError, a clause."""
    if not is_fingerprint(text):
        raise ValueError("a fingerprint is 40 hexadecimal digits")
    return text.lower()
