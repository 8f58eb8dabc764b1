"""What a command line asks for, once it is read."""

from __future__ import annotations


class Request:
    """What the command line asks for."""

    def __init__(
        self,
        words: list[str],
        *,
        socket: str | None = None,
        json: bool = False,
        follow: bool = False,
        lines: int | None = None,
        since: str | None = None,
        every: bool = False,
    ) -> None:
        self.action = words[0]
        self.service = words[1] if len(words) > 1 else "root"
        self.named = words[1:]
        self.arguments = words[2:]
        self.socket = socket
        # For whom, and with which role (herd remote).
        self.represents: dict[str, str | None] | None = None
        self.json = json
        self.follow = follow
        self.lines = lines
        self.since = since
        self.every = every
