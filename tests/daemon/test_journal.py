"""Services' lines on their way to the journal, over a real socket that a test listens on in its place."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from herd.daemon.journal import Journal
from herd.daemon.lines import Block
from herd.daemon.log import ServiceLog
from herd.daemon.logpolicy import LogPolicy
from support import PATIENCE, short_directory

# Whose they are, no unit of their own, the priority of a line that names none, that <N> counts, nobody else (journald).
INTRODUCTION = b"web\n\n6\n1\n0\n0\n0\n"


class Listening:
    """Where journald listens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.bind(str(path))
        self.socket.listen()

    def stream(self) -> bytes:
        """All of the next stream, to its end."""
        connection, _ = self.socket.accept()
        with connection:
            connection.settimeout(PATIENCE)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts)


@pytest.fixture
def journald() -> Iterator[Listening]:
    with short_directory() as directory:
        listening = Listening(directory / "stdout")
        with listening.socket:
            yield listening


def block(text: bytes) -> Block:
    return Block(b"2001-01-01T00:00:00.000+00:00 ", text)


def test_a_stream_says_whose_lines_it_has_and_carries_them_without_stamps(journald: Listening) -> None:
    journal = Journal("web", journald.path)
    journal.append([block(b"one\n<4>two\n")])
    journal.append([block(b"three\n")])
    journal.close()
    assert journald.stream() == INTRODUCTION + b"one\n<4>two\nthree\n"
    journal.append([block(b"four\n")])
    journal.close()
    assert journald.stream() == INTRODUCTION + b"four\n"


def test_a_journal_that_is_gone_keeps_nobody_from_writing(journald: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("herd.daemon.journal.time.monotonic", lambda: now)
    journal = Journal("web", journald.path)
    journald.path.rename(journald.path.with_name("away"))
    journal.append([block(b"lost\n")])
    journald.path.with_name("away").rename(journald.path)
    # It is not asked for each line whether it is back.
    journal.append([block(b"lost too\n")])
    now += 60
    journal.append([block(b"kept\n")])
    journal.close()
    assert journald.stream() == INTRODUCTION + b"kept\n"


@pytest.mark.parametrize("chosen", [True, False])
async def test_the_journal_gets_what_the_log_gets_where_that_was_chosen(journald: Listening, *, chosen: bool) -> None:
    journal = Journal("web", journald.path)
    log = ServiceLog("web", journald.path.parent, policy=LogPolicy(journal=chosen), journal=journal)
    await log.write([b"one", b"two"])
    assert [line.split(" ")[1] for line in (journald.path.parent / "web.log").read_text().splitlines()] == [
        "one",
        "two",
    ]
    if not chosen:
        # What is asked for later is the first that comes.
        log.follow(LogPolicy(journal=True))
        await log.write([b"three"])
    journal.close()
    assert journald.stream() == INTRODUCTION + (b"one\ntwo\n" if chosen else b"three\n")
