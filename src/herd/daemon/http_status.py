"""The status of an HTTP answer (RFC 9112): one GET, of whose answer only the first line counts.

Over TLS the server's certificate has to be for the URL's host, and of an authority that this machine trusts.
"""

from __future__ import annotations

import re
import ssl
from contextlib import suppress
from urllib.parse import quote, urlsplit

import trio

_PORTS = {"http": 80, "https": 443}
_MAX_LINE = 8192
# Of the rest of an answer: bytes, and seconds.
_MAX_REST = 64 * 1024
_PATIENCE = 1.0
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\n]*)?\r?\n")


async def http_status(url: str) -> int:
    """The status, for `http[s]://HOST[:PORT][/PATH][?QUERY]`. Raises OSError, ValueError; both say why.

    Waits as long as the server does: to be cancelled at a time limit. It follows no redirection.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("it is no http:// or https:// URL")
    try:
        async with await _connected(parts.scheme, parts.hostname, parts.port) as stream:
            await stream.send_all(_request(parts.path, parts.query, parts.netloc.rpartition("@")[2]))
            status = await _status(stream)
            await _hear_out(stream)
            return status
    except trio.BrokenResourceError as error:
        raise OSError(_reason(error)) from error


async def _connected(scheme: str, host: str, port: int | None) -> trio.abc.Stream:
    if scheme == "http":
        return await trio.open_tcp_stream(host, port or _PORTS[scheme])
    # Anew each time, for certificates are renewed while herdd runs; it reads many files.
    context = await trio.to_thread.run_sync(ssl.create_default_context)
    return await trio.open_ssl_over_tcp_stream(host, port or _PORTS[scheme], https_compatible=True, ssl_context=context)


def _reason(error: trio.BrokenResourceError) -> str:
    match error.__cause__:
        case ssl.SSLCertVerificationError() as cause:
            return f"its certificate cannot be trusted: {cause.verify_message}"
        case ssl.SSLError() as cause:
            return f"it does not speak TLS: {cause.reason}"
        case _:
            return "the connection broke"


def _request(path: str, query: str, host: str) -> bytes:
    # What is encoded already stays so.
    target = quote(path or "/", safe="/%:@!$&'()*+,;=~") + (
        f"?{quote(query, safe='/%?:@!$&()*+,;=~')}" if query else ""
    )
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "User-Agent: herdd", "Accept: */*", "Connection: close"]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


async def _status(stream: trio.abc.ReceiveStream) -> int:
    head = b""
    while b"\n" not in head:
        if len(head) > _MAX_LINE or not (data := await stream.receive_some(_MAX_LINE)):
            raise ValueError("its answer is not HTTP")
        head += data
    if (line := _STATUS_LINE.match(head)) is None:
        raise ValueError("its answer is not HTTP")
    return int(line[1])


async def _hear_out(stream: trio.abc.ReceiveStream) -> None:
    """Take the rest, within bounds: servers complain in their logs of whoever hangs up in the middle."""
    heard = 0
    with trio.move_on_after(_PATIENCE), suppress(trio.BrokenResourceError):
        while heard < _MAX_REST and (data := await stream.receive_some(_MAX_LINE)):
            heard += len(data)
