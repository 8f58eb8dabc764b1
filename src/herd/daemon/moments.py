"""When a start of a service came to what."""

from __future__ import annotations

from attrs import define


@define
class Start:
    """The moments of one start (trio's clock): asked for, its requirements ready, executed, ready or failed."""

    asked: float
    began: float | None = None
    executed: float | None = None
    ready: float | None = None
    failed: float | None = None
