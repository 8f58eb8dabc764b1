"""Connections that a service's procedures are lent (core/host.py, Stream): TCP, encrypted when they ask for it."""

from __future__ import annotations

import errno
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from herd.core.host import Stream

_BLOCK = 64 * 1024


@asynccontextmanager
async def connected(address: str, port: int) -> AsyncIterator[Stream]:
    """A connection from entry to exit. Raises OSError, which says why."""
    link = Link(await _opened(address, port))
    try:
        yield link
    finally:
        await link.close()


async def _opened(address: str, port: int) -> trio.SocketStream:
    try:
        return await trio.open_tcp_stream(address, port)
    except OSError as error:
        # Of several attempts it says only that they failed.
        cause = error.__cause__
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        raise cause if isinstance(cause, OSError) else error from None


class Link:
    """One connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def send(self, data: bytes) -> None:
        """Raises OSError."""
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError as error:
            raise OSError(errno.EPIPE, why_broken(error)) from error

    async def receive(self) -> bytes:
        """What comes next, nothing at the end. Raises OSError."""
        try:
            return bytes(await self._stream.receive_some(_BLOCK))
        except trio.BrokenResourceError as error:
            raise OSError(errno.ECONNRESET, why_broken(error)) from error

    async def start_tls(self, name: str, trusted: str) -> None:
        """Encrypt from now on: the certificate has to be for that name and one of these, or signed by one (PEM)."""
        context = ssl.create_default_context(cadata=trusted)
        # One that was not signed by itself is an anchor as well.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        encrypted = trio.SSLStream(self._stream, context, server_hostname=name, https_compatible=True)
        try:
            await encrypted.do_handshake()
        except trio.BrokenResourceError as error:
            raise OSError(errno.EPROTO, why_broken(error)) from error
        self._stream = encrypted

    async def close(self) -> None:
        """At once, without waiting for the other side's word."""
        await trio.aclose_forcefully(self._stream)


def why_broken(error: trio.BrokenResourceError) -> str:
    """Why the other side, or what it shows, ended a connection: a clause."""
    match error.__cause__:
        case ssl.SSLCertVerificationError() as cause:
            return f"its certificate cannot be trusted: {cause.verify_message}"
        case ssl.SSLError() as cause:
            return f"it does not speak TLS: {cause.reason}"
        case _:
            return "the connection broke"
