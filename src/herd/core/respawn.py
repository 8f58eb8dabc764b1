"""When a service that ended unasked comes back: exponential back-off, capped, and a limit.

Times are monotonic seconds given by the caller. The limit is Shepherd's: more than `times` respawns within
`window` seconds and the service is disabled until somebody enables it (Shepherd manual, "Defining Services").
"""

from __future__ import annotations

from attrs import frozen


@frozen
class Respawn:
    """A service's policy. Seconds throughout; `times` 0 means no limit."""

    delay: float = 0.1
    factor: float = 2.0
    ceiling: float = 60.0
    times: int = 5
    window: float = 7.0
    # A process that ran this long was well: its next failure starts from `delay` again.
    reset_after: float = 60.0


def is_too_fast(policy: Respawn, history: tuple[float, ...], now: float) -> bool:
    """Whether one more respawn would be the `times` + 1st within the window."""
    recent = [moment for moment in history if now - moment < policy.window]
    return bool(policy.times) and len(recent) >= policy.times


def next_delay(policy: Respawn, attempts: int) -> float:
    """The seconds to wait before the next respawn, after `attempts` respawns in a row."""
    try:
        return min(policy.ceiling, policy.delay * float(policy.factor) ** attempts)
    except OverflowError:
        return policy.ceiling if policy.delay else 0.0
