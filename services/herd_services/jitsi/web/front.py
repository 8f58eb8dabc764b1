"""The web server as browsers find it: asked by HTTP (RFC 9110) over TLS, its certificate verified for the domain.

Each question has a connection of its own, so the end of the connection is the end of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from herd.core.errors import HerdError
from herd.core.host import Host, HttpAnswer, Stream
from herd_services.certifying import MAX_PEM, Certificates

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)[ \r]")
_SWITCHING = 101
_MAX_ANSWER = 1024 * 1024
# Seconds.
_PATIENCE = 10.0


@frozen
class Front:
    """Where it is, for what domain, and with which certificates."""

    address: str
    port: int
    domain: str
    certificates: Certificates

    async def unanswered(
        self,
        host: Host,
        path: str,
        status: int = 200,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str | None:
        """Why it does not answer with this status, as the end of a sentence; None: it does."""
        try:
            answer = await self.asked(host, path, content, headers)
        except HerdError as error:
            return error.message
        return None if answer.status == status else f"it answers {answer.status} to {path}"

    async def asked(
        self, host: Host, path: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """Its answer; to a POST where there is `content`. Raises HerdError."""
        trusted = await self._trusted(host)

        async def ask() -> HttpAnswer:
            async with host.connected(self.address, self.port) as stream:
                await stream.start_tls(self.domain, trusted)
                await stream.send(_request(self.domain, path, content, headers or {}))
                return _answer(await _received(stream))

        try:
            return await host.within(_PATIENCE, ask)
        except TimeoutError as error:
            raise HerdError(f"port {self.port} does not answer to {path}") from error
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise HerdError(f"port {self.port} does not answer to {path}: {reason}") from error

    async def _trusted(self, host: Host) -> str:
        """What it is to show: nobody else's certificate is good enough."""
        file = self.certificates.certificate
        try:
            return (await host.read_guarded(file, MAX_PEM)).decode("ascii", "replace")
        except OSError as error:
            raise HerdError(f"cannot read the certificate {file}: {error.strerror}") from error


def _request(domain: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> bytes:
    named = {"Host": domain, "Connection": "close", "User-Agent": "herdd", **headers}
    if content is not None:
        named["Content-Length"] = str(len(content))
    lines = [
        f"{'GET' if content is None else 'POST'} {path} HTTP/1.1",
        *(f"{name}: {each}" for name, each in named.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + (content or b"")


async def _received(stream: Stream) -> bytes:
    """All of an answer; its head alone where another protocol begins behind it."""
    found = b""
    while data := await stream.receive():
        found += data
        if len(found) > _MAX_ANSWER:
            raise ValueError(f"its answer has more than {_MAX_ANSWER} bytes")
        if b"\r\n\r\n" in found and _answer(found).status == _SWITCHING:
            break
    return found


def _answer(data: bytes) -> HttpAnswer:
    """The body as it came, in chunks or not."""
    head, _, content = data.partition(b"\r\n\r\n")
    if (status := _STATUS.match(head)) is None:
        raise ValueError("its answer is not HTTP")
    return HttpAnswer(int(status[1]), content)
