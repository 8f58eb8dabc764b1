"""Where the time of a start went: what each service waited for, how long it took itself, and who held up the last.

A start has three phases: it waits for its requirements, is prepared up to the execution of its program, and settles
until it is ready. What it took itself are the latter two. All moments are seconds on one clock, any one.

Source of the critical chain: systemd-analyze(1), "critical-chain"; its times are when a service's own turn came, and
how long it took. A requirement counts where the service really waited for it: what was ready before the service was
asked for held nobody up.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from attrs import frozen


class Phase(Enum):
    """What a start does, in the order in which it does it."""

    WAITING = "waiting for requirements"
    PREPARATION = "preparation and execution"
    SETTLING = "readiness and set-up"


@frozen
class Span:
    """One start. A moment that did not come is None; of `ready` and `failed` one comes, unless it goes on.

    `requirement` has canonical names; `began` is when all of them were ready. What has no process is never executed.
    `seen` is when a start that goes on was looked at.
    """

    name: str
    requirement: tuple[str, ...]
    asked: float
    began: float | None = None
    executed: float | None = None
    ready: float | None = None
    failed: float | None = None
    seen: float | None = None

    @property
    def last(self) -> float:
        """When it was over or, while it goes on, the last that is known of it."""
        moments = (self.asked, self.began, self.executed, self.ready, self.failed, self.seen)
        return max(moment for moment in moments if moment is not None)

    @property
    def turn(self) -> float:
        """When it had waited long enough."""
        return self.last if self.began is None else self.began

    @property
    def waited(self) -> float:
        """Seconds that it waited for its requirements."""
        return self.turn - self.asked

    @property
    def took(self) -> float:
        """Seconds that it took itself."""
        return self.last - self.turn

    @property
    def phases(self) -> list[tuple[Phase, float, float]]:
        """Each phase it came to, with begin and end."""
        marks = [(Phase.WAITING, self.asked), (Phase.PREPARATION, self.began), (Phase.SETTLING, self.executed)]
        begun = [(phase, begin) for phase, begin in marks if begin is not None]
        ends = [begin for _, begin in begun[1:]] + [self.last]
        return [(phase, begin, end) for (phase, begin), end in zip(begun, ends, strict=True)]


def origin(spans: Iterable[Span]) -> float:
    """When the first start was asked for; 0 without any."""
    return min((span.asked for span in spans), default=0.0)


def critical_path(spans: Iterable[Span]) -> list[Span]:
    """What determined when the last service was ready: that one first, then always the one it waited for longest."""
    known = {span.name: span for span in spans}
    path: list[Span] = []
    candidates = list(known.values())
    while last := max((span for span in candidates if span.ready is not None), key=_readiness, default=None):
        path.append(last)
        awaited = [known[need] for need in last.requirement if need in known]
        candidates = [span for span in awaited if span not in path and _held_up(last, span)]
    return path


def _readiness(span: Span) -> tuple[float, str]:
    """For one result whatever the order: of two at once the name decides."""
    return (span.last, span.name)


def _held_up(span: Span, requirement: Span) -> bool:
    """Whether the requirement became ready while `span` waited."""
    return requirement.ready is not None and span.asked < requirement.ready <= span.turn


def facts(spans: Iterable[Span]) -> dict[str, Any]:
    """For programs. Integers are microseconds: moments since the first start was asked for, and durations."""
    spans = list(spans)
    begin, path = origin(spans), critical_path(spans)

    def since(moment: float | None) -> int | None:
        return None if moment is None else round((moment - begin) * 1e6)

    return {
        "readyUSec": since(path[0].ready) if path else None,
        "criticalPath": [span.name for span in path],
        "services": [
            {
                "name": span.name,
                "requirement": list(span.requirement),
                "askedUSec": since(span.asked),
                "begunUSec": since(span.began),
                "executedUSec": since(span.executed),
                "readyUSec": since(span.ready),
                "failedUSec": since(span.failed),
                "waitedUSec": round(span.waited * 1e6),
                "tookUSec": round(span.took * 1e6),
            }
            for span in sorted(spans, key=lambda span: (span.asked, span.name))
        ],
    }
