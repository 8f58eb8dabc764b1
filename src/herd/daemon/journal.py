"""systemd's journal: herdd's own lines with their priorities, and services' lines each under the service's name.

A service's lines go over a stream of their own to the socket that systemd-cat(1) and systemd itself use for what
programs print: its first lines say whose they are, the journal does the rest (journald-stream.c, stdout_stream_line),
and a line that begins with <4> has that priority (sd-daemon(3)). What the journal does not take is in the log file.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from herd.daemon.lines import Block, stamp

_STREAM = Path("/run/systemd/journal/stdout")
# Seconds that the journal has to take a part, and for which it is left alone after it did not.
_PATIENCE, _PAUSE = 1.0, 10.0


class Priority(IntEnum):
    """As syslog(3) numbers them."""

    ERROR = 3
    WARNING = 4
    INFO = 6


class Line(NamedTuple):
    """What herdd says."""

    text: str
    priority: Priority


def is_journal(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Whether it is the stream that systemd has connected to the journal ($JOURNAL_STREAM, systemd.exec(5))."""
    found = os.fstat(descriptor)
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def with_priorities(lines: Iterable[Line]) -> Iterator[str]:
    """As the journal reads them."""
    return (f"<{line.priority:d}>{line.text}" for line in lines)


def with_stamps(lines: Iterable[Line]) -> Iterator[str]:
    """As people read them."""
    return (f"{stamp(time.time())} {line.text}" for line in lines)


def is_there(place: Path = _STREAM) -> bool:
    """Whether there is a journal to write to."""
    return place.is_socket()


class Journal:
    """What the journal gets of one service; opened with the first line. Blocks: it is called in threads."""

    def __init__(self, identifier: str, place: Path = _STREAM) -> None:
        self._identifier = identifier
        self._place = place
        self._stream: socket.socket | None = None
        self._left_alone_until = 0.0
        self._lock = threading.Lock()

    def append(self, blocks: Iterable[Block]) -> None:
        """Send the lines, without herdd's stamps."""
        with self._lock:
            for block in blocks:
                if self._stream is None and time.monotonic() < self._left_alone_until:
                    return
                try:
                    self._send(block.body)
                except OSError:
                    # A journal that takes nothing must not keep the service from writing.
                    self._forget()
                    self._left_alone_until = time.monotonic() + _PAUSE

    def _send(self, body: bytes | memoryview) -> None:
        if self._stream is None:
            self._stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._stream.settimeout(_PATIENCE)
            self._stream.connect(os.fspath(self._place))
            self._stream.sendall(self._introduction())
        self._stream.sendall(body)

    def _introduction(self) -> bytes:
        """Name, unit (as we are), priority, whether <N> counts; three times whether others get it: as they like."""
        return f"{self._identifier}\n\n{Priority.INFO:d}\n1\n0\n0\n0\n".encode()

    def close(self) -> None:
        """End the stream; another line opens another."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
