"""What an action of a service is, who asks for it, and what it answers.

Vocabulary: the Shepherd manual, "Actions of services".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from attrs import field, frozen

from herd.core.arguments import Arguments
from herd.core.host import Host
from herd.core.role import Role


@frozen
class Reply:
    """What an action answers: an object for programs, text for people, warnings beside it."""

    result: Mapping[str, Any] = field(factory=dict)
    text: str = ""
    warnings: tuple[str, ...] = ()
    exit_status: int = 0
    # What a person at a terminal is shown in place of the text.
    drawing: str | None = None


class Caller(Protocol):
    """Who asks for an action. Files are the caller's: found from its working directory and opened with its rights."""

    @property
    def name(self) -> str:
        """The user's name."""
        ...

    async def read_file(self, name: str, limit: int) -> bytes:
        """The content of a file or a pipe, /dev/stdin and /dev/fd/N among them. Raises HerdError."""
        ...

    async def write_new_files(self, files: Mapping[str, bytes]) -> None:
        """Files that were not there, readable by the caller alone; all or none. Raises HerdError."""
        ...


@frozen
class Invocation:
    """One request for an action: what was given, and who gave it."""

    arguments: Arguments
    caller: Caller


# What no action of a service's may be called: what every service offers, what the command herd does by itself, and what
# `herd doc` takes for words of its own.
TAKEN_NAMES = frozenset(
    {"status", "why", "start", "stop", "restart", "enable", "disable", "doc", "log", "watch", "audit"}
    | {"remote", "setup", "action", "list-actions"}
)


@frozen
class Action:
    """A verb of a service. `usage` is as core/arguments.py reads it: `CONTACT [ACCOUNT] [--reason TEXT]`."""

    name: str
    documentation: str
    handler: Callable[[Host, Invocation], Awaitable[Reply]]
    usage: str = ""
    # Who may ask for it; checked by daemon/access.py alone. None is usual, so that none is forgotten.
    role: Role = field(kw_only=True)
    # It is broken off when whoever asked for it leaves; others go on to their end, so that nothing is left half done.
    ends_with_caller: bool = False
