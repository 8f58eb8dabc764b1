"""The ledger of moderation (core/ledger.py) on disk: one SQLite file for all services, in the state directory.

What record() and withdraw() have returned of outlives the machine's power: SQLite waits for the disk at every commit
("PRAGMA synchronous", FULL). One thread at a time has the connection, which is opened when somebody first asks.
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import trio

from herd.core.errors import HerdError
from herd.core.ledger import Change, Entry, Kind

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS change (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  service TEXT NOT NULL, place TEXT NOT NULL, subject TEXT NOT NULL, kind TEXT NOT NULL, holds INTEGER NOT NULL,
  author TEXT NOT NULL, at REAL NOT NULL, reason TEXT, until REAL, withdrawn INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS change_what ON change (service, place, subject, kind, number);
CREATE TABLE IF NOT EXISTS memory (
  service TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (service, name)
) STRICT;
"""
_COLUMNS = "number, place, subject, kind, holds, author, at, reason, until, withdrawn"
_COUNTING = f"""
SELECT {_COLUMNS} FROM change AS mine WHERE service = ? AND number =
  (SELECT MAX(number) FROM change AS other WHERE withdrawn = 0 AND other.service = mine.service
   AND other.place = mine.place AND other.subject = mine.subject AND other.kind = mine.kind)
ORDER BY number
"""
# Milliseconds that another program may hold the file, which an administrator looks at.
_PATIENCE = 5000
# A clock that is set meanwhile is noticed at the latest then. Seconds.
_LONGEST_SLEEP = 3600.0


class Book:
    """The file. Every method may raise HerdError: the disk is full, the file is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._turn = trio.Lock()
        # Counts the changes since herdd began.
        self.version = 0
        self._change = trio.Event()

    def of(self, service: str) -> ServiceLedger:
        """The part of one service."""
        return ServiceLedger(self, service)

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Let `work` have the connection, in a thread, as one transaction. Not broken off half-way."""
        async with self._turn:
            with trio.CancelScope(shield=True):
                return await trio.to_thread.run_sync(self._do, work)
            raise AssertionError("nothing cancels it")

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = _open(self._path)
            with self._connection:
                return work(self._connection)
        except (sqlite3.Error, OSError) as error:
            raise HerdError(
                f"cannot use the ledger {self._path}: {error}; make room, or move a damaged file away"
            ) from error

    def changed(self) -> None:
        """Wake whoever waits."""
        self.version += 1
        self._change.set()
        self._change = trio.Event()

    async def wait(self, version: int, until: float | None) -> None:
        """Return once the file is no longer at that version, at the latest at that moment (wall-clock seconds)."""
        # Again and again, for the clock may be set meanwhile.
        while self.version == version and (left := math.inf if until is None else until - time.time()) > 0:
            with trio.move_on_after(min(left, _LONGEST_SLEEP)):
                await self._change.wait()


def _open(path: Path) -> sqlite3.Connection:
    # Made here, for SQLite would let others read it; its helpers get the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
        _sync_directory(path.parent)
    except BaseException:
        connection.close()
        raise
    return connection


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class ServiceLedger:
    """What of the ledger is one service's (core/ledger.py, Ledger)."""

    def __init__(self, book: Book, service: str) -> None:
        self._book = book
        self._service = service

    async def record(self, changes: Sequence[Change]) -> list[int]:
        """Keep the changes, all or none, for good; their numbers."""

        def work(connection: sqlite3.Connection) -> list[int]:
            return [_insert(connection, self._service, change) for change in changes]

        numbers = await self._book.do(work)
        self._book.changed()
        return numbers

    async def withdraw(self, numbers: Sequence[int], instead: Sequence[Change] = ()) -> None:
        """Let these not count, for they did not take, and keep others in their place; all of it or nothing."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("UPDATE change SET withdrawn = 1 WHERE number = ?", [(each,) for each in numbers])
            for change in instead:
                _insert(connection, self._service, change)

        await self._book.do(work)
        self._book.changed()

    async def counting(self) -> list[Entry]:
        """The entries that count (core/ledger.py, latest), those whose time is up among them."""
        return await self._select(_COUNTING, (self._service,))

    async def history(self) -> list[Entry]:
        """Every entry, the first one first."""
        return await self._select(f"SELECT {_COLUMNS} FROM change WHERE service = ? ORDER BY number", (self._service,))

    async def _select(self, query: str, parameters: tuple[str, ...]) -> list[Entry]:
        def work(connection: sqlite3.Connection) -> list[Entry]:
            with closing(connection.execute(query, parameters)) as rows:
                return [_entry(*row) for row in rows]

        return await self._book.do(work)

    async def remember(self, name: str, value: str) -> None:
        """Keep a text under a name, in place of another."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO memory VALUES (?, ?, ?)", (self._service, name, value))

        await self._book.do(work)

    async def forget(self, name: str) -> None:
        """Keep nothing under that name."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM memory WHERE service = ? AND name = ?", (self._service, name))

        await self._book.do(work)

    @property
    def version(self) -> int:
        """Another number after each change."""
        return self._book.version

    async def wait(self, version: int, until: float | None) -> None:
        """Return once it is no longer at that version, at the latest at that moment (wall-clock seconds)."""
        await self._book.wait(version, until)

    async def recall(self, prefix: str = "") -> dict[str, str]:
        """The texts whose names begin so, by name."""

        def work(connection: sqlite3.Connection) -> dict[str, str]:
            query = "SELECT name, value FROM memory WHERE service = ? AND substr(name, 1, ?) = ?"
            with closing(connection.execute(query, (self._service, len(prefix), prefix))) as rows:
                return dict(rows.fetchall())

        return await self._book.do(work)


def _insert(connection: sqlite3.Connection, service: str, change: Change) -> int:
    row = connection.execute(
        "INSERT INTO change (service, place, subject, kind, holds, author, at, reason, until) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            service,
            change.place,
            change.subject,
            change.kind.value,
            int(change.holds),
            change.author,
            change.at,
            change.reason,
            change.until,
        ),
    )
    return int(row.lastrowid or 0)


def _entry(
    number: int,
    place: str,
    subject: str,
    kind: str,
    holds: int,
    author: str,
    at: float,
    reason: str | None,
    until: float | None,
    withdrawn: int,
) -> Entry:
    change = Change(place, subject, Kind(kind), bool(holds), author, at, reason, until)
    return Entry(number, change, bool(withdrawn))
