"""A service's output on its way into the log: whole lines in their order, a stamp each, none lost at the end."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked

from herd.daemon.follower import HELD, Follower
from herd.daemon.intake import GLANCE, TURN
from herd.daemon.lines import MAX_LINE, stamp
from herd.daemon.log import LINGER, ServiceLog, following

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
            nursery.start_soon(log.capture, reading, lambda text: seen.extend(text.split("\n")))
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
    assert cut == [b"z" * MAX_LINE, b"z" * 200_000]


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


async def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    log.path.touch()
    assert await log.tail(5) == []


async def next_lines(follower: Follower, count: int) -> list[str]:
    """So many lines without their stamps."""
    lines: list[str] = []
    while len(lines) < count:
        lines += [line.split(" ", 1)[1] for _, line in await follower.next()]
    return lines


async def test_followers_get_what_comes_in_order(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    await log.write([b"before"])
    with following([log]) as first, following([log]) as second:
        assert len(await log.tail(9, follower=first)) == len(await log.tail(9, follower=second)) == 1
        await log.write([b"one", b"two"])
        await log.write([b"three"])
        for follower in (first, second):
            assert await next_lines(follower, 3) == ["one", "two", "three"]


async def test_one_follower_of_two_services_is_told_whose_the_lines_are(tmp_path: Path) -> None:
    logs = [ServiceLog("web", tmp_path), ServiceLog("mail", tmp_path, False)]
    with following(logs) as follower:
        for log in logs:
            await log.tail(0, follower=follower)
        await logs[1].write([b"one"])
        await logs[0].write([b"two"])
        entries = [*await follower.next(), *await follower.next()]
        assert [(name, line.split(" ", 1)[1]) for name, line in entries] == [("mail", "one"), ("web", "two")]


async def test_who_has_left_gets_no_more(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    with following([log]) as follower:
        await log.tail(0, follower=follower)
    await log.write([b"one"])
    with trio.move_on_after(0) as scope:
        await follower.next()
    assert scope.cancelled_caught


async def test_a_follower_that_falls_behind_is_told_what_it_missed(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    with following([log]) as slow, following([log]) as quick:
        for follower in (slow, quick):
            await log.tail(0, follower=follower)
        for number in range(5):
            await log.write([b"%d " % number + b"x" * (HELD // 4), b"second"])
            assert len(await next_lines(quick, 2)) == 2
        got = await next_lines(slow, 4)
        # There is room again, but before what was skipped is told nothing else comes.
        await log.write([b"late"])
        got += await next_lines(slow, 3)
        assert [line[:6] for line in got[:6]] == ["0 xxxx", "second", "1 xxxx", "second", "2 xxxx", "second"]
        assert got[6:] == ["herdd: 5 lines came faster than they were read; they are in the log"]
        await log.write([b"again"])
        assert await next_lines(slow, 1) == ["again"]


async def test_each_line_is_either_in_the_tail_or_comes_to_the_follower(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    reading, writing = pipe()
    numbers = b"".join(b"%d\n" % number for number in range(200_000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.capture, reading, ignore)
        nursery.start_soon(trio.to_thread.run_sync, write_all, writing, numbers)
        for _ in range(10):
            with following([log]) as follower:
                got = [int(line.split(" ", 1)[1]) for line in await log.tail(1000, follower=follower)]
                if (got or [0])[-1] < 100_000:
                    got += map(int, await next_lines(follower, 10))
                assert got == list(range(got[0], got[0] + len(got)))
    os.close(reading)
    assert b"\n".join(bodies(log)) + b"\n" == numbers


async def test_a_line_that_comes_while_the_files_are_opened_comes_to_the_follower(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    assert log._file is not None
    reading, writing = pipe()
    lines: list[str] = []
    with following([log]) as follower:
        async with trio.open_nursery() as nursery:

            async def tail() -> None:
                lines.extend(await log.tail(9, follower=follower))

            nursery.start_soon(log.capture, reading, ignore)
            with log._file._lock:
                os.write(writing, b"one\n")
                await wait_all_tasks_blocked()
                nursery.start_soon(tail)
                await wait_all_tasks_blocked()
                os.write(writing, b"two\n")
                await wait_all_tasks_blocked()
            os.close(writing)
        assert [line.split(" ", 1)[1] for line in lines] == ["one"]
        assert await next_lines(follower, 1) == ["two"]
    os.close(reading)


def write_all(writing: int, data: bytes) -> None:
    """Write into a pipe and close it. Blocks."""
    with os.fdopen(writing, "wb") as file:
        file.write(data)


async def test_what_is_shown_is_not_yet_written_and_the_tail_has_it(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    log = ServiceLog("web", tmp_path)
    reading, writing = pipe()
    seen: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.capture, reading, seen.append)
        os.write(writing, b"one\n")
        await wait_all_tasks_blocked()
        assert (seen, log.path.exists()) == (["one"], False)
        assert (await log.tail(5))[0].endswith(" one")
        os.write(writing, b"two\n")
        await wait_all_tasks_blocked()
        assert bodies(log) == [b"one"]
        await trio.sleep(2 * LINGER)
        await wait_all_tasks_blocked(0.01)
        assert bodies(log) == [b"one", b"two"]
        os.close(writing)
    os.close(reading)


async def test_a_log_that_is_none_is_shown_and_thrown_away(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path, False)
    data = b"x" * 99 + b"\n"
    assert len(await captured(log, data * (GLANCE // 100), b"the\nend\n")) == GLANCE // 100 + 2
    assert list(tmp_path.iterdir()) == []
    assert [line.split(" ", 1)[1] for line in await log.tail(2)] == ["the", "end"]
    assert (log.lost, await log.tail(0)) == (0, [])


async def test_a_log_may_be_anywhere(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path / "missing", tmp_path / "elsewhere")
    await log.write([b"one"])
    assert bodies(log) == [b"one"]
    assert log.path == tmp_path / "elsewhere"


async def test_no_symbolic_link_is_followed(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    log.path.symlink_to(tmp_path / "precious")
    assert await captured(log, b"one\ntwo\n") == ["one", "two"]
    assert (log.lost, (tmp_path / "precious").exists()) == (2, False)


async def test_what_is_no_ordinary_file_costs_lines_and_no_wait(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path)
    os.mkfifo(log.path)
    reading = os.open(log.path, os.O_RDONLY | os.O_NONBLOCK)
    await log.write([b"one"])
    os.close(reading)
    assert log.lost == 1


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
        patched.setattr(os, "readv", lambda descriptor, buffers: len(buffers[0]))
        scope.cancel()
        await log.capture(reading, ignore)
    os.close(reading)
    os.close(writing)
    assert log.path.stat().st_size <= 2 * TURN
