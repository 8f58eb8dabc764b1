"""The wire: frames out of bytes however they come, calls out of frames, and nothing out of what is no call."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herd.core import protocol
from herd.core.protocol import Call, FrameBuffer, ProtocolViolation

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON), st.booleans(), st.booleans())
def test_a_call_comes_back_as_it_was(parameters: dict[str, object], more: bool, oneway: bool) -> None:
    sent = Call("a.b.C", parameters, more=more, oneway=oneway)
    frame = sent.encode()
    assert frame.endswith(b"\0")
    got = protocol.decode_call(frame[:-1])
    assert (got.method, got.more, got.oneway) == ("a.b.C", more, oneway)
    if "\0" not in json.dumps(parameters, ensure_ascii=False) and "\\u0000" not in json.dumps(parameters):
        assert got.parameters == parameters


@given(st.lists(st.binary().map(lambda data: data.replace(b"\0", b"-")), max_size=5), st.integers(1, 7))
def test_frames_come_whole_at_every_chunk_size(frames: list[bytes], size: int) -> None:
    data, buffer = b"".join(frame + b"\0" for frame in frames), FrameBuffer(100)
    found = [frame for start in range(0, len(data), size) for frame in buffer.feed(data[start : start + size])]
    assert found == frames


@pytest.mark.parametrize("data", [b"x" * 11, b"x" * 11 + b"\0"])
def test_a_frame_over_the_limit_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="more than 10 bytes"):
        list(FrameBuffer(10).feed(data))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"no json",
        b"[]",
        b"\xff\xfe\xfd",
        b"{}",
        b'{"method": 3}',
        b'{"method": "Unqualified"}',
        b'{"method": "a.B", "parameters": []}',
        b'{"method": "a.B", "more": 1}',
        b'{"method": "a.B", "surprise": 1}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_call_is_a_violation(frame: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        protocol.decode_call(frame)


@pytest.mark.parametrize("parameters", [b"", b', "parameters": null', b', "parameters": {}'])
@pytest.mark.parametrize("flag", [b"", b', "more": false', b', "more": null'])
def test_absent_null_and_empty_are_alike(parameters: bytes, flag: bytes) -> None:
    call = protocol.decode_call(b'{"method": "a.B"' + parameters + flag + b"}")
    assert (call.parameters, call.more) == ({}, False)


def test_a_reply_has_no_key_too_many() -> None:
    assert json.loads(protocol.encode_reply({})[:-1]) == {"parameters": {}}
    assert json.loads(protocol.encode_reply({"a": 1}, continues=True)[:-1]) == {
        "parameters": {"a": 1},
        "continues": True,
    }
    assert json.loads(protocol.encode_error("a.B", {})[:-1]) == {"error": "a.B", "parameters": {}}


def test_strings_that_clients_refuse_are_mended() -> None:
    frame = protocol.encode_reply({"a\0b": ["c\0d", ("\ud800",)]})
    assert frame.count(b"\0") == 1
    assert b"\\u0000" not in frame
    assert json.loads(frame[:-1].decode()) == {"parameters": {"a\ufffdb": ["c\ufffdd", ["?"]]}}
