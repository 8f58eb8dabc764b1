"""Logs read from their end, across older files, since a moment, and several merged."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from herd.daemon import logread
from herd.daemon.lines import moment_of, stamp
from herd.daemon.log import ServiceLog
from herd.daemon.logfile import LogFile
from herd.daemon.logpolicy import LogPolicy
from herd.daemon.logread import merged, read_last
from herd.daemon.logstream import batches, newest

BEGIN = 1_700_000_000.0


def written(path: Path, numbers: range, *, packed: bool = False) -> None:
    """A file with a line a second, from BEGIN on."""
    data = b"".join(f"{stamp(BEGIN + number)} {number}\n".encode() for number in numbers)
    path.write_bytes(gzip.compress(data) if packed else data)


@pytest.fixture(name="path")
def three_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """0 to 2999: two older files of 1000 lines, one of them compressed, each longer than what is read at once."""
    monkeypatch.setattr(logread, "_STEP", 2000)
    monkeypatch.setattr(logread, "_PIECE", 5000)
    path = tmp_path / "web.log"
    written(tmp_path / "web.log.2.gz", range(1000), packed=True)
    written(tmp_path / "web.log.1", range(1000, 2000))
    written(path, range(2000, 3000))
    return path


def read(path: Path, count: int, since: float | None = None, room: int = 32 * 1024 * 1024) -> range:
    """The numbers of the lines that are read, which have to be without gaps."""
    lines = read_last(LogFile(path, LogPolicy()).open_all(), count, since, room)
    assert all(moment_of(line) for line in lines)
    numbers = [int(line.split(" ")[1]) for line in lines]
    found = range(numbers[0], numbers[-1] + 1) if numbers else range(0)
    assert numbers == list(found)
    return found


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2000, 2001, 2500, 2999, 3000, 9**9])
def test_the_last_lines_across_files(path: Path, count: int) -> None:
    found = read(path, count)
    assert found == range(3000 - min(count, 3000), 3000) or (count == 0 and len(found) == 0)


@pytest.mark.parametrize("first", [0, 1, 500, 999, 1000, 1001, 1500, 2000, 2999, 3000])
@pytest.mark.parametrize("count", [10, 9**9])
def test_since_a_moment(path: Path, first: int, count: int) -> None:
    start = max(first, 3000 - count)
    assert list(read(path, count, BEGIN + first - 0.5)) == list(range(start, 3000))


def test_no_more_is_held_than_there_is_room_for(path: Path) -> None:
    found = read(path, 9**9, room=10_000)
    assert found[-1] == 2999
    assert 9000 < 35 * len(found) < 16_000
    (path.parent / "web.log.1").unlink()
    path.unlink()
    assert len(read(path, 9**9, room=10_000)) * 34 < 10_000


def test_what_is_written_after_the_opening_is_not_read(path: Path) -> None:
    files = LogFile(path, LogPolicy()).open_all()
    with path.open("ab") as file:
        file.write(b"more\n")
    assert read_last(files, 1)[0].endswith(" 2999")


def test_an_unfinished_line_and_a_damaged_file_do_no_harm(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"unfin")
    assert list(read(path, 1)) == [2999]
    packed = path.parent / "web.log.2.gz"
    packed.write_bytes(packed.read_bytes()[:-2000])
    numbers = [int(line.split(" ")[1]) for line in read_last(LogFile(path, LogPolicy()).open_all(), 9**9)]
    assert numbers[-2000:] == list(range(1000, 3000))
    assert numbers[0] == 0
    packed.write_bytes(b"no gzip")
    assert len(read(path, 9**9)) == 2000


def test_reading_leaves_no_file_open(path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    read(path, 5)
    assert set(os.listdir("/proc/self/fd")) <= before


async def test_since_a_moment_out_of_memory(tmp_path: Path) -> None:
    log = ServiceLog("web", tmp_path, False)
    await log.write([b"one"])
    assert len(await log.tail(5, BEGIN)) == 1
    assert await log.tail(5, 9e9) == []


@pytest.mark.parametrize("line", ["", "x", "2026-13-01T00:00:00.000+00:00 x", "2026-11-21"[:4]])
def test_a_line_without_a_stamp(line: str) -> None:
    assert moment_of(line) is None


def test_a_stamp_is_read_as_it_was_written() -> None:
    assert moment_of(f"{stamp(BEGIN + 0.25)} text") == BEGIN + 0.25


def test_merged_lines_are_in_the_order_of_their_moments_and_those_of_one_service_in_theirs() -> None:
    early, late = "2026-11-21T10:00:00.000+01:00", "2026-11-21T09:30:00.000+00:00"
    lines = merged({"a": [f"{early} 1", "no stamp", f"{late} 2"], "b": [f"{early} 3", f"{late} 4"], "c": []}, {})
    assert [(name, line.split(" ")[-1]) for name, line in lines] == [
        ("a", "1"), ("a", "stamp"), ("b", "3"), ("a", "2"), ("b", "4"),
    ]  # fmt: skip


def test_replies_are_of_bearable_size() -> None:
    assert list(batches([])) == []
    many = [("web", "x")] * 1201
    assert [len(batch) for batch in batches(many)] == [500, 500, 201]
    long = [("web", "x" * 200_000)] * 3 + [("web", "y")] * 2
    assert [len(batch) for batch in batches(long)] == [1, 1, 3]
    assert [entry for batch in batches(long) for entry in batch] == long
    assert list(newest(long * 4)) == (long * 4)[-18:]
    assert list(newest(many)) == many
