"""What a Mumble server says, be it nonsense: read as protocol buffers, within bounds."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herd_services.mumble.messages import BadMessage, Type, decoded, encoded, framed, taken
from herd_services.mumble.people import path
from herd_services.mumble.session import Channel, Refused, Session

_VALUES = st.one_of(st.integers(0, 2**63), st.binary(max_size=300))


@given(st.dictionaries(st.integers(1, 2000), st.lists(_VALUES, min_size=1, max_size=4), max_size=8))
def test_what_is_written_is_read(fields: dict[int, list[Any]]) -> None:
    assert {which: list(values) for which, values in decoded(encoded(fields)).fields.items()} == fields


@given(st.binary(max_size=400))
def test_nonsense_is_a_bad_message_or_one(content: bytes) -> None:
    try:
        message = decoded(content)
        for which in message.fields:
            message.number(which)
            message.text(which)
    except BadMessage:
        pass


@given(st.binary(max_size=200), st.integers(1, 7))
def test_messages_come_in_pieces_of_any_size(content: bytes, size: int) -> None:
    sent = framed(Type.PING, {1: 5}) + framed(Type.TEXT_MESSAGE, {5: content})
    buffer, found = bytearray(), list[tuple[int, bytes]]()
    for start in range(0, len(sent), size):
        buffer += sent[start : start + size]
        found += taken(buffer)
    assert [(kind, decoded(each).fields) for kind, each in found] == [(Type.PING, {1: [5]}), (11, {5: [content]})]
    assert not buffer


@pytest.mark.parametrize(("kind", "length"), [(Type.USER_STATE, 256 * 1024 + 1), (Type.BAN_LIST, 8 * 1024 * 1024 + 1)])
def test_too_long_a_message_is_refused_before_it_is_there(kind: Type, length: int) -> None:
    with pytest.raises(BadMessage, match=f"it has {length} bytes"):
        list(taken(bytearray(struct.pack(">HI", kind, length))))
    assert list(taken(bytearray(struct.pack(">HI", kind, length - 1)))) == []


def test_rooms_that_are_in_each_other_are_refused() -> None:
    stream: Any = None
    within: Any = None
    rooms = {1: Channel(1, "one", 2), 2: Channel(2, "two", 1), 3: Channel(3, "lost", 9)}
    session = Session(stream, within, channels=rooms)
    with pytest.raises(Refused, match="in each other"):
        path(session, rooms[1])
    assert path(session, rooms[3]) == "lost"
    assert path(session, None) == "?"
