"""The ledger on disk."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from herd.core.errors import HerdError
from herd.core.ledger import Change, Entry, Kind, latest
from herd.daemon.ledger import Book

_BAN = Change("here", "mallory", Kind.BAN, holds=True, author="alice", at=10.0, reason="he\nshouts", until=99.5)


async def test_what_was_recorded_is_read_by_another_herdd(tmp_path: Path) -> None:
    numbers = await Book(tmp_path / "ledger").of("jami").record([_BAN, evolve(_BAN, subject="eve")])
    assert numbers == [1, 2]
    found = await Book(tmp_path / "ledger").of("jami").history()
    assert found == [Entry(1, _BAN), Entry(2, evolve(_BAN, subject="eve"))]


async def test_each_service_has_its_own_part(tmp_path: Path) -> None:
    book = Book(tmp_path / "ledger")
    await book.of("jami").record([_BAN])
    await book.of("jami").remember("import", "x")
    assert await book.of("mumble").history() == []
    assert await book.of("mumble").recall() == {}


async def test_what_counts_is_what_the_core_says_counts(tmp_path: Path) -> None:
    ledger = Book(tmp_path / "ledger").of("jami")
    changes = [
        evolve(_BAN, subject=subject, holds=holds, kind=kind)
        for holds in (True, False, True)
        for subject in ("mallory", "eve")
        for kind in Kind
    ]
    numbers = await ledger.record(changes)
    await ledger.withdraw([numbers[-1], numbers[-2]])
    assert {each.number for each in await ledger.counting()} == {
        each.number for each in latest(await ledger.history()).values()
    }
    assert [each.withdrawn for each in await ledger.history()][-3:] == [False, True, True]


async def test_all_or_nothing_is_recorded(tmp_path: Path) -> None:
    ledger = Book(tmp_path / "ledger").of("jami")
    with pytest.raises(HerdError, match="cannot use the ledger"):
        await ledger.record([_BAN, evolve(_BAN, at="never")])  # type: ignore[arg-type]
    assert await ledger.history() == []


async def test_texts_are_kept_by_name(tmp_path: Path) -> None:
    ledger = Book(tmp_path / "ledger").of("jami")
    await ledger.remember("import:a", "1")
    await ledger.remember("import:a", "2")
    await ledger.remember("import%b", "3")
    assert await ledger.recall("import:") == {"import:a": "2"}
    await ledger.forget("import:a")
    assert await ledger.recall() == {"import%b": "3"}


async def test_nobody_else_reads_it(tmp_path: Path) -> None:
    os.umask(0o022)
    await Book(tmp_path / "ledger").of("jami").record([_BAN])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


async def test_a_damaged_file_is_said_and_left(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    before = path.read_bytes()
    with pytest.raises(HerdError, match=f"cannot use the ledger {path}: file is not a database"):
        await Book(path).of("jami").history()
    assert path.read_bytes() == before


async def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "ledger").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HerdError, match="cannot use the ledger"):
        await Book(tmp_path / "ledger").of("jami").record([_BAN])
    assert not (tmp_path / "elsewhere").exists()


_WRITER = """
import sys, trio
from pathlib import Path
from herd.core.ledger import Change, Kind
from herd.daemon.ledger import Book
async def main():
    ledger = Book(Path(sys.argv[1])).of("jami")
    while True:
        print(*await ledger.record([Change("here", s, Kind.BAN, True, "alice", 1.0) for s in "abc"]), flush=True)
trio.run(main)
"""


def test_what_was_told_survives_a_kill_and_nothing_is_half_recorded(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            told = [int(number) for _ in range(20) for number in writer.stdout.readline().split()]
            writer.send_signal(signal.SIGKILL)
        with sqlite3.connect(path) as connection:
            kept = [number for (number,) in connection.execute("SELECT number FROM change")]
        assert set(told) <= set(kept)
        assert len(kept) % 3 == 0
