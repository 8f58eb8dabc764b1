"""The control socket: connections, calls in their order, replies. What a call does is in methods.py.

A bad message ends its own connection and nothing else; so does a fault in a handler. A client that leaves ends the
stream it was reading and an action that is a command; any other action that it asked for goes on to its end, so that
nothing is left half done.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from herd.core.errors import INTERFACE, HerdError, NotAllowed
from herd.core.protocol import MAX_CALL, Call, FrameBuffer, ProtocolViolation, decode_call, encode_error, encode_reply
from herd.daemon.access import Client, peer_of
from herd.daemon.audit import deed_of
from herd.daemon.doorkeeper import FREE, Doorkeeper, Share
from herd.daemon.factbook import Factbook
from herd.daemon.methods import METHODS, Method, Session, VarlinkError
from herd.daemon.supervisor import Supervisor
from herd.daemon.systemd import given_socket

_RECEIVE = 16 * 1024
# Calls read ahead on one connection before its reader waits.
_PIPELINE = 16
_BACKLOG = 512
# Connections accepted before anything else has its turn.
_AT_ONCE = 64
# Where there are no descriptors or no memory left, seconds until there may be some.
_EXHAUSTED, _RELIEF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM), 0.1
# Its value is the descriptor of the listening socket; of one that systemd made, the other variable's is.
_HANDED_OVER, _LENT = "HERD_LISTENER", "HERD_LENT_LISTENER"
# Longer than any Unix socket's path may be (sun_path, unix(7)).
_MAX_PATH = 107


@contextmanager
def sole_daemon(path: Path) -> Iterator[None]:
    """Hold the lock beside the socket. Raises HerdError, naming the daemon that answers there already."""
    try:
        lock = os.open(
            path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
    except OSError as error:
        raise HerdError(f"cannot listen on {path}: {error.strerror}; choose a directory that is there") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 100).decode("ascii", "replace").strip()
            raise HerdError(
                f"cannot listen on {path}: {owner or 'another herdd'} answers there already; "
                f"stop it with: herd --socket {path} stop root"
            ) from None
        # Held is held: where there is no room for its name, the next one is told of another herdd.
        with suppress(OSError):
            os.truncate(lock, 0)
            os.pwrite(lock, f"herdd (pid {os.getpid()})\n".encode(), 0)
        yield
    finally:
        os.close(lock)


class ControlSocket:
    """The listener, which can outlive this herdd. One that is `lent` is systemd's, and so is its path."""

    def __init__(self, server: trio.socket.SocketType, *, lent: bool) -> None:
        self.listener = trio.SocketListener(server)
        self.is_lent = lent
        self.is_handed_over = False

    def hand_over(self) -> dict[str, str]:
        """The environment in which the next herdd, executed in this process, finds it: no connection is refused."""
        self.is_handed_over = True
        descriptor = os.dup(self.listener.socket.fileno())
        os.set_inheritable(descriptor, True)
        return {**os.environ, _LENT if self.is_lent else _HANDED_OVER: str(descriptor)}


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[ControlSocket]:
    """Listen on the path, a stale socket replaced; gone from the path afterwards unless handed over.

    Everybody may connect (0666): places.py says why. A socket that systemd listens on is taken as it is, and stays.
    Raises HerdError.
    """
    control = _inherited(_HANDED_OVER) or _inherited(_LENT)
    if control is None:
        given = given_socket(os.environ, path)
        server = await _bound(path) if given is None else trio.socket.from_stdlib_socket(given)
        control = ControlSocket(server, lent=given is not None)
    try:
        yield control
    finally:
        control.listener.socket.close()
        if not control.is_handed_over and not control.is_lent:
            with suppress(OSError):
                os.unlink(path)


def _inherited(name: str) -> ControlSocket | None:
    """What the herdd that was executed before in this process has left."""
    if name not in os.environ:
        return None
    descriptor = int(os.environ.pop(name))
    os.set_inheritable(descriptor, False)
    return ControlSocket(trio.socket.from_stdlib_socket(socket.socket(fileno=descriptor)), lent=name == _LENT)


async def _bound(path: Path) -> trio.socket.SocketType:
    if len(os.fsencode(path)) > _MAX_PATH:
        raise HerdError(f"cannot listen on {path}: a socket's path has at most {_MAX_PATH} bytes; choose a shorter one")
    _remove_stale(path)
    server = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o111)
    try:
        await server.bind(os.fspath(path))
    except OSError as error:
        raise HerdError(f"cannot listen on {path}: {error.strerror}") from error
    finally:
        os.umask(before)
    server.listen(_BACKLOG)
    return server


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise HerdError(f"cannot listen on {path}: there is something that is no socket; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except BlockingIOError:
            # Somebody listens, with a full queue.
            raise HerdError(f"cannot listen on {path}: another process answers there already; stop it first") from None
        except OSError as error:
            if error.errno != errno.ECONNREFUSED:
                raise HerdError(f"cannot listen on {path}: {error.strerror}") from error
            path.unlink()
            return
        pid = peer_of(probe).pid
        raise HerdError(f"cannot listen on {path}: the process {pid} answers there already; stop it first")


async def serve(listener: trio.SocketListener, supervisor: Supervisor, say: Callable[[str], None]) -> None:
    """Serve every connection until cancelled."""
    factbook, doorkeeper = Factbook(), Doorkeeper()

    async def handle(stream: trio.SocketStream) -> None:
        client = Client(peer_of(stream.socket), lambda: supervisor.access)
        try:
            with doorkeeper.admission(client) as share:
                if share is not None:
                    await share.wait_turn()
                    await Connection(stream, client, supervisor, factbook, share).run()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except* Exception as group:
            say(f"internal fault in a connection: {group.exceptions!r}")
        finally:
            stream.socket.close()

    async with trio.open_nursery() as nursery:
        await _accept(listener, lambda stream: nursery.start_soon(handle, stream))


async def _accept(listener: trio.SocketListener, start: Callable[[trio.SocketStream], None]) -> None:
    """Many in a turn of the main loop: whoever waits behind those who connect again and again is not kept waiting."""
    with socket.socket(fileno=os.dup(listener.socket.fileno())) as server:
        server.setblocking(False)
        while True:
            await trio.lowlevel.wait_readable(server)
            for _ in range(_AT_ONCE):
                try:
                    connection, _ = server.accept()
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno in _EXHAUSTED:
                        await trio.sleep(_RELIEF)
                    break
                start(trio.SocketStream(trio.socket.from_stdlib_socket(connection)))


class Connection:
    """One client."""

    def __init__(
        self, stream: trio.SocketStream, client: Client, supervisor: Supervisor, factbook: Factbook, share: Share
    ) -> None:
        self._stream = stream
        self._supervisor = supervisor
        self._factbook = factbook
        self._client = client
        self._share = share
        self._gone = trio.Event()
        # Calls read and handed on.
        self._unanswered = 0
        # What a sender that was cancelled half-way left; it goes out before anything else does.
        self._unsent = bytearray()

    async def run(self) -> None:
        """Answer calls until the client leaves."""
        send, receive = trio.open_memory_channel[tuple[Call, int]](_PIPELINE)
        async with self._stream, trio.open_nursery() as nursery:
            nursery.start_soon(self._read, send)
            async for call, size in receive:
                await self._answer(call)
                self._unanswered -= 1
                self._share.end(size)
            nursery.cancel_scope.cancel()

    async def _read(self, calls: trio.MemorySendChannel[tuple[Call, int]]) -> None:
        """Frames into calls; notices that the client has left even while a call is being answered."""
        buffer = FrameBuffer(FREE if self._client.role is None else MAX_CALL)
        async with calls:
            try:
                while data := await self._stream.receive_some(_RECEIVE):
                    for frame in buffer.feed(data):
                        await self._take(frame, calls)
                    self._share.unfinished(buffer.size)
                await self._share.wait_turn()
            except (trio.BrokenResourceError, ProtocolViolation):
                # What was asked for before is still done, to its end.
                pass
            finally:
                self._gone.set()

    async def _take(self, frame: bytes, calls: trio.MemorySendChannel[tuple[Call, int]]) -> None:
        """Answer at once what needs no waiting, unless calls before it are still to be answered."""
        self._share.begin(len(frame))
        await self._share.wait_turn()
        call = decode_call(frame)
        method = METHODS.get(call.method)
        if not (method and method.is_binding) and not self._share.place.is_settled():
            raise ProtocolViolation("more connections of a user than it may have")
        if method is not None and not method.waits and not self._unanswered:
            await self._settle(method, call)
            self._share.end(len(frame))
        else:
            self._unanswered += 1
            await calls.send((call, len(frame)))

    async def _answer(self, call: Call) -> None:
        method = METHODS.get(call.method)
        if method is None or not method.ends_with_caller(self._supervisor, call):
            await self._settle(method, call)
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_when_gone, nursery.cancel_scope)
            await self._settle(method, call)
            nursery.cancel_scope.cancel()

    async def _settle(self, method: Method | None, call: Call) -> None:
        """Run the method and send its last reply, or the error that it ended with."""
        try:
            if method is None:
                raise VarlinkError("MethodNotFound", method=call.method)
            if method.needs_more and not call.more:
                raise VarlinkError("ExpectedMore")
            await self._check(method, call)
            await self._reply(method, call)
        except (VarlinkError, HerdError) as error:
            if method is not None and method.is_binding:
                self._client.renounce()
            if isinstance(error, VarlinkError):
                await self._send(call, encode_error(error.name, error.parameters))
                return
            if isinstance(error, NotAllowed):
                await self._supervisor.audit.refuse(self._client, deed_of(call))
            await self._send(call, encode_error(f"{INTERFACE}.{error.name}", error.parameters))

    async def _check(self, method: Method, call: Call) -> None:
        """Refuse, and note so, what is called without the role for it."""
        if (role := method.role(call)) is not None:
            await self._client.check(role, method.what or deed_of(call).what)

    async def _cancel_when_gone(self, scope: trio.CancelScope) -> None:
        await self._gone.wait()
        scope.cancel()

    async def _reply(self, method: Method, call: Call) -> None:
        async def send(parameters: dict[str, Any]) -> None:
            if method.is_stream:
                await self._check(method, call)
            await self._send(call, encode_reply(parameters, continues=True))

        last = await method.run(Session(self._supervisor, self._factbook, self._client, self._share.place, call, send))
        await self._send(call, encode_reply(last))

    async def _send(self, call: Call, data: bytes) -> None:
        if call.oneway:
            return
        self._unsent += data
        try:
            while self._unsent:
                sent = await self._stream.socket.send(self._unsent)
                del self._unsent[:sent]
        except (OSError, trio.ClosedResourceError):
            self._unsent.clear()
            # Its reader may not see it: it waits where many calls were sent ahead.
            self._gone.set()
