"""Prosody's accounts, as its own storage has them: a file in Lua for each, from which no password can be had.

Written by us rather than by prosodyctl: no password in argv, and no program to run at each start. SCRAM-SHA-1: RFC
5802, section 3; the file's form and name: Prosody's mod_auth_internal_hashed and util.datamanager.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from pathlib import Path

from herd_services.jitsi import lua

_ITERATIONS = 10000
# Of a record that somebody else wrote: what a start can wait for.
_MAX_ITERATIONS = 1_000_000
_MAX_RECORD = 64 * 1024
# `key = value` or `["key"] = value`; the values that count are hexadecimal, numbers or a salt without quotes in it.
_FIELD = re.compile(r'\b(\w+)(?:"\])? *= *(?:"([^"\\]*)"|(\d{1,9})\b)')
# What RFC 4013 leaves as it is. Our own passwords are of such characters.
_PLAIN = re.compile(r"[ -~]+")


def record(password: str, salt: str) -> bytes:
    """The content of an account's file. Raises ValueError for a password that is not in ASCII."""
    stored, server = _keys(password, salt, _ITERATIONS)
    fields = {"iteration_count": _ITERATIONS, "salt": salt, "server_key": server, "stored_key": stored}
    return f"return {lua.literal(fields)};\n".encode()


def matches(content: bytes, password: str) -> bool:
    """Whether it is the record of an account with this password, whoever wrote it; what cannot be read is none."""
    found = {
        name: word or number for name, word, number in _FIELD.findall(content[:_MAX_RECORD].decode(errors="replace"))
    }
    try:
        # Prosody would take a readable password before anything else.
        if found.get("password") or not 0 < int(found["iteration_count"]) <= _MAX_ITERATIONS:
            return False
        ours = _keys(password, found["salt"], int(found["iteration_count"]))
        theirs = (found["stored_key"], found["server_key"])
    except (KeyError, ValueError):
        return False
    return all(hmac.compare_digest(one.encode(), other.encode()) for one, other in zip(ours, theirs, strict=True))


def file_of(address: str) -> Path:
    """Where the account's file is, seen from data_path."""
    user, _, host = address.partition("@")
    return Path(_escaped(host), "accounts", f"{_escaped(user)}.dat")


def _keys(password: str, salt: str, iterations: int) -> tuple[str, str]:
    """StoredKey and ServerKey in hexadecimal."""
    if not _PLAIN.fullmatch(password):
        raise ValueError("the password has characters beyond ASCII; choose one of letters and digits")
    salted = hashlib.pbkdf2_hmac("sha1", password.encode(), salt.encode(), iterations)
    client = hmac.digest(salted, b"Client Key", "sha1")
    return hashlib.sha1(client).hexdigest(), hmac.digest(salted, b"Server Key", "sha1").hex()


def _escaped(name: str) -> str:
    return re.sub(rb"[^A-Za-z0-9]", lambda found: b"%%%02x" % found[0][0], name.encode()).decode()
