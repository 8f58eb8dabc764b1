"""Requests by HTTP (RFC 9112, with h11): the status of an answer alone, or all of it.

Over TLS the server's certificate has to be for the URL's host, and of an authority that this machine trusts. No
redirection is followed.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import h11
import trio

from herd.core.host import HttpAnswer
from herd.daemon.links import why_broken

_PORTS = {"http": 80, "https": 443}
_BLOCK = 64 * 1024
# Of the rest of an answer of which only the status counts: bytes, and seconds.
_MAX_REST = 64 * 1024
_PATIENCE = 1.0


async def http_status(url: str) -> int:
    """The status of a GET, for `http[s]://HOST[:PORT][/PATH][?QUERY]`. Raises OSError, ValueError; both say why.

    Waits as long as the server does: to be cancelled at a time limit.
    """
    async with _asked(url, "GET", None) as exchange:
        status = await exchange.status()
        # Servers complain in their logs of whoever hangs up in the middle.
        with trio.move_on_after(_PATIENCE), suppress(OSError, ValueError):
            await exchange.content(_MAX_REST)
        return status


async def fetch(url: str, method: str, content: bytes | None, limit: int) -> HttpAnswer:
    """A whole answer, of at most `limit` bytes; `content` is JSON. Raises as http_status() does."""
    async with _asked(url, method, content) as exchange:
        return HttpAnswer(await exchange.status(), await exchange.content(limit))


class _Exchange:
    """An answer as it comes."""

    def __init__(self, stream: trio.abc.ReceiveStream, protocol: h11.Connection) -> None:
        self._stream, self._protocol = stream, protocol

    async def status(self) -> int:
        """Its status, which is not one of those before the answer."""
        while True:
            match await self._next():
                case h11.Response(status_code=status):
                    return status
                case h11.InformationalResponse():
                    continue
                case _:
                    raise ValueError("its answer is not HTTP")

    async def content(self, limit: int) -> bytes:
        """What follows. Raises ValueError for more than `limit` bytes."""
        content = b""
        while isinstance(event := await self._next(), h11.Data):
            content += event.data
            if len(content) > limit:
                raise ValueError(f"its answer has more than {limit} bytes")
        return content

    async def _next(self) -> Any:
        while True:
            try:
                event = self._protocol.next_event()
                if event is not h11.NEED_DATA:
                    return event
                self._protocol.receive_data(bytes(await self._stream.receive_some(_BLOCK)))
            except h11.RemoteProtocolError as error:
                raise ValueError("its answer is not HTTP") from error


@asynccontextmanager
async def _asked(url: str, method: str, content: bytes | None) -> AsyncIterator[_Exchange]:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("it is no http:// or https:// URL")
    try:
        async with await _connected(parts.scheme, parts.hostname, parts.port) as stream:
            protocol = h11.Connection(h11.CLIENT)
            await stream.send_all(_request(protocol, parts, method, content))
            yield _Exchange(stream, protocol)
    except trio.BrokenResourceError as error:
        raise OSError(why_broken(error)) from error


async def _connected(scheme: str, host: str, port: int | None) -> trio.abc.Stream:
    if scheme == "http":
        return await trio.open_tcp_stream(host, port or _PORTS[scheme])
    # Anew each time, for certificates are renewed while herdd runs; it reads many files.
    context = await trio.to_thread.run_sync(ssl.create_default_context)
    return await trio.open_ssl_over_tcp_stream(host, port or _PORTS[scheme], https_compatible=True, ssl_context=context)


def _request(protocol: h11.Connection, parts: SplitResult, method: str, content: bytes | None) -> bytes:
    # What is encoded already stays so.
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = f"?{quote(parts.query, safe='/%?:@!$&()*+,;=~')}" if parts.query else ""
    headers = [("Host", parts.netloc.rpartition("@")[2]), ("User-Agent", "herdd"), ("Accept", "*/*")]
    if content is not None:
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
    request = h11.Request(method=method, target=path + query, headers=[*headers, ("Connection", "close")])
    sent = protocol.send(request) or b""
    if content is not None:
        sent += protocol.send(h11.Data(data=content)) or b""
    return sent + (protocol.send(h11.EndOfMessage()) or b"")
