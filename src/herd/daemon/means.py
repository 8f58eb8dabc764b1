"""What carries out the stages of a service's start, as its runner (runner.py) asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import trio

from herd.core.ledger import Ledger
from herd.core.service import Service
from herd.daemon.host import ServiceHost
from herd.daemon.identity import Identity
from herd.daemon.process import Process
from herd.daemon.secrets import Secrets


class Means(Protocol):
    """What a runner needs of the daemon around it; the supervisor gives it, tests give doubles."""

    @property
    def secrets(self) -> Secrets:
        """What only herdd knows."""
        ...

    async def start_requirements(self, name: str) -> None:
        """Start what the service requires. Raises StartFailed."""
        ...

    def missing_requirement(self, name: str) -> str | None:
        """A requirement that neither runs nor is about to."""
        ...

    async def prepare(self, service: Service) -> Identity:
        """Look up the user and carry out the preparation. Raises OSError, NoIdentity."""
        ...

    async def spawn(
        self, service: Service, words: Sequence[str], who: Identity, extra: dict[str, str], sockets: Sequence[int]
    ) -> Process:
        """Execute the program with further words. Raises OSError. Not cancelled: what it started is returned."""
        ...

    async def remember(self, service: Service, process: Process) -> None:
        """Note the process for the herdd after this one: it is ready."""
        ...

    async def join_bus(self, service: Service, host: ServiceHost, task_status: trio.TaskStatus[None]) -> None:
        """Keep the host on the service's bus until cancelled."""
        ...

    def ledger(self, name: str) -> Ledger:
        """The service's part of the ledger."""
        ...

    def advanced(self, name: str) -> None:
        """The start of the service is at another stage, or it tells something else of itself."""
        ...

    def say(self, text: str) -> None:
        """One line in herdd's own log."""
        ...

    def warn(self, text: str) -> None:
        """The same, of what should not be so."""
        ...
