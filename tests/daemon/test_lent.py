"""What procedures of services are lent: secrets, connections, answers by HTTP, word of files that change."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from herd.daemon.http import fetch
from herd.daemon.links import connected
from herd.daemon.secrets import Secrets
from herd.daemon.watching import watching
from herd_services.certificates import self_signed


@asynccontextmanager
async def serving(talk: Callable[[trio.abc.Stream], Awaitable[None]]) -> AsyncIterator[int]:
    """A server on a port of the loopback address."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, talk, [listener])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def test_a_secret_stays_until_it_is_renewed_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "secrets")
    first = await secrets.get("one")
    assert (len(first), first.isalnum()) == (48, True)
    assert await Secrets(tmp_path / "secrets").get("one") == first
    assert await secrets.get("other") != first
    second = await secrets.renew("one")
    assert second != first
    assert await secrets.get("one") == second
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "secrets").iterdir()} == {0o600}


async def test_all_that_ask_at_once_get_the_same_secret(tmp_path: Path) -> None:
    secrets, found = Secrets(tmp_path / "secrets"), set()

    async def ask() -> None:
        found.add(await secrets.get("one"))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask)
    assert len(found) == 1


async def test_a_file_that_is_replaced_is_told_of_behind_a_link_too(tmp_path: Path) -> None:
    # As certificates are renewed: the name is a link, which is laid anew, or its target is replaced.
    live, archive = tmp_path / "live", tmp_path / "archive"
    live.mkdir()
    archive.mkdir()
    name, target = live / "crt", archive / "crt1"
    target.write_text("one")
    name.symlink_to(target)

    def replace(path: Path) -> None:
        (path.parent / "new").write_text("two")
        os.rename(path.parent / "new", path)

    def lay() -> None:
        (archive / "crt2").write_text("three")
        (live / "new").symlink_to(archive / "crt2")
        os.rename(live / "new", name)

    with trio.fail_after(20):
        async with watching([name]) as changes:
            for change in (lambda: replace(target), lay):
                await trio.to_thread.run_sync(change)
                await anext(changes)


async def test_files_in_a_directory_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with watching([tmp_path / "nowhere" / "crt"]):
            pass


async def test_an_answer_by_http_comes_whole_and_bounded() -> None:
    heard = bytearray()

    async def talk(stream: trio.abc.Stream) -> None:
        while not heard.endswith(b"}"):
            heard.extend(await stream.receive_some())
        await stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\n\r\n")
        await stream.send_all(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    async with serving(talk) as port:
        answer = await fetch(f"http://127.0.0.1:{port}/a", "POST", json.dumps({"x": 1}).encode(), 5)
        assert (answer.status, answer.content) == (201, b"abcde")
        assert heard.startswith(b"POST /a HTTP/1.1\r\n")
        assert b"content-type: application/json\r\n" in heard.lower()
        with pytest.raises(ValueError, match="its answer has more than 4 bytes"):
            await fetch(f"http://127.0.0.1:{port}/a", "POST", b"{}", 4)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """A server's side for a.example.org, and its certificate in PEM."""
    key, certificate = self_signed(["a.example.org"], datetime.now(UTC))
    file = tmp_path_factory.mktemp("pair") / "both.pem"
    file.write_bytes(key + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, certificate.decode()


async def test_a_connection_is_encrypted_for_the_name_that_was_meant(pair: tuple[ssl.SSLContext, str]) -> None:
    context, certificate = pair
    _, stranger = self_signed(["a.example.org"], datetime.now(UTC))

    async def talk(stream: trio.abc.Stream) -> None:
        assert await stream.receive_some() == b"go"
        secured = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            await secured.send_all(b"secret")
            await secured.receive_some()
        except trio.BrokenResourceError:
            return

    async with serving(talk) as port:
        async with connected("127.0.0.1", port) as link:
            await link.send(b"go")
            await link.start_tls("a.example.org", certificate)
            assert await link.receive() == b"secret"
        for name, trusted, said in (
            ("b.example.org", certificate, "its certificate cannot be trusted: Hostname mismatch"),
            ("a.example.org", stranger.decode(), "its certificate cannot be trusted: self-signed certificate"),
        ):
            async with connected("127.0.0.1", port) as link:
                await link.send(b"go")
                with pytest.raises(OSError, match=said):
                    await link.start_tls(name, trusted)


async def test_a_connection_that_ends_is_told() -> None:
    async def talk(stream: trio.abc.Stream) -> None:
        await stream.receive_some()

    async with serving(talk) as port, connected("127.0.0.1", port) as link:
        await link.send(b"x")
        assert await link.receive() == b""
    with pytest.raises(OSError, match="refused"):
        async with connected("127.0.0.1", port):
            pass
