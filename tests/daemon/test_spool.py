"""What was read and not written, as the next herdd finds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from herd.daemon.lines import STAMP_LENGTH
from herd.daemon.log import ServiceLog
from herd.daemon.spool import Spool


@pytest.fixture(name="pipe")
def one_pipe() -> Iterator[tuple[int, int]]:
    """A reading end that does not block, and the writing end."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def test_what_is_not_dropped_is_found(tmp_path: Path, pipe: tuple[int, int]) -> None:
    path = tmp_path / "web.output"
    spool = Spool(path)
    assert spool.begin(pipe[0]) == (b"", False)
    spool.add(b"one\n")
    spool.add(b"two\nthr")
    assert Spool(path).begin(pipe[0]) == (b"one\ntwo\nthr", True)
    spool.drop(4)
    spool.add(b"ee")
    assert Spool(path).begin(pipe[0]) == (b"two\nthree", True)
    spool.keep(b"more")
    assert Spool(path).begin(pipe[0]) == (b"more", True)
    assert path.stat().st_mode & 0o777 == 0o600
    spool.drop(4)
    assert Spool(path).begin(pipe[0]) == (b"", True)
    spool.add(b"\n\n")
    spool.close()
    assert Spool(path).begin(pipe[0]) == (b"\n\n", True)


def test_nothing_leaves_no_file(tmp_path: Path, pipe: tuple[int, int]) -> None:
    path = tmp_path / "web.output"
    spool = Spool(path)
    spool.begin(pipe[0])
    spool.keep(b"")
    assert not path.exists()
    spool.add(b"one")
    spool.drop(3)
    spool.close()
    assert not path.exists()


def test_it_is_told_what_came_out_of_another_pipe(tmp_path: Path, pipe: tuple[int, int]) -> None:
    path = tmp_path / "web.output"
    spool = Spool(path)
    spool.begin(pipe[0])
    spool.add(b"one")
    other, end = os.pipe()
    again = Spool(path)
    assert again.begin(other) == (b"one", False)
    again.add(b"two")
    assert Spool(path).begin(other) == (b"onetwo", True)
    os.close(other)
    os.close(end)


@pytest.mark.parametrize("content", [b"", b"12", b"x\n"])
def test_a_file_that_was_cut_short_holds_nothing(tmp_path: Path, pipe: tuple[int, int], content: bytes) -> None:
    (tmp_path / "web.output").write_bytes(content)
    assert Spool(tmp_path / "web.output").begin(pipe[0]) == (b"", False)


def test_what_the_file_does_not_take_is_known(
    tmp_path: Path, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "web.output"
    spool = Spool(path)
    spool.begin(pipe[0])
    spool.add(b"one\n")
    with monkeypatch.context() as patched:
        write = os.write
        patched.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:2]))
        spool.add(b"two\n")
    # A line that is cut would be worse than none.
    assert (spool.is_whole, path.read_bytes()) == (False, b"")
    spool.add(b"three\n")
    assert not spool.is_whole
    spool.drop(4)
    assert (spool.is_whole, Spool(path).begin(pipe[0])) == (True, (b"two\nthree\n", True))


def test_where_there_is_no_directory_nothing_is_kept(tmp_path: Path, pipe: tuple[int, int]) -> None:
    spool = Spool(tmp_path / "missing" / "web.output")
    assert spool.begin(pipe[0]) == (b"", False)
    spool.add(b"one")
    assert (spool.is_whole, spool.size) == (False, 3)
    spool.drop(3)
    spool.close()


def bodies(path: Path) -> list[bytes]:
    """The lines of a log without their stamps."""
    return [line[STAMP_LENGTH + 1 :] for line in path.read_bytes().splitlines()]


async def capture(log: ServiceLog, reading: int, *, is_over: bool) -> list[str]:
    """Take what lies in the pipe, until cancelled; what was seen."""
    seen: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(log.capture, reading, seen.append, is_over=lambda: is_over))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return seen


async def test_an_unfinished_line_goes_on_in_the_next_herdd(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    spool = tmp_path / "web.output"
    os.write(writing, b"one\nab")
    await capture(ServiceLog("web", tmp_path, spool=spool), reading, is_over=False)
    os.write(writing, b"c")
    await capture(ServiceLog("web", tmp_path, spool=spool), reading, is_over=False)
    os.write(writing, b"def\nend")
    assert await capture(ServiceLog("web", tmp_path, spool=spool), reading, is_over=True) == ["abcdef", "end"]
    assert bodies(tmp_path / "web.log") == [b"one", b"abcdef", b"end"]
    assert not spool.exists()


async def test_what_a_process_left_that_is_gone_is_a_line_of_its_own(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    (tmp_path / "web.output").write_bytes(b"0\none\ntwo")
    os.write(writing, b"three\n")
    log = ServiceLog("web", tmp_path, spool=tmp_path / "web.output")
    # It is none of the new one's, whose start may wait for a line.
    assert await capture(log, reading, is_over=True) == ["three"]
    assert bodies(log.path) == [b"one", b"two", b"three"]


async def test_where_it_cannot_be_left_an_unfinished_line_is_written(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.write(writing, b"abc")
    log = ServiceLog("web", tmp_path, spool=tmp_path / "missing" / "web.output")
    await capture(log, reading, is_over=False)
    assert bodies(log.path) == [b"abc"]


async def test_a_program_that_closes_its_output_has_no_unfinished_line(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"abc")
    os.close(writing)
    log = ServiceLog("web", tmp_path, spool=tmp_path / "web.output")
    await log.capture(reading, lambda text: None, is_over=lambda: False)
    os.close(reading)
    assert bodies(log.path) == [b"abc"]


async def test_a_flood_leaves_no_more_than_its_unfinished_line(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    spool = tmp_path / "web.output"
    await trio.to_thread.run_sync(os.write, writing, b"x")
    log = ServiceLog("web", tmp_path, spool=spool)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(log.capture, reading, lambda text: None, is_over=lambda: False))
        await wait_all_tasks_blocked()
        await trio.to_thread.run_sync(write_all, os.dup(writing), b"y" * 99 + b"\n" + (b"z" * 99 + b"\n") * 30_000)
        await trio.to_thread.run_sync(os.write, writing, b"end")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert spool.read_bytes().partition(b"\n")[2] == b"end"
    lines = bodies(log.path)
    assert (len(lines), lines[0], set(lines[1:])) == (30_001, b"x" + b"y" * 99, {b"z" * 99})


def write_all(writing: int, data: bytes) -> None:
    """Write into a pipe and close it. Blocks."""
    with os.fdopen(writing, "wb") as file:
        file.write(data)
