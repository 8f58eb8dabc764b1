"""What is said between a Mumble client and its server (Mumble.proto): a type and a length, then protocol buffers.

A message is fields by number, each a list: whole numbers, or bytes. That much of protocol buffers (encoding guide of
protobuf.dev) is all that administration takes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum

from attrs import frozen

_HEADER = struct.Struct(">HI")
# Bytes of a message; a list, of bans or of registered users, may have some ten thousand entries.
_MAX_MESSAGE, _MAX_LIST = 256 * 1024, 8 * 1024 * 1024
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Field = int | str | bytes
Fields = Mapping[int, Field | Sequence[Field]]


class Type(IntEnum):
    """Of messages, as far as they matter here."""

    VERSION = 0
    UDP_TUNNEL = 1
    AUTHENTICATE = 2
    PING = 3
    REJECT = 4
    SERVER_SYNC = 5
    CHANNEL_REMOVE = 6
    CHANNEL_STATE = 7
    USER_REMOVE = 8
    USER_STATE = 9
    BAN_LIST = 10
    TEXT_MESSAGE = 11
    PERMISSION_DENIED = 12
    USER_LIST = 18
    USER_STATS = 22


class BadMessage(ValueError):
    """What was received is no message; the text is a clause."""


@frozen
class Message:
    """Its fields by number."""

    fields: Mapping[int, Sequence[int | bytes]]

    def number(self, which: int, default: int = 0) -> int:
        """The last value of a field that holds a whole number."""
        value = self.fields.get(which, (default,))[-1]
        if not isinstance(value, int):
            raise BadMessage(f"its field {which} holds no number")
        return value

    def has(self, which: int) -> bool:
        """Whether the field is there."""
        return which in self.fields

    def content(self, which: int) -> bytes:
        """The last value of a field that holds bytes."""
        value = self.fields.get(which, (b"",))[-1]
        if not isinstance(value, bytes):
            raise BadMessage(f"its field {which} holds no text")
        return value

    def text(self, which: int) -> str:
        """The last value of a field that holds a text."""
        return self.content(which).decode("utf-8", "replace")

    def parts(self, which: int) -> list[Message]:
        """The values of a field that holds messages."""
        return [decoded(each) for each in self.fields.get(which, ()) if isinstance(each, bytes)]


def framed(kind: Type, fields: Fields) -> bytes:
    """A message as it is sent."""
    content = encoded(fields)
    return _HEADER.pack(kind, len(content)) + content


def encoded(fields: Fields) -> bytes:
    """The fields alone."""
    return b"".join(
        _field(which, each)
        for which, value in fields.items()
        for each in ([value] if isinstance(value, int | str | bytes) else value)
    )


def taken(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Every message, type and content, that is whole; what is left stays in the buffer. Raises BadMessage."""
    while len(buffer) >= _HEADER.size:
        kind, length = _HEADER.unpack_from(buffer)
        if length > (_MAX_LIST if kind in (Type.BAN_LIST, Type.USER_LIST) else _MAX_MESSAGE):
            raise BadMessage(f"it has {length} bytes")
        if len(buffer) < _HEADER.size + length:
            return
        content = bytes(buffer[_HEADER.size : _HEADER.size + length])
        del buffer[: _HEADER.size + length]
        yield kind, content


def decoded(content: bytes) -> Message:
    """The fields of a message. Raises BadMessage."""
    found: dict[int, list[int | bytes]] = {}
    place = 0
    while place < len(content):
        tag, place = _varint(content, place)
        value, place = _value(content, place, tag & 7)
        found.setdefault(tag >> 3, []).append(value)
    return Message(found)


def _field(which: int, value: Field) -> bytes:
    if isinstance(value, int):
        return _number(which << 3 | _VARINT) + _number(value)
    content = value.encode() if isinstance(value, str) else value
    return _number(which << 3 | _BYTES) + _number(len(content)) + content


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            break
        value |= (content[place] & 0x7F) << shift
        place += 1
        if content[place - 1] < 0x80:
            return value, place
    raise BadMessage("it ends in the middle of a number")


def _value(content: bytes, place: int, form: int) -> tuple[int | bytes, int]:
    if form == _VARINT:
        return _varint(content, place)
    if form == _BYTES:
        length, place = _varint(content, place)
    elif form in (_FIXED32, _FIXED64):
        length = 4 if form == _FIXED32 else 8
    else:
        raise BadMessage(f"a field has the unknown form {form}")
    if place + length > len(content):
        raise BadMessage("it ends in the middle of a field")
    return content[place : place + length], place + length
