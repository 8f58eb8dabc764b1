"""As much of STUN (RFC 8489) and TURN (RFC 8656) as it takes to know that a relay serves, over TCP.

It is asked to refresh a relay that there is not: whoever is let in is told so, and nothing is made by it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct
from collections.abc import Mapping

from attrs import frozen

from herd.core.host import Host, Stream

_COOKIE = 0x2112A442
_BINDING, _REFRESH = 0x0001, 0x0004
_SUCCESS, _ERROR = 0x0100, 0x0110
_USERNAME, _INTEGRITY, _ERROR_CODE, _REALM, _NONCE = 0x0006, 0x0008, 0x0009, 0x0014, 0x0015
_UNAUTHORIZED, _MISMATCH = 401, 437
_HEADER = struct.Struct(">HHI12s")
_ATTRIBUTE = struct.Struct(">HH")
# How long the password is good that is made to ask, seconds.
_LASTING = 60


class _Garbled(Exception):
    """What came is no STUN."""


@frozen
class Message:
    """Its type and its attributes, of each the first."""

    kind: int
    attributes: Mapping[int, bytes]

    @property
    def error(self) -> int:
        """The code of an error."""
        value = self.attributes.get(_ERROR_CODE, bytes(4))
        if len(value) < 4:
            raise _Garbled
        return (value[2] & 7) * 100 + value[3]


def credentials(secret: str, moment: int) -> tuple[str, str]:
    """User and password that are good until `moment` (draft-uberti-behave-turn-rest)."""
    user = f"{moment}:herd"
    return user, base64.b64encode(hmac.digest(secret.encode(), user.encode(), "sha1")).decode()


def request(kind: int, attributes: Mapping[int, bytes], key: bytes | None = None) -> bytes:
    """A message; with a key, its sender proves to have it."""
    body = b"".join(_attribute(number, value) for number, value in attributes.items())
    transaction = os.urandom(12)
    if key is not None:
        # What is proved has the length that it will have.
        head = _HEADER.pack(kind, len(body) + 24, _COOKIE, transaction)
        body += _attribute(_INTEGRITY, hmac.digest(key, head + body, "sha1"))
    return _HEADER.pack(kind, len(body), _COOKIE, transaction) + body


def long_term_key(user: str, realm: str, password: str) -> bytes:
    """What proves the password (RFC 8489, 9.2.2)."""
    return hashlib.md5(f"{user}:{realm}:{password}".encode(), usedforsecurity=False).digest()


async def unserved(host: Host, address: str, port: int, secret: str) -> str | None:
    """Why the relay serves nobody who has a password made of the secret, as the end of a sentence; None: it does."""
    try:
        async with host.connected(address, port) as stream:
            return await _asked(stream, *credentials(secret, int(host.now()) + _LASTING))
    except OSError as error:
        return f"port {port} does not answer: {error.strerror or error}"
    except _Garbled:
        return f"what answers on port {port} does not speak STUN"


async def _asked(stream: Stream, user: str, password: str) -> str | None:
    if (await _answer(stream, request(_BINDING, {}))).kind != _BINDING | _SUCCESS:
        return "it does not tell whoever asks by what address they come"
    first = await _answer(stream, request(_REFRESH, {}))
    realm, nonce = first.attributes.get(_REALM), first.attributes.get(_NONCE)
    if first.error != _UNAUTHORIZED or realm is None or nonce is None:
        return "it does not ask for a password"
    key = long_term_key(user, realm.decode("utf-8", "replace"), password)
    proof = {_USERNAME: user.encode(), _REALM: realm, _NONCE: nonce}
    answer = await _answer(stream, request(_REFRESH, proof, key))
    return None if answer.error == _MISMATCH else f"it refuses a password made of the secret: error {answer.error}"


async def _answer(stream: Stream, message: bytes) -> Message:
    await stream.send(message)
    received = b""
    while len(received) < _HEADER.size or len(received) < _HEADER.size + _length(received):
        data = await stream.receive()
        if not data:
            raise _Garbled
        received += data
    return parsed(received)


def _length(received: bytes) -> int:
    _, length, cookie, _ = _HEADER.unpack_from(received)
    if cookie != _COOKIE:
        raise _Garbled
    return int(length)


def parsed(message: bytes) -> Message:
    """A whole message."""
    attributes: dict[int, bytes] = {}
    rest = message[_HEADER.size :]
    while len(rest) >= _ATTRIBUTE.size:
        number, length = _ATTRIBUTE.unpack_from(rest)
        attributes.setdefault(number, rest[_ATTRIBUTE.size : _ATTRIBUTE.size + length])
        rest = rest[_ATTRIBUTE.size + length + -length % 4 :]
    return Message(_HEADER.unpack_from(message)[0], attributes)


def _attribute(number: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(number, len(value)) + value + bytes(-len(value) % 4)
