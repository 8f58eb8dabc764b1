"""What the daemon found out about a service that is not as it should be: facts that core/why.py makes sentences of."""

from __future__ import annotations

from enum import Enum

from attrs import frozen


class Part(Enum):
    """What of a program's execution may not be there."""

    PROGRAM = "program"
    INTERPRETER = "interpreter"
    DIRECTORY = "working directory"
    ENVIRONMENT = "environment file"


@frozen
class Missing:
    """A file or directory that is not there."""

    part: Part
    path: str


@frozen
class Denied:
    """What a user may not do to a path: `execute`, `enter`, `read`, `write in`."""

    user: str
    deed: str
    path: str


@frozen
class Holder:
    """Who listens where the service would. Without a pid, another user's process that herdd may not look into."""

    address: str
    user: str
    pid: int | None = None
    program: str = ""
    # The service of ours that it belongs to.
    service: str | None = None


@frozen
class Diagnosis:
    """Whatever was found; nothing of it is certain to be the reason."""

    missing: Missing | None = None
    denied: Denied | None = None
    holders: tuple[Holder, ...] = ()
    # The last lines of its output, oldest first.
    output: tuple[str, ...] = ()
    # Its processes that are still there, as `4711 nginx`.
    left: tuple[str, ...] = ()
    # How often the kernel ended a process for want of memory since the machine started.
    out_of_memory: int = 0
