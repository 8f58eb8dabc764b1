"""The text of `herd analyze`: how long each service took, longest first, and the chain that the last one waited for.

Source of the form: systemd-analyze(1), "blame" and "critical-chain".
"""

from __future__ import annotations

from collections.abc import Iterable

from herd.core.timeline import Span, critical_path, origin
from herd.core.words import count


def analysis(spans: Iterable[Span], *, ascii_only: bool = False) -> str:
    """What people read of the starts."""
    spans = list(spans)
    table = f"\n{_table(spans)}{_chain(spans, '`-' if ascii_only else '└─')}" if spans else ""
    return f"{summary(spans)}\n{table}"


def seconds(amount: float) -> str:
    """A duration: `0ms`, `0.4ms`, `31ms`, `2.417s`, `3min 5.2s`, `2h 13min`."""
    for limit, text in (
        (0.00005, "0ms"),
        (0.00995, f"{amount * 1e3:.1f}ms"),
        (0.9995, f"{amount * 1e3:.0f}ms"),
        (59.9995, f"{amount:.3f}s"),
    ):
        if amount < limit:
            return text
    if amount < 3599.95:
        minutes, rest = divmod(round(amount, 1), 60)
        return f"{minutes:.0f}min {rest:.1f}s"
    hours, rest = divmod(round(amount / 60), 60)
    return f"{hours}h {rest}min"


def summary(spans: list[Span]) -> str:
    """How it went, as a sentence."""
    ready = [span for span in spans if span.ready is not None]
    failed = sum(span.failed is not None for span in spans)
    parts = []
    if ready:
        after = seconds(max(span.last for span in ready) - origin(spans))
        parts.append(f"{count(len(ready), 'service')} ready after {after}")
    if failed:
        parts.append(f"{failed} failed")
    if under_way := len(spans) - len(ready) - failed:
        parts.append(f"{under_way} still starting")
    return f"{', '.join(parts) or 'No service has been started yet'}."


def _table(spans: list[Span]) -> str:
    rows = [("took", "waited", "service")]
    for span in sorted(spans, key=lambda span: (-span.took, span.name)):
        rows.append((seconds(span.took), seconds(span.waited), span.name + remark(span)))
    return "".join(f"{took:>11} {waited:>11}  {name}\n" for took, waited, name in rows)


def remark(span: Span) -> str:
    """What is to be added to its name or numbers, unless it is ready."""
    if span.failed is not None:
        return " (failed)"
    return " (starting)" if span.ready is None else ""


def _chain(spans: list[Span], branch: str) -> str:
    lines = []
    for depth, span in enumerate(critical_path(spans)):
        mark = "   " * (depth - 1) + branch + " " if depth else ""
        lines.append(f"{mark}{span.name} @{seconds(span.turn - origin(spans))} +{seconds(span.took)}\n")
    if not lines:
        return ""
    return "\nWhat the last one waited for; @ is when a service's turn came, + how long it took:\n" + "".join(lines)
