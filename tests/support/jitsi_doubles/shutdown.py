"""How a bridge goes when it is asked to: once its participants have gone, and some time after that.

Behaviour: jitsi-videobridge's ShutdownManager.kt.
"""

from __future__ import annotations

import asyncio
from typing import Any

from jitsi_doubles import java


class Shutdown:
    """RUNNING, GRACEFUL_SHUTDOWN, SHUTTING_DOWN, and at the end exit status 0."""

    def __init__(self, tree: dict[str, Any], participants: int, log: java.Log, life: java.Life) -> None:
        self._log, self._life = log, life
        self._delay = java.seconds(java.value(tree, "videobridge.shutdown.shutting-down-delay", "1 minute"))
        self._least = int(java.value(tree, "videobridge.shutdown.graceful-shutdown-min-participants", 0))
        self.state = "RUNNING"
        self.participants = participants

    def ask(self, *, graceful: bool) -> None:
        """Go, when the participants are gone or without waiting for that."""
        self._log.info(
            "ShutdownManager.initiateShutdown#1", f"Received shutdown request, graceful={str(graceful).lower()}"
        )
        if not graceful:
            self._go()
        elif self.state == "RUNNING":
            self.state = "GRACEFUL_SHUTDOWN"
            self._log.info("ShutdownManager.initiateShutdown#1", "Entered graceful shutdown mode")
            self.remain(self.participants)

    def remain(self, participants: int) -> None:
        """So many people are in its conferences now."""
        self.participants = participants
        if self.state == "GRACEFUL_SHUTDOWN" and participants <= self._least:
            self._log.info(
                "ShutdownManager.maybeShutdown#1", f"Entering SHUTTING_DOWN with {participants} participants."
            )
            self._go()

    def _go(self) -> None:
        if self.state == "SHUTTING_DOWN":
            return
        self._log.info("ShutdownManager.changeToShuttingDown#1", f"Will shut down in {self._delay:g} s")
        self.state = "SHUTTING_DOWN"
        asyncio.get_running_loop().call_later(self._delay, self._now)

    def _now(self) -> None:
        self._log.info("ShutdownManager.changeToShuttingDown#1", "Videobridge is shutting down NOW")
        self._life.end(0)
