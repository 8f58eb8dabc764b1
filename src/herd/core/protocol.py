"""The socket's messages: one JSON object, one NUL byte (Varlink, https://varlink.org).

Rules of the wire, measured with varlinkctl and the varlink package of PyPI:
- a call has method, parameters, oneway, more, upgrade; any other key ends the connection;
- absent, null and {} parameters are alike, and so are an absent and a false flag;
- a reply has parameters (always sent), continues or error, and nothing else;
- strings carry no NUL and no lone surrogate, for varlinkctl refuses both.
Imported by the command at every start: json and nothing heavier.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# A request is a few words; execve(2) lets none have more than 128 KiB. The largest reply is a listing. varlinkctl
# itself stops at 16 MiB.
MAX_CALL = 256 * 1024
MAX_REPLY = 16 * 1024 * 1024

CALL_KEYS = frozenset({"method", "parameters", "oneway", "more", "upgrade"})

_CONTINUES = ',"continues":true'


class ProtocolViolation(Exception):
    """The peer sent what no Varlink peer may send; its connection has to end."""


class Call:
    """One call: `method` fully qualified, `parameters` a JSON object, the flags as booleans."""

    __slots__ = ("method", "more", "oneway", "parameters")

    def __init__(self, method: str, parameters: dict[str, Any], *, more: bool = False, oneway: bool = False) -> None:
        self.method = method
        self.parameters = parameters
        self.more = more
        self.oneway = oneway

    def encode(self) -> bytes:
        """The call as bytes, its NUL included."""
        message: dict[str, Any] = {"method": self.method, "parameters": self.parameters}
        if self.more:
            message["more"] = True
        if self.oneway:
            message["oneway"] = True
        return encode(message)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Encoded:
    """Parameters that are JSON already."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def to_json(value: Any) -> str:
    """A value as the wire has it."""
    text = _ENCODER.encode(value)
    return _ENCODER.encode(_without_nul(value)) if "\\u0000" in text else text


def _frame(text: str) -> bytes:
    return text.encode("utf-8", "replace") + b"\0"


def encode(message: dict[str, Any]) -> bytes:
    """A message as bytes, its NUL included."""
    return _frame(to_json(message))


def encode_reply(parameters: dict[str, Any] | Encoded, *, continues: bool = False) -> bytes:
    """A reply; `continues` says that more of them follow for the same call."""
    text = parameters.text if isinstance(parameters, Encoded) else to_json(parameters)
    return _frame(f'{{"parameters":{text}{_CONTINUES if continues else ""}}}')


def encode_error(name: str, parameters: dict[str, Any]) -> bytes:
    """An error reply; `name` is fully qualified."""
    return encode({"error": name, "parameters": parameters})


def decode(frame: bytes) -> dict[str, Any]:
    """One frame without its NUL as an object. Raises ProtocolViolation."""
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise ProtocolViolation(f"not a JSON object: {error}") from error
    if not isinstance(message, dict):
        raise ProtocolViolation("not a JSON object")
    return message


def decode_call(frame: bytes) -> Call:
    """One frame without its NUL as a call. Raises ProtocolViolation."""
    message = decode(frame)
    if unknown := message.keys() - CALL_KEYS:
        raise ProtocolViolation(f"unknown key {sorted(unknown)[0]!r}")
    method, parameters = message.get("method"), message.get("parameters")
    if not isinstance(method, str) or "." not in method:
        raise ProtocolViolation("no method")
    if parameters is not None and not isinstance(parameters, dict):
        raise ProtocolViolation("the parameters are no object")
    flags = [message.get(flag) for flag in ("more", "oneway", "upgrade")]
    if not all(flag is None or isinstance(flag, bool) for flag in flags):
        raise ProtocolViolation("a flag is no boolean")
    return Call(method, parameters or {}, more=bool(flags[0]), oneway=bool(flags[1]))


class FrameBuffer:
    """Bytes in, whole frames out, never more than `limit` bytes held for one frame."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        # So far there is no NUL in the rest.
        self._searched = 0

    @property
    def size(self) -> int:
        """Bytes of the frame that is not finished."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that `data` completes. Raises ProtocolViolation when one exceeds the limit."""
        self._rest += data
        while (end := self._rest.find(b"\0", self._searched)) >= 0:
            if end > self._limit:
                raise ProtocolViolation(f"a message of more than {self._limit} bytes")
            frame = bytes(self._rest[:end])
            del self._rest[: end + 1]
            self._searched = 0
            yield frame
        self._searched = len(self._rest)
        if len(self._rest) > self._limit:
            raise ProtocolViolation(f"a message of more than {self._limit} bytes")


def _without_nul(value: Any) -> Any:
    """`value` with U+FFFD for every NUL inside its strings."""
    if isinstance(value, str):
        return value.replace("\0", "�")
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nul(item) for item in value]
    return value
