"""The D-Bus client against a real, private dbus-daemon, and against one that breaks every rule.

What a broken bus does must come out as BusError: anything else would end herdd and all that it supervises.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from dbus_next import Message, MessageType
from trio.testing import memory_stream_pair

from herd.core.bus import BusCall, BusSignal
from herd.daemon.dbus import MAX_MESSAGE, BusConnection, BusError, connected, frames
from support import short_directory

BUS = "org.freedesktop.DBus"
CONFIGURATION = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <deny user="*"/>
    <allow user="{user}"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class Bus:
    """A dbus-daemon that listens."""

    def __init__(self, directory: Path, user: str) -> None:
        self.path = directory / "bus"
        file = directory / "bus.conf"
        file.write_text(CONFIGURATION.format(socket=self.path, user=user))
        command = ["dbus-daemon", f"--config-file={file}", "--nofork", "--nopidfile", "--print-address"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        # The address is printed once the socket listens.
        assert self.process.stdout.readline().startswith("unix:path=")
        self.process.stdout.close()

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait()


@pytest.fixture
def bus() -> Iterator[Bus]:
    with short_directory() as directory:
        bus = Bus(directory, "*")
        yield bus
        bus.end()


def ask(member: str, signature: str = "", *body: object) -> BusCall:
    return BusCall(BUS, "/org/freedesktop/DBus", BUS, member, signature, body)


async def test_calls_and_their_values(bus: Bus) -> None:
    async with connected(bus.path) as connection:
        (names,) = await connection.call(ask("ListNames"))
        assert BUS in names
        assert await connection.call(ask("GetConnectionUnixUser", "s", BUS)) == (os.geteuid(),)
        assert await connection.call(ask("RequestName", "su", "org.herdctl.Test", 0)) == (1,)


async def test_calls_side_by_side_get_their_own_replies(bus: Bus) -> None:
    found: dict[str, object] = {}

    async def check(name: str) -> None:
        found[name] = (await connection.call(ask("NameHasOwner", "s", name)))[0]

    async with connected(bus.path) as connection, trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(check, BUS if number == 50 else f"org.herdctl.N{number}")
    assert [name for name, owned in found.items() if owned] == [BUS]
    assert len(found) == 100


async def test_an_error_reply_has_its_text_and_name(bus: Bus) -> None:
    async with connected(bus.path) as connection:
        with pytest.raises(BusError, match="cannot call Fly: ") as caught:
            await connection.call(ask("Fly"))
        assert caught.value.error_name == f"{BUS}.Error.UnknownMethod"
        # The connection goes on.
        assert await connection.call(ask("GetId"))


async def test_who_does_not_answer_in_time(bus: Bus) -> None:
    async with connected(bus.path) as silent, connected(bus.path) as connection:
        await silent.call(ask("RequestName", "su", "org.herdctl.Silent", 0))
        with pytest.raises(BusError, match=r"org.herdctl.Silent did not answer within 0.01 seconds"):
            await connection.call(BusCall("org.herdctl.Silent", "/", "a.b", "Ping"), timeout=0.01)
        assert await connection.call(ask("GetId"))


async def test_signals_come_in_order_and_only_those_asked_for(bus: Bus) -> None:
    async with connected(bus.path) as other, connected(bus.path) as connection:
        async with connection.signals(BUS, "NameOwnerChanged") as signals:
            for number in range(10):
                await other.call(ask("RequestName", "su", f"org.herdctl.N{number}", 0))
            received: list[BusSignal] = [await anext(signals) for _ in range(10)]
        assert [each.body[0] for each in received] == [f"org.herdctl.N{number}" for number in range(10)]
        assert {each.member for each in received} == {"NameOwnerChanged"}
        assert await connection.call(ask("GetId"))


async def test_a_bus_that_is_killed_ends_calls_and_signals(bus: Bus) -> None:
    async with connected(bus.path) as silent, connected(bus.path) as connection:
        await silent.call(ask("RequestName", "su", "org.herdctl.Silent", 0))
        async with connection.signals(BUS, "NameOwnerChanged") as signals, trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, bus.end, signal.SIGKILL)
            with pytest.raises(BusError, match="cannot call Ping: the bus is gone"):
                await connection.call(BusCall("org.herdctl.Silent", "/", "a.b", "Ping"))
            assert [each async for each in signals if each.member != "NameOwnerChanged"] == []
        with pytest.raises(BusError, match="the bus is gone"):
            await connection.call(ask("GetId"))


async def test_a_bus_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BusError, match=f"cannot reach the bus at {tmp_path}/none: No such file"):
        async with connected(tmp_path / "none"):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="the bus admits the user who runs this")
async def test_a_bus_of_another_user_refuses() -> None:
    with short_directory() as directory:
        bus = Bus(directory, "nobody")
        try:
            with pytest.raises(BusError, match=r"cannot (join|call Hello)"):
                async with connected(bus.path):
                    pass
        finally:
            bus.end()


# A bus that is none.

Behaviour = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def impostor(behave: Behaviour) -> AsyncIterator[Path]:
    """Something at a socket that behaves as told once a client has come."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await behave(stream)

    with short_directory() as directory:
        server = trio.socket.socket(trio.socket.AF_UNIX)
        await server.bind(str(directory / "bus"))
        server.listen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, handle, [trio.SocketListener(server)])
            yield directory / "bus"
            nursery.cancel_scope.cancel()


async def welcome(stream: trio.SocketStream) -> None:
    """The handshake and Hello, as a bus answers them."""
    received = b""
    while b"\r\n" not in received:
        received += await stream.receive_some(1000)
    await stream.send_all(b"OK 0123\r\n")
    while b"Hello" not in received:
        received += await stream.receive_some(1000)
    await stream.send_all(reply(1))


def reply(serial: int) -> bytes:
    message = Message(
        message_type=MessageType.METHOD_RETURN, reply_serial=serial, signature="s", body=[":1.1"], serial=serial
    )
    return bytes(message._marshall())


@pytest.mark.parametrize("answer", [b"", b"REJECTED EXTERNAL\r\n", b"x" * 5000, b"\r\n", b"\xff\r\n"], ids=range(5))
async def test_a_handshake_that_fails(answer: bytes) -> None:
    async def behave(stream: trio.SocketStream) -> None:
        await stream.send_all(answer)

    async with impostor(behave) as path:
        with pytest.raises(BusError, match="cannot join the bus"):
            async with connected(path):
                pass


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 64,
        b"l\2\0\1" + b"\xff" * 60,
        b"l\2\0\1" + struct.pack("<III", 4, 7, 8) + b"\1\1o\0\xff\xff\xff\xff" + b"\xff" * 4,
        b"l\2\0\1" + struct.pack("<III", MAX_MESSAGE, 7, 8),
        b"B" + os.urandom(100),
    ],
    ids=range(5),
)
async def test_garbage_loses_the_bus_and_nothing_else(garbage: bytes) -> None:
    async def behave(stream: trio.SocketStream) -> None:
        await welcome(stream)
        await stream.receive_some(1000)
        await stream.send_all(garbage)

    async with impostor(behave) as path, connected(path) as connection:
        with trio.fail_after(10), pytest.raises(BusError, match="the bus is gone"):
            await connection.call(ask("GetId"))


async def test_replies_that_nobody_awaits_are_dropped() -> None:
    async def behave(stream: trio.SocketStream) -> None:
        await welcome(stream)
        await stream.receive_some(1000)
        await stream.send_all(reply(99) + reply(2) + reply(2) + reply(2))
        await stream.receive_some(1000)
        await stream.send_all(reply(3))

    async with impostor(behave) as path, connected(path) as connection:
        with trio.fail_after(10):
            assert await connection.call(ask("GetId")) == (":1.1",)
            assert await connection.call(ask("GetId")) == (":1.1",)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 15, 16, 17, 64, 1000])
async def test_frames_at_every_chunk_size(size: int) -> None:
    messages = [reply(serial) for serial in range(1, 6)]
    data = b"".join(messages)
    sender, receiver = memory_stream_pair()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send() -> None:
            for start in range(0, len(data), size):
                await sender.send_all(data[start : start + size])
            await sender.aclose()

        assert [frame async for frame in frames(receiver)] == messages


async def test_a_lost_connection_never_sends_again() -> None:
    client, server = memory_stream_pair()
    connection = BusConnection(client)
    await server.aclose()
    await connection.receive()
    with pytest.raises(BusError, match="the bus is gone"):
        await connection.call(ask("GetId"))
