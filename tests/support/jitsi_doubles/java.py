"""What a program in Java has: system properties, a configuration in JSON (which is HOCON), log lines, exit statuses."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

# HOCON's units of durations; a bare number is of milliseconds.
_UNITS = {"": 0.001, "ms": 0.001, "millis": 0.001, "s": 1, "second": 1, "m": 60, "minute": 60, "h": 3600, "hour": 3600}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*?)s?\s*")
MISSING = object()


class NotConfigured(Exception):
    """A key without a default is not there."""


def properties(words: list[str]) -> dict[str, str]:
    """The system properties (-Dname=value) among the words of a command."""
    given = (word[2:].partition("=") for word in words if word.startswith("-D"))
    return {name: value for name, _, value in given}


def configuration(given: dict[str, str]) -> dict[str, Any]:
    """What is in -Dconfig.file. OSError, ValueError."""
    if "config.file" not in given:
        return {}
    content = json.loads(Path(given["config.file"]).read_text())
    if not isinstance(content, dict):
        raise ValueError("no object")
    return content


def value(tree: Any, path: str, default: Any = MISSING) -> Any:
    """What is at a path like `jicofo.rest.port`. NotConfigured."""
    for key in path.split("."):
        if not isinstance(tree, dict) or key not in tree:
            if default is MISSING:
                raise NotConfigured(f"No value found for the key '{path}'")
            return default
        tree = tree[key]
    return tree


def seconds(duration: Any) -> float:
    """Of `5 seconds`, `1 minute`, `300 ms` or a number of milliseconds. ValueError."""
    text = str(duration)
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"no duration: {text!r}")
    unit = "ms" if text.rstrip().endswith("ms") else match[2]
    if unit not in _UNITS:
        raise ValueError(f"no duration: {text!r}")
    return float(match[1]) * _UNITS[unit]


class Log:
    """Lines as java.util.logging's ConsoleHandler writes them: on standard error."""

    def __init__(self, program: str) -> None:
        self._program = program

    def info(self, where: str, text: str, context: str = "") -> None:
        """As it should be."""
        self._write("INFO", where, text, context)

    def warning(self, where: str, text: str, context: str = "") -> None:
        """It goes on, but."""
        self._write("WARNING", where, text, context)

    def severe(self, where: str, text: str, context: str = "") -> None:
        """It does not work."""
        self._write("SEVERE", where, text, context)

    def _write(self, level: str, where: str, text: str, context: str) -> None:
        stamp = datetime.now().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        between = f" [{context}]" if context else ""
        print(f"{self._program} {stamp} {level}: [1]{between} {where}: {text}", file=sys.stderr, flush=True)


class Life:
    """The process: ends with 128 and the number of the signal, or with what it is told by itself."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        # The loop keeps no strong references to tasks.
        self._tasks: set[asyncio.Task[Any]] = set()

    def obey(self, *, stubborn: bool) -> None:
        """TERM, INT and HUP end it, unless it is stubborn."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if stubborn:
                signal.signal(number, signal.SIG_IGN)
            else:
                asyncio.get_running_loop().add_signal_handler(number, self.end, 128 + number)

    def end(self, status: int) -> None:
        """End with this status; the first one counts."""
        if not self._end.done():
            self._end.set_result(status)

    async def ended(self) -> int:
        """The status, once it is to end."""
        # Who waits may be cancelled.
        return await asyncio.shield(self._end)

    def go_on(self, task: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do it beside all else. What it raises is said, and ends nothing: the real ones' threads are alike."""
        started = asyncio.get_running_loop().create_task(task)
        self._tasks.add(started)
        started.add_done_callback(self._over)
        return started

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.severe("Thread.run#1", "An uncaught exception occurred" + stack(error))


def stack(error: BaseException) -> str:
    """A stack trace, to be put after a text."""
    return "\n" + "".join(traceback.format_exception(error)).rstrip()


def leave(status: int) -> NoReturn:
    """At once, as Runtime.halt() does."""
    sys.stderr.flush()
    os._exit(status)
