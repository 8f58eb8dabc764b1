"""What can go wrong with the real ones and has no real cause here: asked for in the configuration's key `double`.

    double = { fault = "outside" }                   one fault, or a list of them
    double = { fault = "exit", status = 78 }         exits at once with this status (without it 1)
    double = { fault = "exit-joined", status = 0 }   the same, once it is in the brewery
    double = { fault = "killed" }                    by SIGKILL, once in the brewery, as by the OOM killer
    double = { fault = "unhealthy", reason = "…" }   its health checks fail, for this reason
    double = { fault = […], while = "/path" }        only if this file is there when the program starts
    double = { delay = 2.5 }                         seconds until it does anything but obey signals
    double = { participants = 2 }                    of a bridge; POST /double/participants with a number changes it

Both programs:
    no-memory    the JVM does not get its heap: exits with 1
    no-http      lives, may be in the brewery, serves no HTTP
    silent-http  takes connections and never answers
    no-xmpp      never connects
    stubborn     ignores TERM, INT and HUP
Jicofo:
    outside                   logs in and stays outside the brewery
    outside-after-reconnect   joins once, and never again on a later connection (jicofo before PR #1297)
    returns                   if it fails to start, it exits with 0; without that it hangs
A bridge:
    no-dcsctp    a library is missing: conferences fail, and health is green
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from jitsi_doubles.java import leave

_KNOWN = {
    "exit", "exit-joined", "killed", "unhealthy", "no-memory", "no-http", "silent-http", "no-xmpp", "stubborn",
    "outside", "outside-after-reconnect", "returns", "no-dcsctp",
}  # fmt: skip


class Faults:
    """The faults asked for; each is asked by its name: `"no-http" in faults`."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.asked: dict[str, Any] = configuration.get("double", {})
        given = self.asked.get("fault", [])
        faults = {given} if isinstance(given, str) else set(given)
        if unknown := faults - _KNOWN:
            # A test that misspells a fault is to see it.
            print(f"double: no such fault: {', '.join(sorted(unknown))}", file=sys.stderr, flush=True)
            leave(99)
        if "while" in self.asked and not Path(self.asked["while"]).exists():
            faults = set()
        self._faults = faults

    def __contains__(self, fault: str) -> bool:
        return fault in self._faults

    @property
    def delay(self) -> float:
        """Seconds."""
        return float(self.asked.get("delay", 0))

    @property
    def reason(self) -> str | None:
        """Why it is not healthy, if that is asked for."""
        return str(self.asked.get("reason", "The double is unhealthy.")) if "unhealthy" in self else None

    def at_start(self) -> None:
        """Before the program's first line."""
        if "no-memory" in self:
            print("Error occurred during initialization of VM", flush=True)
            print("Could not reserve enough space for object heap", flush=True)
            leave(1)
        if "exit" in self:
            leave(int(self.asked.get("status", 1)))

    def once_joined(self) -> None:
        """As soon as it is in the brewery."""
        if "killed" in self:
            os.kill(os.getpid(), signal.SIGKILL)
        if "exit-joined" in self:
            leave(int(self.asked.get("status", 1)))
