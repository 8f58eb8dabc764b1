"""Resource limits, prlimit(2): those of programs, and herdd's own of open files.

Each service takes descriptors of herdd's. With many services herdd allows itself more than it was started with.
Programs still get what it was started with: some close every descriptor that they may have, or cannot use high ones.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Mapping
from contextlib import suppress

Limits = Mapping[str, tuple[int | None, int | None]]

# By the names of Program.resource_limits, which are also those of prlimit(1).
NUMBERS: dict[str, int] = {
    name.removeprefix("RLIMIT_").lower(): getattr(resource, name)
    for name in dir(resource)
    if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"
}


def apply(pid: int, limits: Limits) -> None:
    """Give the process these soft and hard limits (None: infinity).

    Raises OSError that names the limit; PermissionError also for another user's process without CAP_SYS_RESOURCE.
    """
    for name, pair in limits.items():
        soft, hard = (resource.RLIM_INFINITY if each is None else each for each in pair)
        if name not in NUMBERS:
            raise OSError(errno.EINVAL, "this system knows no such resource limit", name)
        try:
            resource.prlimit(pid, NUMBERS[name], (soft, hard))
        except (ValueError, OverflowError) as error:
            raise OSError(errno.EINVAL, str(error), f"resource limit {name}") from error
        except OSError as error:
            number = error.errno or errno.EPERM
            raise OSError(number, os.strerror(number), f"resource limit {name}") from error


def options(limits: Limits) -> list[str]:
    """The same as options of prlimit(1)."""
    return [
        f"--{name}={':'.join('unlimited' if each is None else str(each) for each in limits[name])}" for name in limits
    ]


# What herdd needs for itself, its clients and what is being executed; and for each service: its process, its output,
# its log, the members that it is stopped with.
_BASE, _EACH = 512, 4


class OpenFiles:
    """herdd's own limit of open files. One for the process."""

    def __init__(self) -> None:
        self._first: int | None = None

    def make_room(self, services: int) -> int:
        """Allow herdd as many as it may have, if it needs more for so many services; how many are still missing."""
        needed = _BASE + _EACH * services
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < min(needed, hard):
            # Refused where the system's own limit was lowered below the hard one (fs.nr_open).
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                self._first, soft = soft, hard
        return max(0, needed - soft)

    def for_programs(self) -> Limits:
        """What a program has to be limited to, as if herdd had allowed itself nothing."""
        if self._first is None:
            return {}
        return {"nofile": (self._first, resource.getrlimit(resource.RLIMIT_NOFILE)[1])}

    def give_back(self) -> None:
        """As herdd was started. What is open stays so."""
        if self._first is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._first, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            self._first = None


OPEN_FILES = OpenFiles()
