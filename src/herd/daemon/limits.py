"""Resource limits of a process that is not herdd: prlimit(2), setrlimit(2), prlimit(1)."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Mapping

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
