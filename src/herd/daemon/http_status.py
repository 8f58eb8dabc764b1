"""The status of an HTTP answer (RFC 9112): one GET over plain TCP, of whose answer only the first line counts."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import quote, urlsplit

import trio

_MAX_LINE = 8192
# Of the rest of an answer: bytes, and seconds.
_MAX_REST = 64 * 1024
_PATIENCE = 1.0
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\n]*)?\r?\n")


async def http_status(url: str) -> int:
    """The status, for `http://HOST[:PORT][/PATH][?QUERY]`. Raises OSError, ValueError; both say why.

    Waits as long as the server does: to be cancelled at a time limit. It follows no redirection.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("it is no http:// URL")
    try:
        async with await trio.open_tcp_stream(parts.hostname, parts.port or 80) as stream:
            await stream.send_all(_request(parts.path, parts.query, parts.netloc.rpartition("@")[2]))
            status = await _status(stream)
            await _hear_out(stream)
            return status
    except trio.BrokenResourceError as error:
        raise OSError("the connection broke") from error


def _request(path: str, query: str, host: str) -> bytes:
    # What is encoded already stays so.
    target = quote(path or "/", safe="/%:@!$&'()*+,;=~") + (
        f"?{quote(query, safe='/%?:@!$&()*+,;=~')}" if query else ""
    )
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "User-Agent: herdd", "Accept: */*", "Connection: close"]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


async def _status(stream: trio.SocketStream) -> int:
    head = b""
    while b"\n" not in head:
        if len(head) > _MAX_LINE or not (data := await stream.receive_some(_MAX_LINE)):
            raise ValueError("its answer is not HTTP")
        head += data
    if (line := _STATUS_LINE.match(head)) is None:
        raise ValueError("its answer is not HTTP")
    return int(line[1])


async def _hear_out(stream: trio.SocketStream) -> None:
    """Take the rest, within bounds: servers complain in their logs of whoever hangs up in the middle."""
    heard = 0
    with trio.move_on_after(_PATIENCE), suppress(trio.BrokenResourceError):
        while heard < _MAX_REST and (data := await stream.receive_some(_MAX_LINE)):
            heard += len(data)
