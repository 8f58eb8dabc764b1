"""A service's output on its way into the log: whole lines in their order, a stamp each, none lost at the end."""

from __future__ import annotations

import errno
import os
import re
import time
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from herd.daemon.log import FOLLOWER_BUFFER, MAX_LINE, ServiceLog, last_lines, stamp

STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d ")


def ignore(line: str) -> None:
    """For what nobody watches."""


def pipe() -> tuple[int, int]:
    """As a process's output is: its reading end does not block."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    return reading, writing


async def captured(log: ServiceLog, *writes: bytes) -> list[str]:
    """Each write captured before the next; what was shown."""
    reading, writing = pipe()
    seen: list[str] = []
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.capture, reading, seen.append)
            for data in writes:
                await trio.to_thread.run_sync(os.write, writing, data)
                await wait_all_tasks_blocked()
            os.close(writing)
    os.close(reading)
    return seen


def bodies(log: ServiceLog) -> list[bytes]:
    """The lines of the file without their stamps."""
    lines = log.path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert all(STAMP.match(line) for line in lines)
    return [STAMP.sub(b"", line, count=1) for line in lines]


def test_a_stamp_is_local_time_with_its_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        assert stamp(1_700_000_000.25) == "2023-11-15T03:58:20.250+05:45"
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_lines_in_pieces_become_whole(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    seen = await captured(log, b"one\ntw", b"o", b"\n\nthree\n")
    assert bodies(log) == [b"one", b"two", b"", b"three"]
    assert seen == ["one", "two", "", "three"]
    assert log.path.stat().st_mode & 0o777 == 0o640


async def test_an_unfinished_last_line_is_kept(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    assert await captured(log, b"one\nthe end") == ["one", "the end"]
    assert bodies(log) == [b"one", b"the end"]


async def test_bytes_that_are_no_utf8_stay_as_they_are(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    assert await captured(log, b"caf\xe9 \xff\n") == [r"caf\xe9 \xff"]
    assert bodies(log) == [b"caf\xe9 \xff"]
    assert (await log.tail(1))[0].endswith(r"caf\xe9 \xff")


async def test_a_long_line_stays_whole_and_an_endless_one_is_cut(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    await captured(log, b"x" * 500_000, b"y" * 500_000 + b"\n", b"z" * (MAX_LINE + 200_000))
    long, *cut = bodies(log)
    assert long == b"x" * 500_000 + b"y" * 500_000
    assert b"".join(cut) == b"z" * (MAX_LINE + 200_000)
    assert len(cut) == 2


async def test_tail_reads_only_what_it_is_asked_for(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    await log.write([f"line {number} {'x' * 50}".encode() for number in range(5000)])
    for count in (0, 1, 3, 4999, 5000, 6000):
        lines = await log.tail(count)
        assert len(lines) == min(count, 5000)
        assert not lines or " line 4999 " in lines[-1]
    assert " line 0 " in (await log.tail(5000))[0]


async def test_tail_without_a_file_is_of_memory(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path / "missing")
    await log.write([b"one", b"two"])
    assert [line[-3:] for line in await log.tail(5)] == ["one", "two"]
    assert await log.tail(0) == []
    assert log.lost == 2


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert last_lines(tmp_path / "empty", 5) == []


async def test_followers_get_what_comes_in_order(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    await log.write([b"before"])
    async with log.follow() as first, log.follow() as second:
        await log.write([b"one", b"two"])
        await log.write([b"three"])
        for follower in (first, second):
            assert [(await follower.receive()).split(" ", 1)[1] for _ in range(3)] == ["one", "two", "three"]


async def test_a_follower_that_falls_behind_is_let_go(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    async with log.follow() as slow, log.follow() as quick:
        await log.write([b"x"] * FOLLOWER_BUFFER)
        for _ in range(FOLLOWER_BUFFER):
            await quick.receive()
        await log.write([b"more"])
        assert (await quick.receive()).endswith("more")
        assert len([line async for line in slow]) == FOLLOWER_BUFFER


async def test_lines_that_cannot_be_written_are_counted_and_still_shown(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    log.path.symlink_to("/dev/full")
    assert await captured(log, b"one\ntwo\n") == ["one", "two"]
    assert log.lost == 2


async def test_a_full_disk_loses_lines_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ServiceLog("web", tmp_path)

    def full(descriptor: int, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        await log.write([b"one", b"two", b"three"])
    await log.write([b"four"])
    assert log.lost == 3
    assert bodies(log) == [b"four"]
    assert [line.split(" ", 1)[1] for line in log.recent] == ["one", "two", "three", "four"]


async def test_nothing_is_lost_when_the_end_comes_with_the_last_lines(tmp_path: Path) -> None:
    # Repeated, for trio takes tasks that can run in an order of chance.
    for attempt in range(20):
        log = ServiceLog(f"web{attempt}", tmp_path)
        reading, writing = pipe()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.capture, reading, ignore)
            await wait_all_tasks_blocked()
            os.write(writing, b"one\ntwo\nunfinished")
            # Now the capture and this task can run, in whichever order.
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        os.close(reading)
        os.close(writing)
        assert bodies(log) == [b"one", b"two", b"unfinished"]


async def test_an_end_does_not_wait_for_one_that_never_ceases_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = ServiceLog("web", tmp_path)
    reading, writing = pipe()
    with monkeypatch.context() as patched, trio.CancelScope() as scope:
        patched.setattr(os, "read", lambda descriptor, count: b"x" * count)
        scope.cancel()
        await log.capture(reading, ignore)
    os.close(reading)
    os.close(writing)
    assert log.path.stat().st_size <= 2 * MAX_LINE
