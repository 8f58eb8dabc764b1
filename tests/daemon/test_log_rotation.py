"""Logs moved aside and compressed: no line lost, doubled or cut, whatever comes in between, a full disk included."""

from __future__ import annotations

import gzip
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from herd.daemon import rotation
from herd.daemon.compressor import Compressor
from herd.daemon.files import opened_directory
from herd.daemon.lines import Block
from herd.daemon.log import ServiceLog
from herd.daemon.logfile import LogFile
from herd.daemon.logpolicy import LogPolicy

PREFIX = b"2026-11-21T10:00:00.000+01:00 "


def names(directory: Path) -> list[str]:
    """What is in a directory."""
    return sorted(os.listdir(directory))


def older(path: Path) -> list[tuple[int, Path]]:
    """The numbers and places of a log's older files, the newest first."""
    with opened_directory(path.parent) as directory:
        return [(number, path.parent / name) for number, name in rotation.rotated(directory, path.name)]


def content(path: Path) -> bytes:
    """A log's files put together, the oldest first."""
    files = [path, *(old for _, old in older(path))]
    return b"".join(
        gzip.decompress(each.read_bytes()) if each.suffix == ".gz" else each.read_bytes() for each in reversed(files)
    )


def numbered(count: int, *, start: int = 0) -> Block:
    """So many lines of 40 bytes, their stamps included."""
    return Block(PREFIX, b"".join(b"%09d\n" % number for number in range(start, start + count)))


def compress(path: Path) -> None:
    """Compress all there is to compress."""
    with opened_directory(path.parent) as directory:
        while rotation.compress_one(directory, path.name, nullcontext(), lambda: None):
            pass


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes: writing past them is cut short, then fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("size", "age", "coming", "is_due"),
    [(0, 9e9, 999, False), (50, 0, 50, False), (50, 0, 51, True), (1, 9.9, 1, False), (1, 10, 1, True)],
)
def test_when_a_log_is_moved_aside(size: int, age: float, coming: int, is_due: bool) -> None:
    assert LogPolicy(size=100, age=10).is_due(size, age, coming) is is_due


@pytest.mark.parametrize("keys", [{"size": 0}, {"age": 0}, {"keep": -1}])
def test_a_policy_that_is_none(keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        LogPolicy(**keys)


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_by_size_so_many_are_kept(tmp_path: Path, keep: int) -> None:
    file = LogFile(tmp_path / "web.log", LogPolicy(size=400, keep=keep))
    for start in range(0, 60, 5):
        file.append([numbered(5, start=start)])
        compress(file.path)
    assert names(tmp_path) == ["web.log", *(f"web.log.{number}.gz" for number in range(1, keep + 1))]
    assert content(file.path) == b"".join(PREFIX + b"%09d\n" % number for number in range(60 - 10 * (keep + 1), 60))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


def test_a_block_larger_than_a_log_may_be_is_divided_between_lines(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "web.log", LogPolicy(size=400, keep=99))
    file.append([Block(b"", b"%09d\n" * 100 % tuple(range(100)) + b"x" * 999 + b"\n" + b"y\n" * 3)])
    sizes = [path.stat().st_size for _, path in reversed(older(file.path))]
    assert (sizes, file.path.read_bytes()) == ([400, 400, 200, 1000], b"y\n" * 3)
    assert content(file.path) == b"".join(b"%09d\n" % number for number in range(100)) + b"x" * 999 + b"\n" + b"y\n" * 3


def test_by_the_age_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    LogFile(path, LogPolicy()).append([Block(b"2001-01-01T00:00:00.000+00:00 ", b"old\n")])
    LogFile(path, LogPolicy(age=1e12)).append([Block.now(b"new\n")])
    assert names(tmp_path) == ["web.log"]
    LogFile(path, LogPolicy()).append([Block.now(b"new\n"), Block.now(b"newer\n")])
    assert names(tmp_path) == ["web.log", "web.log.1"]
    assert path.read_bytes().count(b"\n") == 2


def test_other_files_beside_it_stay(tmp_path: Path) -> None:
    others = ["web.log.0", "web.log.1x", "web.log.x.gz", "web.log.old", "web.logs", "web.log.01", "xweb.log.1"]
    for name in others:
        (tmp_path / name).write_text(name)
    file = LogFile(tmp_path / "web.log", LogPolicy(size=1, keep=1))
    for start in range(5):
        file.append([numbered(1, start=start)])
        compress(file.path)
    assert names(tmp_path) == sorted([*others, "web.log", "web.log.1.gz"])


class Crash(BaseException):
    """The end of the process, as far as its files are concerned."""


def crash_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Let so many changes of names and times be made, and none after them."""
    left = iter(range(steps))

    def patch(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any, **keys: Any) -> Any:
            if next(left, None) is None:
                raise Crash
            return real(*arguments, **keys)

        monkeypatch.setattr(owner, name, call)

    for name in ("rename", "utime", "unlink"):
        patch(os, name)


def until_crash(path: Path, steps: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Write, move aside, compress; the numbers whose writing was done before the crash."""
    policy = LogPolicy(size=200, keep=9)
    done: list[int] = []
    with monkeypatch.context() as patched, suppress(Crash):
        crash_after(patched, steps)
        for start in range(0, 20, 5):
            LogFile(path, policy).append([numbered(5, start=start)])
            done += range(start, start + 5)
            if start > 5:
                compress(path)
    return done


def test_a_crash_between_any_two_steps_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leftovers: set[str] = set()
    for steps in range(24):
        path = tmp_path / str(steps) / "web.log"
        path.parent.mkdir()
        done = until_crash(path, steps, monkeypatch)
        leftovers.update(names(path.parent))
        again = LogFile(path, LogPolicy(size=200, keep=9))
        again.append([numbered(5, start=100)])
        while again.compress_one(lambda: None):
            pass
        assert [int(line[-9:]) for line in content(path).splitlines()] == [*done, *range(100, 105)]
        assert all(name == "web.log" or name.endswith(".gz") for name in names(path.parent))
    # It was broken off where it had left something to be cleaned up, and has come to its end.
    assert {"web.log.gz.new", "web.log.1", "web.log.1.gz"} <= leftovers
    assert len(done) == 20


async def test_no_line_is_lost_doubled_or_cut_by_rotation_under_a_flood(tmp_path: Path) -> None:
    compressor = Compressor()
    log = ServiceLog("web", tmp_path, policy=LogPolicy(size=50_000, keep=1000), compressor=compressor)
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    numbers = b"".join(b"%d\n" % number for number in range(1_000_000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(compressor.run)
        async with trio.open_nursery() as inner:
            inner.start_soon(log.capture, reading, lambda text: None)
            inner.start_soon(trio.to_thread.run_sync, write_all, writing, numbers)
            for count in (10, 30_000, 300_000):
                tail = [int(line[30:]) for line in await log.tail(count)]
                assert tail == list(range(tail[0], tail[0] + len(tail))) if tail else True
        nursery.cancel_scope.cancel()
    os.close(reading)
    assert b"".join(line[30:] for line in content(log.path).splitlines(keepends=True)) == numbers
    assert len(names(tmp_path)) > 20


class Watched(LogFile):
    """Tells when nothing is left to compress."""

    def __init__(self, path: Path, policy: LogPolicy) -> None:
        super().__init__(path, policy)
        self.idle = trio.Event()

    def compress_one(self, check: Callable[[], None]) -> bool:
        goes_on = super().compress_one(check)
        if not goes_on:
            trio.from_thread.run_sync(self.idle.set)
        return goes_on


async def test_the_compressor_takes_what_an_earlier_herdd_left(tmp_path: Path) -> None:
    policy = LogPolicy(size=200)
    LogFile(tmp_path / "web.log", policy).append(numbered(5, start=start) for start in range(0, 20, 5))
    (tmp_path / "web.log.gz.new").touch()
    compressor, file = Compressor(), Watched(tmp_path / "web.log", policy)
    compressor.add(file)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(compressor.run)
        await file.idle.wait()
        with trio.fail_after(20):
            # It waits for more without turning round and round.
            await trio.testing.wait_all_tasks_blocked(0.05)
        assert names(tmp_path) == ["web.log", "web.log.1.gz", "web.log.2.gz", "web.log.3.gz"]
        # Later it is ready for more.
        file.idle = trio.Event()
        file.append([numbered(5, start=20)])
        compressor.add(file)
        await file.idle.wait()
        nursery.cancel_scope.cancel()
    assert names(tmp_path) == ["web.log", *(f"web.log.{number}.gz" for number in range(1, 5))]
    assert len(content(file.path).splitlines()) == 25


def test_what_a_crash_left_unfinished_is_removed_with_the_first_line(tmp_path: Path) -> None:
    (tmp_path / "web.log.gz.new").touch()
    LogFile(tmp_path / "web.log", LogPolicy()).append([numbered(1)])
    assert names(tmp_path) == ["web.log"]


def test_compression_can_be_broken_off(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "web.log", LogPolicy(size=700_000))
    file.append([numbered(20_000), numbered(1)])
    pieces = iter(range(2))

    def check() -> None:
        if next(pieces, None) is None:
            raise Crash

    with pytest.raises(Crash):
        file.compress_one(check)
    assert names(tmp_path) == ["web.log", "web.log.1"]


async def test_the_compressor_ends_within_a_file(tmp_path: Path) -> None:
    policy = LogPolicy()
    LogFile(tmp_path / "web.log", policy).append([numbered(100_000), numbered(200_000), numbered(1)])
    compressor = Compressor()
    log = ServiceLog("web", tmp_path, policy=policy, compressor=compressor)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(compressor.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert names(tmp_path) == ["web.log", "web.log.1"] or names(tmp_path) == ["web.log", "web.log.1.gz"]
    assert len(content(log.path).splitlines()) == 300_001


def write_all(writing: int, data: bytes) -> None:
    """Write into a pipe and close it. Blocks."""
    with os.fdopen(writing, "wb") as file:
        file.write(data)


def test_a_full_disk_leaves_whole_lines_and_says_what_is_missing(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "web.log", LogPolicy())
    with file_limit(90):
        file.append([numbered(5)])
        file.append([numbered(1, start=5)])
        assert file.path.read_bytes() == PREFIX + b"000000000\n" + PREFIX + b"000000001\n"
        assert file.lost == 4
    # Nor is there room for the notice and all that comes after it.
    with file_limit(220):
        file.append([numbered(3, start=6)])
    assert file.lost == 6
    file.append([numbered(1, start=9)])
    file.append([numbered(1, start=10)])
    lines = file.path.read_bytes().splitlines()
    assert [line[30:] for line in lines] == [
        b"000000000",
        b"000000001",
        b"herdd: 4 lines are missing here: File too large",
        b"000000006",
        b"herdd: 2 lines are missing here: File too large",
        b"000000009",
        b"000000010",
    ]


def test_where_names_cannot_be_changed_the_log_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **keys: object) -> None:
        raise PermissionError

    file = LogFile(tmp_path / "web.log", LogPolicy(size=100))
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refuse)
        file.append(numbered(2, start=start) for start in range(0, 10, 2))
    assert (names(tmp_path), file.lost) == (["web.log"], 0)
    assert len(content(file.path).splitlines()) == 10


def test_compression_that_finds_no_room_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "web.log", LogPolicy(size=4000))
    file.append(numbered(100, start=start) for start in range(0, 300, 100))
    with file_limit(10):
        assert not file.compress_one(lambda: None)
    assert names(tmp_path) == ["web.log", "web.log.1", "web.log.2"]
    assert file.compress_one(lambda: None)
    assert names(tmp_path) == ["web.log", "web.log.1.gz", "web.log.2"]


def test_a_file_that_is_moved_away_meanwhile_is_begun_anew(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "web.log", LogPolicy())
    file.append([numbered(1)])
    file.path.rename(tmp_path / "moved")
    file.append([numbered(1, start=1)])
    file.path.unlink()
    file.append([numbered(1, start=2)])
    assert content(tmp_path / "moved") == PREFIX + b"000000000\n"
    assert content(file.path) == PREFIX + b"000000002\n"


def test_after_a_crash_within_a_line_the_next_begins_its_own(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_bytes(PREFIX + b"hal")
    LogFile(path, LogPolicy()).append([numbered(1)])
    assert path.read_bytes() == PREFIX + b"hal\n" + PREFIX + b"000000000\n"
