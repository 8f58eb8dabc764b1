"""Probes of real processes and sockets: what passes, and the sentence for what does not."""

from __future__ import annotations

import os
import pwd
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

from herd.core.readiness import CommandSuccess, HttpStatus, Probe, TcpPort, UnixSocket
from herd.core.service import Program
from herd.daemon.census import MARK
from herd.daemon.children import become_subreaper, reap_orphans
from herd.daemon.identity import identity
from herd.daemon.probe import Prober
from ports import free_port

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    become_subreaper()
    before = (set(os.listdir("/proc/self/fd")), {child.pid for child in psutil.Process().children()})
    yield
    reap_orphans()
    # What another test left may be collected meanwhile.
    assert set(os.listdir("/proc/self/fd")) <= before[0]
    assert {child.pid for child in psutil.Process().children()} <= before[1]


def prober(*pids: int, **keys: Any) -> Prober:
    program = Program(("true",), **keys)
    return Prober("web", program, identity(program), lambda: set(pids))


async def answer(probe: Probe, *pids: int, **keys: Any) -> str | None:
    with trio.fail_after(20):
        return await prober(*pids, **keys).check(probe)


def listening(host: str = "127.0.0.1", **keys: Any) -> socket.socket:
    return socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, **keys)


# A port.


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "*"),
        ("127.0.0.1", ""),
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("::1", "::1"),
        ("::", "::1"),
        ("::", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
    ],
)
async def test_a_process_of_its_own_listens(host: str, asked: str) -> None:
    with listening(host, dualstack_ipv6=host not in ("::1", asked) and ":" in host) as server:
        assert await answer(TcpPort(asked, server.getsockname()[1]), 2**22 + 1, os.getpid()) is None


@pytest.mark.parametrize(
    ("host", "asked"), [("127.0.0.1", "127.0.0.2"), ("127.0.0.1", "::1"), ("::1", "127.0.0.1"), ("0.0.0.0", "::1")]
)
async def test_nobody_listens_on_that_address(host: str, asked: str) -> None:
    with listening(host) as server:
        port = server.getsockname()[1]
        shown = f"[{asked}]:{port}" if ":" in asked else f"{asked}:{port}"
        assert await answer(TcpPort(asked, port), os.getpid()) == f"nothing listens on {shown}"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_a_socket_for_ipv6_alone_does_not_serve_ipv4() -> None:
    with listening("::") as server:
        port = server.getsockname()[1]
        assert await answer(TcpPort("127.0.0.1", port), os.getpid()) == f"nothing listens on 127.0.0.1:{port}"
        for host in ("::1", "*"):
            assert await answer(TcpPort(host, port), os.getpid()) is None
        with socket.create_server(("0.0.0.0", port)):
            assert await answer(TcpPort("127.0.0.1", port), os.getpid()) is None


async def test_bound_is_not_listening() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert await answer(TcpPort("127.0.0.1", port), os.getpid()) == f"nothing listens on 127.0.0.1:{port}"


async def test_connected_is_not_listening() -> None:
    with listening() as server, socket.create_connection(server.getsockname()), server.accept()[0]:
        port = server.getsockname()[1]
        server.close()
        assert await answer(TcpPort("127.0.0.1", port), os.getpid()) == f"nothing listens on 127.0.0.1:{port}"


async def test_another_process_listens() -> None:
    name = Path("/proc/self/comm").read_text().strip()
    with listening() as server:
        port = server.getsockname()[1]
        reason = await answer(TcpPort("127.0.0.1", port), os.getppid())
    assert reason == f"process {name} (pid {os.getpid()}) listens on 127.0.0.1:{port}, none of its own"


async def test_nobody_is_connected_to() -> None:
    with listening() as server:
        assert await answer(TcpPort("127.0.0.1", server.getsockname()[1]), os.getpid()) is None
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


async def test_a_host_that_is_not_known() -> None:
    reason = await answer(TcpPort("no such host", 80), os.getpid())
    assert reason is not None
    assert reason.startswith("no such host cannot be looked up: ")


# A Unix socket.


async def test_a_unix_socket_takes_a_connection(tmp_path: Path) -> None:
    # Longer than an address can be.
    directory = tmp_path / ("x" * 100)
    directory.mkdir()
    path = directory / "socket"
    assert await answer(UnixSocket(path)) == f"nothing listens on {path}"
    with socket.socket(socket.AF_UNIX) as server:
        os.symlink(directory, tmp_path / "short")
        server.bind(f"/proc/self/fd/{(opened := os.open(directory, os.O_RDONLY))}/socket")
        os.close(opened)
        assert await answer(UnixSocket(path)) == f"nothing listens on {path}"
        server.listen(0)
        assert await answer(UnixSocket(path)) is None
        # Nobody accepts, and the queue is full.
        assert await answer(UnixSocket(path)) == f"{path} takes no connection: Resource temporarily unavailable"
    path.unlink()
    path.touch()
    assert await answer(UnixSocket(path)) == f"{path} is no socket"


# HTTP.


@asynccontextmanager
async def http_server(
    answers: list[bytes], tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answers as given, in bits, then closes; without an answer left it keeps the connection."""
    requests: list[bytes] = []

    async def serve(stream: trio.abc.Stream) -> None:
        if tls is not None:
            stream = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
        with suppress(trio.BrokenResourceError):
            await talk(stream)

    async def talk(stream: trio.abc.Stream) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += await stream.receive_some()
        requests.append(request)
        if not answers:
            await trio.sleep_forever()
        # One that never was HTTP is not listened to until its end: then the connection breaks.
        for byte in answers.pop(0):
            await stream.send_all(bytes([byte]))
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield f"http{'s' if tls else ''}://127.0.0.1:{listener.socket.getsockname()[1]}", requests
        nursery.cancel_scope.cancel()


async def test_the_status_that_is_wanted() -> None:
    replies = [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 204\r\n\r\n", b"HTTP/1.1 503 Not Yet\r\nA: b\r\n\r\n"]
    async with http_server(replies) as (url, requests):
        assert await answer(HttpStatus(f"{url}/a b?c=%20d")) is None
        assert await answer(HttpStatus(url, 204)) is None
        assert await answer(HttpStatus(f"{url}/health")) == f"{url}/health answered 503, not 200"
    host = url.removeprefix("http://").encode()
    assert requests[0].startswith(b"GET /a%20b?c=%20d HTTP/1.1\r\nHost: " + host + b"\r\n")
    assert requests[1].startswith(b"GET / HTTP/1.1\r\n")


async def test_an_answer_is_heard_out() -> None:
    # Whether the server could send all of it: if not, this raises in the server.
    heard = []

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(3):
            await stream.send_all(b"x" * 1000)
        await stream.send_eof()
        heard.append(await stream.receive_some())

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        assert await answer(HttpStatus(f"http://127.0.0.1:{listener.socket.getsockname()[1]}/")) is None
        with trio.fail_after(20):
            while not heard:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert heard == [b""]


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 20\r\n", b"SSH-2.0-OpenSSH\r\n", b"x" * 20000, b"HTTP/1.1 200"])
async def test_what_is_no_answer(reply: bytes) -> None:
    async with http_server([reply]) as (url, _):
        assert await answer(HttpStatus(url)) == f"{url} did not answer: its answer is not HTTP"


async def test_no_server_and_no_url() -> None:
    port = free_port()
    reason = await answer(HttpStatus(f"http://127.0.0.1:{port}/"))
    assert reason is not None
    assert reason.startswith(f"http://127.0.0.1:{port}/ did not answer: ")
    for url in ("ftp://127.0.0.1/", "http://", "http://a:b/"):
        assert str(await answer(HttpStatus(url))).startswith(f"{url} did not answer: ")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and its key."""
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", path, "-out", path], check=True, capture_output=True)
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_the_status_over_tls(certificate: Path, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with http_server([b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 503 No\r\n\r\n"], tls) as (url, requests):
        assert await answer(HttpStatus(url, 204)) is None
        assert await answer(HttpStatus(url)) == f"{url} answered 503, not 200"
        assert len(requests) == 2
        # The certificate is not for that name.
        url = url.replace("127.0.0.1", "localhost")
        reason = await answer(HttpStatus(url))
    assert reason is not None
    assert reason.startswith(f"{url} did not answer: its certificate cannot be trusted: ")
    assert "localhost" in reason


async def test_a_certificate_that_nobody_trusts(tls: ssl.SSLContext) -> None:
    async with http_server([b"HTTP/1.1 200 OK\r\n\r\n"], tls) as (url, requests):
        reason = await answer(HttpStatus(url))
    assert reason is not None
    assert reason.startswith(f"{url} did not answer: its certificate cannot be trusted: self")
    assert requests == []


async def test_a_server_without_tls() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(b"SSH-2.0-OpenSSH\r\n")
        await stream.receive_some()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        url = f"https://127.0.0.1:{listener.socket.getsockname()[1]}/"
        reason = await answer(HttpStatus(url))
        nursery.cancel_scope.cancel()
    assert reason is not None
    assert reason.startswith(f"{url} did not answer: it does not speak TLS: ")


async def test_a_server_that_says_nothing_is_given_up_by_cancellation() -> None:
    async with http_server([]) as (url, requests), trio.open_nursery() as nursery:
        nursery.start_soon(answer, HttpStatus(url))
        with trio.fail_after(20):
            while not requests:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


# A command.


async def test_how_a_command_ends() -> None:
    assert await answer(CommandSuccess(("true",))) is None
    assert await answer(CommandSuccess(("sh", "-c", "exit 3"))) == "its command exited with 3"
    assert await answer(CommandSuccess(("sh", "-c", "kill -9 $$"))) == "its command was ended by SIGKILL (9)"
    reason = await answer(CommandSuccess(("/no/such/command",)))
    assert reason == "its command /no/such/command cannot be executed: No such file or directory"


@is_root
async def test_a_command_is_run_as_the_service(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    script = f'[ "$(id -u):$PORT:$HERD_SERVICE:$PWD" = "{nobody.pw_uid}:80:web:/usr" ]'
    keys = {"user": "nobody", "environment": {"PORT": "80"}, "directory": Path("/usr")}
    assert await answer(CommandSuccess(("sh", "-c", script)), **keys) is None


async def test_a_command_may_print_more_than_a_pipe_holds() -> None:
    assert await answer(CommandSuccess(("head", "-c", "1000000", "/dev/zero"))) is None


async def test_nothing_of_a_command_is_left() -> None:
    # The fixture looks.
    assert await answer(CommandSuccess(("sh", "-c", "setsid sleep 1000 & sleep 1001 & exit 0"))) is None


async def test_a_command_that_is_cancelled_is_ended_with_all_below(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"trap '' TERM; setsid sleep 1000 & sleep 1001 & echo here >{fifo}; wait"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer, CommandSuccess(("sh", "-c", script)))
        with trio.fail_after(20):
            assert await trio.to_thread.run_sync(fifo.read_text) == "here\n"
        nursery.cancel_scope.cancel()


async def test_a_command_is_not_taken_for_an_orphan() -> None:
    assert MARK not in os.environ
    async with trio.open_nursery() as nursery:

        async def reap() -> None:
            while True:
                reap_orphans()
                await trio.lowlevel.checkpoint()

        nursery.start_soon(reap)
        for _ in range(5):
            assert await answer(CommandSuccess(("sh", "-c", "exit 3"))) == "its command exited with 3"
        nursery.cancel_scope.cancel()


# Again and again.


async def test_it_is_asked_until_it_passes() -> None:
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    with subprocess.Popen((sys.executable, "-c", code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        child.communicate(b"\n")
    asking = prober(os.getpid())
    async with trio.open_nursery() as nursery:
        with trio.fail_after(20):
            nursery.start_soon(asking.until_ready, TcpPort("127.0.0.1", port))
            while asking.reason != f"nothing listens on 127.0.0.1:{port}":
                await trio.lowlevel.checkpoint()
            with socket.create_server(("127.0.0.1", port)):
                while nursery.child_tasks:
                    await trio.lowlevel.checkpoint()


async def test_the_last_reason_is_kept(tmp_path: Path) -> None:
    count = tmp_path / "count"
    script = f"echo >>{count}; exit $(wc -l <{count})"
    asking = prober()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking.until_ready, CommandSuccess(("sh", "-c", f"umask 0; {script}")))
            while asking.reason != "its command exited with 3":
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()


async def test_an_attempt_that_gets_no_answer_is_one_of_many(autojump_clock: object) -> None:
    first = True

    class Deaf(Prober):
        async def check(self, probe: Probe) -> str | None:
            nonlocal first
            if first:
                first = False
                await trio.sleep_forever()
            return None

    asking = Deaf("web", Program(("true",)), identity(Program(("true",))), set)
    await asking.until_ready(HttpStatus("http://127.0.0.1/"))
    assert asking.reason == "it did not answer for 10 seconds"
