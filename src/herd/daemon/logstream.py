"""Logs on their way to a client: those of several services merged, cut into replies of bearable size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import trio

from herd.core.errors import HerdError
from herd.daemon.follower import Follower
from herd.daemon.lines import MAX_LINE
from herd.daemon.log import ServiceLog
from herd.daemon.logread import ROOM, merged

# As many lines as one request may ask for.
MOST_LINES = 100_000
# A reply has so many lines at most, and so many characters, of which JSON may make five times as many, or one line.
_BATCH_LINES, _BATCH_TEXT = 500, 256 * 1024
# Where all has to go into one reply (core/protocol.py has the bound).
_REPLY_TEXT = 2 * 1024 * 1024

# A service's name and a line.
Entry = tuple[str, str]


async def history(
    logs: Sequence[ServiceLog], count: int, since: float | None, follower: Follower | None
) -> list[Entry]:
    """The last lines of all these logs together, oldest first; what comes after them goes to the follower.

    Raises HerdError for a moment that lines are to be since, where a log does not tell the moments of its lines.
    """
    if since is not None:
        _check_stamps(logs)
    room = max(ROOM // len(logs), 2 * MAX_LINE)
    lines = {log.name: await log.tail(count, since, follower=follower, room=room) for log in logs}
    if len(logs) == 1:
        return [(name, line) for name, each in lines.items() for line in each]
    entries = await trio.to_thread.run_sync(_merged, logs, lines, limiter=ServiceLog.readers)
    return entries[-count:] if count else []


def _check_stamps(logs: Sequence[ServiceLog]) -> None:
    if names := [log.name for log in logs if not log.has_stamps]:
        raise HerdError(
            f"cannot tell since when the lines of {', '.join(names)} are: they have no time stamps; "
            f"ask for the last ones: herd log {names[0]} -n 100"
        )


def _merged(logs: Sequence[ServiceLog], lines: Mapping[str, list[str]]) -> list[Entry]:
    return merged(lines, {log.name: log.last_written() for log in logs if not log.has_stamps})


def batches(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """The entries in parts that are a reply each."""
    start = text = 0
    for index, (_, line) in enumerate(entries):
        text += len(line)
        if index > start and (index - start >= _BATCH_LINES or text > _BATCH_TEXT):
            yield entries[start:index]
            start, text = index, len(line)
    if entries:
        yield entries[start:]


def newest(entries: Sequence[Entry]) -> Sequence[Entry]:
    """As many of the last entries as one reply can hold."""
    text = 0
    for index in range(len(entries) - 1, -1, -1):
        text += len(entries[index][1])
        if text > _REPLY_TEXT:
            return entries[index + 1 :]
    return entries


def reply(entries: Sequence[Entry], *, several: bool) -> dict[str, Any]:
    """The parameters of a reply: the lines of one service, or the entries of several."""
    if several:
        return {"lines": [], "entries": [{"service": name, "line": line} for name, line in entries]}
    return {"lines": [line for _, line in entries]}
