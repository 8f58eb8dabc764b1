"""One call to herdd and the replies to it, over its Unix socket, with nothing but the standard library."""

from __future__ import annotations

import os
import socket

from herd.core.errors import INTERFACE, KINDS, HerdError, SecretWanted, Unreachable
from herd.core.protocol import MAX_REPLY, Call, FrameBuffer, ProtocolViolation, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SYSTEM_SOCKET = "/run/herd/socket"
_RECEIVE = 256 * 1024


def default_socket() -> str:
    """$HERD_SOCKET; a user's own daemon's socket if there is one; the system's."""
    if named := os.environ.get("HERD_SOCKET"):
        return named
    if os.geteuid() != 0:
        runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
        own = f"{runtime}/herd/socket"
        if os.path.exists(own):
            return own
    return SYSTEM_SOCKET


def calls(
    path: str, method: str, parameters: dict[str, Any], represents: dict[str, str | None] | None = None
) -> Iterator[dict[str, Any]]:
    """Call a method with `more`; the parameters of each reply, the last one last. Raises HerdError.

    `represents` are the parameters of Represent, which is called before.
    """
    ahead = [] if represents is None else [Call(f"{INTERFACE}.Represent", represents)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(path)
            asked = [*ahead, Call(f"{INTERFACE}.{method}", parameters, more=True)]
            connection.sendall(b"".join(each.encode() for each in asked))
            yield from _replies(connection, len(ahead))
        except (OSError, ProtocolViolation) as error:
            raise _unreachable(path, error) from error


def _replies(connection: socket.socket, ahead: int) -> Iterator[dict[str, Any]]:
    """Those to the last call; `ahead` others come before."""
    buffer = FrameBuffer(MAX_REPLY)
    while data := connection.recv(_RECEIVE):
        for frame in buffer.feed(data):
            reply = decode(frame)
            if "error" in reply:
                raise _error(reply["error"], reply.get("parameters") or {})
            if ahead:
                ahead -= 1
                continue
            yield reply.get("parameters") or {}
            if not reply.get("continues"):
                return
    raise ProtocolViolation("it closed the connection before it answered")


def _error(name: str, parameters: dict[str, Any]) -> HerdError:
    kind = KINDS.get(name.removeprefix(f"{INTERFACE}."), HerdError)
    message = parameters.get("message") or f"cannot do that: herdd answers {name} {parameters}"
    if kind is SecretWanted and parameters.keys() >= {"prompt", "option"}:
        return SecretWanted(message, parameters["prompt"], parameters["option"])
    return kind(message)


def _unreachable(path: str, error: Exception) -> HerdError:
    text = f"cannot reach herdd at {path}"
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return Unreachable(f"{text}: no herdd runs there; start it with: herdd, or name its socket with --socket")
    if isinstance(error, PermissionError):
        return Unreachable(f"{text}: permission denied; ask as root")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Unreachable(f"{text}: {reason}; see whether it runs, and its log")
