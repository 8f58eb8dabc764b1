"""Logs read from their end: the last lines, or those since a moment, out of the file and its older ones.

Nothing is read that need not be, and no more than `room` bytes are held, whatever is asked for. All of it blocks.
"""

from __future__ import annotations

import gzip
import heapq
import os
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import BinaryIO

from herd.daemon.lines import STAMP_LENGTH, moment_of, readable
from herd.daemon.rotation import OpenFile

ROOM = 32 * 1024 * 1024
_STEP = 64 * 1024
_PIECE = 1024 * 1024


def read_last(files: Iterable[OpenFile], count: int, since: float | None = None, room: int = ROOM) -> list[str]:
    """The last `count` lines of the files, which come newest first, none from before `since`; oldest line first.

    `since` is in seconds since the epoch. Closes the files.
    """
    found: list[list[str]] = []
    with ExitStack() as stack:
        opened = [(stack.enter_context(os.fdopen(each.descriptor, "rb", buffering=0)), each) for each in files]
        for file, each in opened:
            if count <= 0 or room <= 0:
                break
            pieces = _packed_end(file, count, room) if each.packed else _end(file, each.size, count, since, room)
            lines = [readable(line) for line in _whole_lines(pieces)[-count:]]
            found.append(not_before(lines, since))
            # Before a line that is too old there are only older ones.
            count = count - len(lines) if len(found[-1]) == len(lines) else 0
            room -= sum(map(len, pieces))
    return [line for lines in reversed(found) for line in lines]


def not_before(lines: list[str], since: float | None) -> list[str]:
    """The lines from the first one on that is not older than `since`."""
    if since is None:
        return lines
    for index, line in enumerate(lines):
        moment = moment_of(line)
        if moment is not None and moment >= since:
            return lines[index:]
    return []


def _whole_lines(pieces: deque[bytes]) -> list[bytes]:
    # What comes after the last newline is not finished. An empty first piece marks the beginning of the file; without
    # it the first line may be the end of one.
    lines = b"".join(pieces).split(b"\n")[:-1]
    return lines[1:] if pieces[0] else lines


def _end(file: BinaryIO, position: int, count: int, since: float | None, room: int) -> deque[bytes]:
    """What lies before a position, as much as is needed: pieces in their order."""
    step, newlines = _STEP, 0
    pieces: deque[bytes] = deque()
    while position > 0:
        step = min(step, position)
        position -= step
        pieces.appendleft(os.pread(file.fileno(), step, position))
        newlines += pieces[0].count(b"\n")
        room -= step
        if newlines > count or room <= 0 or _begins_before(pieces[0], since):
            return pieces
        step = min(2 * step, _PIECE)
    pieces.appendleft(b"")
    return pieces


def _packed_end(file: BinaryIO, count: int, room: int) -> deque[bytes]:
    """As _end, of a compressed file, which can only be read from its beginning; of a damaged one, what can be read."""
    pieces: deque[bytes] = deque([b""])
    newlines = held = 0
    for piece in _unpacked(file):
        pieces.append(piece)
        newlines += piece.count(b"\n")
        held += len(piece)
        while len(pieces) > 1 and (newlines - pieces[0].count(b"\n") > count or held > room):
            dropped = pieces.popleft()
            newlines -= dropped.count(b"\n")
            held -= len(dropped)
    return pieces


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    with suppress(EOFError, OSError, zlib.error), gzip.GzipFile(fileobj=file) as packed:
        while piece := packed.read(_PIECE):
            yield piece


def _begins_before(piece: bytes, since: float | None) -> bool:
    """Whether the first whole line of a piece is older."""
    if since is None:
        return False
    start = piece.find(b"\n") + 1
    moment = moment_of(readable(piece[start : start + STAMP_LENGTH]))
    return moment is not None and moment < since


def merged(logs: Mapping[str, list[str]], written: Mapping[str, float]) -> list[tuple[str, str]]:
    """The lines of several services, each with its service's name, by their stamps; those of one keep their order.

    A line without a stamp stays with the one before; where no line has one, all are of the moment that the log was
    last `written` at (seconds since the epoch).
    """
    timed = (_timed(name, lines, written.get(name, 0.0)) for name, lines in logs.items())
    return [(name, line) for _, name, line in heapq.merge(*timed, key=lambda each: each[0])]


def _timed(name: str, lines: list[str], written: float) -> Iterator[tuple[float, str, str]]:
    moments = [moment_of(line) for line in lines]
    latest = next((moment for moment in moments if moment is not None), written)
    for moment, line in zip(moments, lines, strict=True):
        latest = latest if moment is None else moment
        yield latest, name, line
