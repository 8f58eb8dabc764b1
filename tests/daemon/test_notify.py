"""Notices that real processes send to a real socket."""

from __future__ import annotations

import array
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from herd.daemon.notify import MAX_SIZE, MAX_STATUS, Notice, NotifySocket, parse


@pytest.mark.parametrize(
    ("message", "notice"),
    [
        (b"READY=1", Notice(ready=True)),
        (b"READY=1\nSTATUS=two words\nMAINPID=12\n", Notice(ready=True, status="two words", main_pid=12)),
        (b"STOPPING=1\n\nWATCHDOG=1", Notice(stopping=True, watchdog=True)),
        (b"RELOADING=1\nMONOTONIC_USEC=12", Notice(reloading=True)),
        (b"STATUS=a=b", Notice(status="a=b")),
        (b"STATUS=\xff\x1b[31m\x00", Notice(status="\ufffd\ufffd[31m\ufffd")),
        (b"STATUS=", Notice(status="")),
        (b"STATUS=" + b"x" * 4000, Notice(status="x" * MAX_STATUS)),
        (b"READY=0\nREADY\nWATCHDOG=trigger\nFDSTORE=1\nEXTEND_TIMEOUT_USEC=x\n=1", Notice()),
        (b"MAINPID=-1", Notice()),
        (b"MAINPID=1" + b"0" * 100, Notice()),
        ("MAINPID=\u0661".encode(), Notice()),
        (b"", Notice()),
    ],
)
def test_what_a_message_says(message: bytes, notice: Notice) -> None:
    assert parse(message) == notice


@pytest.fixture
async def mine() -> AsyncIterator[NotifySocket]:
    """One to which only this process belongs."""
    with NotifySocket(lambda pid: pid == os.getpid()) as receiver:
        yield receiver


def sender(receiver: NotifySocket) -> socket.socket:
    name = receiver.environment["NOTIFY_SOCKET"]
    assert name.startswith("@")
    sending = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sending.connect("\0" + name[1:])
    return sending


async def following(receiver: NotifySocket) -> Notice:
    with trio.fail_after(20):
        return await anext(receiver)


def said_by_another(receiver: NotifySocket, message: str) -> None:
    code = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);"
        "s.sendto(sys.argv[1].encode(), '\\0' + os.environ['NOTIFY_SOCKET'][1:])"
    )
    subprocess.run((sys.executable, "-c", code, message), env=receiver.environment, check=True)


async def test_notices_come_in_order_as_often_as_they_are_sent(mine: NotifySocket) -> None:
    with sender(mine) as sending:
        for message in (b"READY=1", b"READY=1", b"STOPPING=1"):
            sending.send(message)
        assert [await following(mine) for _ in range(3)] == [Notice(ready=True)] * 2 + [Notice(stopping=True)]


async def test_only_processes_that_belong_count(mine: NotifySocket) -> None:
    said_by_another(mine, "READY=1")
    with sender(mine) as sending:
        sending.send(b"STATUS=mine")
        assert await following(mine) == Notice(status="mine")


async def test_the_senders_pid_is_asked_about() -> None:
    asked: list[int] = []
    with NotifySocket(lambda pid: not asked.append(pid)) as receiver, sender(receiver) as sending:  # type: ignore[func-returns-value]
        sending.send(b"READY=1")
        assert await following(receiver) == Notice(ready=True)
    assert asked == [os.getpid()]


async def test_what_is_too_long_is_no_notice(mine: NotifySocket) -> None:
    with sender(mine) as sending:
        sending.send(b"READY=1\nX=" + b"x" * MAX_SIZE)
        sending.send(b"STATUS=" + b"y" * (MAX_SIZE - 7))
        assert await following(mine) == Notice(status="y" * MAX_STATUS)


async def test_descriptors_are_closed_once_the_message_was_read(mine: NotifySocket) -> None:
    before = set(os.listdir("/proc/self/fd"))
    reading, writing = os.pipe()
    with sender(mine) as sending:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writing] * 200))
        sending.sendmsg([b"BARRIER=1"], [rights])
        os.close(writing)
        assert await following(mine) == Notice()
    with trio.fail_after(20):
        # Nobody holds the writing end any more: this is how a sender knows it was heard.
        await trio.lowlevel.wait_readable(reading)
    assert os.read(reading, 1) == b""
    os.close(reading)
    # What another test left may be collected meanwhile.
    assert set(os.listdir("/proc/self/fd")) <= before


async def test_descriptors_of_strangers_are_closed_too(mine: NotifySocket) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with NotifySocket(lambda pid: False) as receiver, sender(receiver) as sending, sender(mine) as own:
        sending.sendmsg([b"READY=1"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1]))])
        own.send(b"READY=1")
        with trio.move_on_after(20) as waiting:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(anext, receiver)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
        assert not waiting.cancelled_caught
        assert await following(mine) == Notice(ready=True)
    # What another test left may be collected meanwhile.
    assert set(os.listdir("/proc/self/fd")) <= before


async def test_each_start_has_a_name_of_its_own() -> None:
    with NotifySocket(bool) as one, NotifySocket(bool) as other:
        assert one.environment != other.environment
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as late, pytest.raises(ConnectionRefusedError):
        late.connect("\0" + one.environment["NOTIFY_SOCKET"][1:])
