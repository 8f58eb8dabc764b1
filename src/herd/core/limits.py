"""What all processes of a service may use together: the table `[limits.NAME]`.

Source: systemd.resource-control(5), whose names these are, and the kernel's Documentation/admin-guide/cgroup-v2.rst,
which has the files that they are written to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

from attrs import field, frozen, validators

from herd.core.size import Bytes
from herd.core.words import size

# 1.0 is the whole of one processor.
Processors = Annotated[float, "'50%'"]
_PERCENT = re.compile(r"([0-9]{1,9})%")
# Microseconds.
_PERIOD = 100_000
# More processors than any machine has.
_MOST_PERCENT = 1_000_000
_LEAST_MEMORY = 1024 * 1024
# The kernel's PID_MAX_LIMIT; of more it will not hear.
_MOST_TASKS = 4 * 1024 * 1024


def read_processors(value: Any) -> float:
    """What TOML has for Processors. Raises ValueError."""
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 1 <= int(found[1]) <= _MOST_PERCENT:
        raise ValueError(
            f"{json.dumps(value, default=str)} is no share; one is a text such as '50%', of one processor, or '200%', "
            f"from '1%' to '{_MOST_PERCENT}%'"
        )
    return int(found[1]) / 100


@frozen
class Limits:
    """None: as much as there is."""

    # Bytes. What would take more is ended by the kernel.
    memory_max: Bytes | None = field(default=None, validator=validators.optional(validators.ge(_LEAST_MEMORY)))
    cpu_quota: Processors | None = None
    # 1 to 10,000: the share where several services want more than there is. The kernel has 100 for whoever says none.
    cpu_weight: int | None = field(
        default=None, validator=validators.optional([validators.ge(1), validators.le(10_000)])
    )
    # Processes and threads.
    tasks_max: int | None = field(
        default=None, validator=validators.optional([validators.ge(1), validators.le(_MOST_TASKS)])
    )

    @property
    def files(self) -> Mapping[str, str]:
        """What each file of a control group has to say, CONTROLLER.WHAT."""
        wanted = {
            "memory.max": self.memory_max,
            "cpu.max": None if self.cpu_quota is None else f"{self.cpu_quota * _PERIOD:.0f} {_PERIOD}",
            "cpu.weight": self.cpu_weight,
            "pids.max": self.tasks_max,
        }
        return {name: str(value) for name, value in wanted.items() if value is not None}

    @property
    def words(self) -> str:
        """For people; empty where there is no limit."""
        parts = {
            "memory": None if self.memory_max is None else size(self.memory_max),
            "CPU": None if self.cpu_quota is None else f"{self.cpu_quota:.0%}",
            "CPU weight": self.cpu_weight,
            "tasks": self.tasks_max,
        }
        return ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None)


UNLIMITED = Limits()
