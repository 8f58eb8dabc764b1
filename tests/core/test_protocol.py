"""The wire: frames out of bytes however they come, calls out of frames, and nothing out of what is no call."""

from __future__ import annotations

import json
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herd.core import protocol
from herd.core.protocol import Call, FrameBuffer, ProtocolViolation

# What both ends may say: no NUL, no half of a surrogate pair.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def values(text: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    """Anything that JSON can say with such strings."""
    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        st.none() | st.booleans() | numbers | text,
        lambda inner: st.lists(inner) | st.dictionaries(text, inner),
        max_leaves=10,
    )


@given(st.dictionaries(TEXT, values(TEXT)), st.booleans(), st.booleans())
def test_a_call_comes_back_as_it_was(parameters: dict[str, object], more: bool, oneway: bool) -> None:
    frame = Call("a.b.C", parameters, more=more, oneway=oneway).encode()
    assert (frame.count(b"\0"), frame[-1]) == (1, 0)
    got = protocol.decode_call(frame[:-1])
    assert (got.method, got.parameters, got.more, got.oneway) == ("a.b.C", parameters, more, oneway)


@given(st.dictionaries(TEXT, values(TEXT)), st.booleans())
def test_a_reply_comes_back_as_it_was(parameters: dict[str, object], continues: bool) -> None:
    reply = protocol.decode(protocol.encode_reply(parameters, continues=continues)[:-1])
    assert reply == {"parameters": parameters} | ({"continues": True} if continues else {})
    error = protocol.decode(protocol.encode_error("a.b.C", parameters)[:-1])
    assert error == {"error": "a.b.C", "parameters": parameters}


def test_a_call_has_no_flag_that_is_not_set() -> None:
    assert json.loads(Call("a.B", {}).encode()[:-1]) == {"method": "a.B", "parameters": {}}


@given(values(st.lists(st.sampled_from(["\0", "\ud800", "\udfff", "\\", "u0000", "a"])).map("".join)))
def test_any_string_becomes_valid_utf_8_without_nul(value: object) -> None:
    frame = protocol.encode_reply({"value": value})
    assert (frame.count(b"\0"), frame[-1]) == (1, 0)
    assert "\0" not in str(json.loads(frame[:-1].decode("utf-8")))


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ({"a\0b": ["c\0d", ("\0",)]}, {"a\ufffdb": ["c\ufffdd", ["\ufffd"]]}),
        ({"half": "\ud800 \udc00"}, {"half": "? ?"}),
        # A backslash and the letters after it are no NUL.
        ({"text": "\\u0000"}, {"text": "\\u0000"}),
        ({"text": "\\u0000\0"}, {"text": "\\u0000\ufffd"}),
        ({"whole": "🐑"}, {"whole": "🐑"}),
    ],
)
def test_strings_that_clients_refuse_are_mended(sent: dict[str, object], got: dict[str, object]) -> None:
    assert json.loads(protocol.encode_reply(sent)[:-1].decode("utf-8")) == {"parameters": got}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@given(frames=st.lists(st.binary(max_size=20).map(lambda data: data.replace(b"\0", b"-")), max_size=5))
def test_frames_come_whole_at_every_chunk_size(frames: list[bytes], size: int) -> None:
    data, buffer = b"".join(frame + b"\0" for frame in frames), FrameBuffer(20)
    found = [frame for start in range(0, len(data), size) for frame in buffer.feed(data[start : start + size])]
    assert found == frames


def test_frames_that_nobody_took_yet_come_next() -> None:
    buffer = FrameBuffer(10)
    assert next(buffer.feed(b"one\0two\0thr")) == b"one"
    assert list(buffer.feed(b"ee\0")) == [b"two", b"three"]


@pytest.mark.parametrize("data", [b"x" * 11, b"x" * 11 + b"\0", b"\0" + b"x" * 11, b"y\0" + b"x" * 11 + b"\0"])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_frame_over_the_limit_is_refused(data: bytes, size: int) -> None:
    buffer = FrameBuffer(10)
    fed = chain.from_iterable(buffer.feed(data[start : start + size]) for start in range(0, len(data), size))
    with pytest.raises(ProtocolViolation, match="more than 10 bytes"):
        list(fed)


def test_frames_up_to_the_limit_pass_however_many_come_at_once() -> None:
    assert list(FrameBuffer(10).feed((b"x" * 10 + b"\0") * 1000)) == [b"x" * 10] * 1000


def test_frames_before_the_one_over_the_limit_are_still_given() -> None:
    found = FrameBuffer(10).feed(b"one\0" + b"x" * 11)
    assert next(found) == b"one"
    with pytest.raises(ProtocolViolation):
        next(found)


@pytest.mark.parametrize(
    "frame", [b"", b"no json", b"[]", b'"text"', b"3", b"null", b"\xff\xfe\xfd", b'{"a": ', b"{} {}"]
)
def test_what_is_no_object_is_a_violation(frame: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="not a JSON object"):
        protocol.decode(frame)


@pytest.mark.parametrize("frame", [b"[" * 100_000, b'{"a":' * 100_000, b'{"a": ' + b"9" * 5000 + b"}"])
def test_what_would_cost_too_much_is_a_violation(frame: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        protocol.decode(frame)


@given(st.binary() | values(TEXT).map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_a_call_or_a_violation(frame: bytes) -> None:
    try:
        call = protocol.decode_call(frame)
    except ProtocolViolation:
        return
    assert isinstance(call.method, str)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (b"", "no method"),
        (b'"method": null', "no method"),
        (b'"method": 3', "no method"),
        (b'"method": "Unqualified"', "no method"),
        (b'"method": "a.B", "parameters": []', "the parameters are no object"),
        (b'"method": "a.B", "parameters": ""', "the parameters are no object"),
        (b'"method": "a.B", "surprise": 1', "unknown key 'surprise'"),
        (b'"method": "a.B", "continues": true', "unknown key 'continues'"),
        *[
            (b'"method": "a.B", "%s": %s' % (flag, value), "a flag is no boolean")
            for flag in (b"more", b"oneway", b"upgrade")
            for value in (b"0", b"1", b'""', b'"true"', b"[]", b"{}")
        ],
    ],
)
def test_what_is_no_call_is_a_violation(members: bytes, reason: str) -> None:
    with pytest.raises(ProtocolViolation, match=f"^{reason}$"):
        protocol.decode_call(b"{" + members + b"}")


@pytest.mark.parametrize("parameters", [b"", b', "parameters": null', b', "parameters": {}'])
@pytest.mark.parametrize("flag", [b"", b', "more": false, "oneway": false', b', "more": null, "upgrade": null'])
def test_absent_null_and_empty_are_alike(parameters: bytes, flag: bytes) -> None:
    call = protocol.decode_call(b'{"method": "a.B"' + parameters + flag + b"}")
    assert (call.parameters, call.more, call.oneway) == ({}, False, False)
