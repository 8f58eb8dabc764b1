"""A D-Bus client for trio: one connection, one task that receives, replies told apart by their serial.

dbus-next brings the wire format; its own connections belong to asyncio, so they are not used. Its marshalling is
private, hence pinned, and used in this file alone. Wire rules: D-Bus specification, "Message Protocol" and
"Authentication Protocol".
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import trio
from dbus_next import Message, MessageType
from dbus_next._private.unmarshaller import Unmarshaller

from herd.core.bus import BusCall, BusSignal
from herd.core.errors import HerdError

_BUS = "org.freedesktop.DBus"
# The specification allows 128 MiB; no answer of a supervised service comes near this.
MAX_MESSAGE = 32 * 1024 * 1024
_MAX_HANDSHAKE = 1024
_RECEIVE = 64 * 1024


class BusError(HerdError):
    """The bus or its peer answered with an error, too late, or not at all; `error_name` is D-Bus's."""

    def __init__(self, text: str, error_name: str = "") -> None:
        super().__init__(text)
        self.error_name = error_name


class BusConnection:
    """A connection; usable once `connected` has entered, until its context ends."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._serial = 0
        self._replies: dict[int, trio.MemorySendChannel[Message]] = {}
        self._listeners: set[tuple[trio.MemorySendChannel[BusSignal], str, frozenset[str]]] = set()
        self._sending = trio.Lock()
        self._lost = False

    async def call(self, call: BusCall, timeout: float = 60.0) -> tuple[Any, ...]:
        """The values of the reply. Raises BusError."""
        if self._lost:
            raise BusError(f"cannot call {call.member}: the bus is gone")
        message = Message(
            destination=call.destination,
            path=call.path,
            interface=call.interface,
            member=call.member,
            signature=call.signature,
            body=list(call.body),
        )
        with trio.move_on_after(timeout):
            return _values(call, await self._exchange(call, message))
        raise BusError(f"cannot call {call.member}: {call.destination} did not answer within {timeout:g} seconds")

    async def _exchange(self, call: BusCall, message: Message) -> Message:
        self._serial += 1
        message.serial = serial = self._serial
        send, receive = trio.open_memory_channel[Message](1)
        self._replies[serial] = send
        try:
            await self._send(message)
            return await receive.receive()
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise BusError(f"cannot call {call.member}: the bus is gone") from error
        finally:
            self._replies.pop(serial, None)

    async def _send(self, message: Message) -> None:
        async with self._sending:
            # A message cut short would garble all that follow, so a sender that is cancelled finishes it.
            # The bus reads at once; one that does not is ended by its own supervisor.
            with trio.CancelScope(shield=True):
                await self._stream.send_all(message._marshall())

    @asynccontextmanager
    async def signals(self, interface: str, *members: str) -> AsyncIterator[AsyncIterator[BusSignal]]:
        """The named signals of an interface, from entry to exit."""
        send, receive = trio.open_memory_channel[BusSignal](float("inf"))
        listener = (send, interface, frozenset(members))
        rules = [f"type='signal',interface='{interface}',member='{member}'" for member in members]
        self._listeners.add(listener)
        try:
            for rule in rules:
                await self.call(_bus_call("AddMatch", "s", rule))
            yield receive
        finally:
            self._listeners.discard(listener)
            send.close()
            with trio.move_on_after(1, shield=True):
                await self._forget(rules)

    async def _forget(self, rules: list[str]) -> None:
        for rule in rules:
            try:
                await self.call(_bus_call("RemoveMatch", "s", rule))
            except BusError:
                return

    async def receive(self) -> None:
        """Hand every message to whoever waits for it, until the bus closes."""
        try:
            async with aclosing(frames(self._stream)) as received:
                async for frame in received:
                    self._dispatch(_message(frame))
        except (trio.BrokenResourceError, trio.ClosedResourceError, BusError):
            # A bus that sends what is no message is as good as gone.
            pass
        finally:
            self._lost = True
            for reply in self._replies.values():
                reply.close()
            for listener, _, _ in self._listeners:
                listener.close()

    def _dispatch(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL:
            signal = BusSignal(message.interface, message.member, tuple(message.body))
            for send, interface, members in self._listeners:
                if interface == message.interface and message.member in members:
                    send.send_nowait(signal)
        elif waiting := self._replies.pop(message.reply_serial, None):
            waiting.send_nowait(message)


def _message(frame: bytes) -> Message:
    try:
        message: Message = Unmarshaller(io.BytesIO(frame)).unmarshall()
    except Exception as error:
        # Whatever garbage makes of a reader that trusts its input.
        raise BusError(f"cannot read a message from the bus: {error}") from error
    return message


def _values(call: BusCall, reply: Message) -> tuple[Any, ...]:
    if reply.message_type is MessageType.ERROR:
        text = reply.body[0] if reply.body else reply.error_name
        raise BusError(f"cannot call {call.member}: {text}", reply.error_name)
    return tuple(reply.body)


def _bus_call(member: str, signature: str = "", *body: str) -> BusCall:
    return BusCall(_BUS, "/org/freedesktop/DBus", _BUS, member, signature, body)


async def frames(stream: trio.abc.ReceiveStream) -> AsyncGenerator[bytes, None]:
    """Whole messages from a stream of bytes. Raises BusError for one that is too large."""
    buffer = bytearray()
    while data := await stream.receive_some(_RECEIVE):
        buffer += data
        while len(buffer) >= 16 and len(buffer) >= (size := _message_size(buffer)):
            yield bytes(buffer[:size])
            del buffer[:size]


def _message_size(header: bytes | bytearray) -> int:
    order: Literal["little", "big"] = "little" if header[0] == ord("l") else "big"
    body = int.from_bytes(header[4:8], order)
    fields = int.from_bytes(header[12:16], order)
    size = 16 + (fields + 7) // 8 * 8 + body
    if size > MAX_MESSAGE:
        raise BusError(f"cannot read a message of {size} bytes from the bus")
    return size


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[BusConnection]:
    """A connection to the bus at a Unix socket, authenticated by our uid. Raises BusError."""
    try:
        stream = await trio.open_unix_socket(path)
    except OSError as error:
        raise BusError(f"cannot reach the bus at {path}: {error.strerror}") from error
    async with stream:
        try:
            await _authenticate(stream, path)
        except trio.BrokenResourceError as error:
            raise BusError(f"cannot join the bus at {path}: it closed the connection") from error
        connection = BusConnection(stream)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(connection.receive)
                await connection.call(_bus_call("Hello"))
                yield connection
                nursery.cancel_scope.cancel()
        except* BusError as group:
            # The nursery wraps it; whoever connects expects the plain error.
            plain = group.exceptions[0]
        else:
            return
        raise plain


async def _authenticate(stream: trio.SocketStream, path: Path) -> None:
    uid = str(os.geteuid()).encode().hex()
    await stream.send_all(b"\0AUTH EXTERNAL " + uid.encode() + b"\r\n")
    answer = b""
    while not answer.endswith(b"\r\n"):
        data = await stream.receive_some(_MAX_HANDSHAKE)
        answer += data
        if not data or len(answer) > _MAX_HANDSHAKE:
            raise BusError(f"cannot join the bus at {path}: it closed the connection")
    if not answer.startswith(b"OK "):
        raise BusError(f"cannot join the bus at {path}: it refuses uid {os.geteuid()}")
    await stream.send_all(b"BEGIN\r\n")
