"""As much of an HTTP server as a probe needs: one request on each connection, at most 64 KiB of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

_MAX_BODY = 64 * 1024
# Seconds that somebody may take to ask.
_PATIENCE = 10.0


@dataclass(frozen=True)
class Request:
    """What is asked; names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body. ValueError."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    """What is answered."""

    status: int
    text: str = ""
    kind: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()


NOT_FOUND = Response(404)


def in_json(content: Any, status: int = 200) -> Response:
    """An answer of an object."""
    return Response(status, json.dumps(content), "application/json")


Answer = Callable[[Request], Response] | Callable[[Request], Awaitable[Response]]


async def serve(host: str, port: int, answer: Answer, *, silent: bool) -> asyncio.Server:
    """Serves from here on; a silent one never answers. OSError."""

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, TimeoutError, IndexError):
            if silent:
                await reader.read(-1)
            else:
                request = await asyncio.wait_for(_request(reader), _PATIENCE)
                response = answer(request)
                writer.write(_encoded(response if isinstance(response, Response) else await response))
                await writer.drain()
        writer.close()

    return await asyncio.start_server(met, host, port)


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    named = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): content.strip() for name, _, content in named}
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _MAX_BODY:
        raise ValueError("too long")
    return Request(method, path.partition("?")[0], headers, await reader.readexactly(length))


def _encoded(response: Response) -> bytes:
    body = response.text.encode()
    length = (("Content-Type", response.kind), ("Content-Length", str(len(body))), ("Connection", "close"))
    headers = response.headers if response.status < 200 else (*length, *response.headers)
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines += [f"{name}: {content}" for name, content in headers]
    return "\r\n".join([*lines, "", ""]).encode() + body
