"""Numbers and moments as people read them: sizes, spans, clock times, signals."""

from __future__ import annotations

from datetime import datetime

# By their numbers on Linux (signal(7)); the core may not ask the machine it runs on.
_SIGNALS = (
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
)  # fmt: skip


def signal_name(number: int) -> str:
    """`SIGKILL (9)`; one without a name is `signal 34`."""
    return f"SIG{_SIGNALS[number - 1]} ({number})" if 0 < number <= len(_SIGNALS) else f"signal {number}"


def count(number: int, noun: str) -> str:
    """`1 process`, `2 processes`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}"


def clock(moment: float) -> str:
    """A wall-clock moment in local time."""
    return f"{datetime.fromtimestamp(moment):%Y-%m-%d %H:%M:%S}"


def span(seconds: float) -> str:
    """A time in the largest unit that fits it."""
    whole = max(0, int(seconds))
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if whole >= size:
            return count(whole // size, unit)
    return count(whole, "second")


def since(moment: float, now: float) -> str:
    """`since 2026-11-21 02:40:22 (1 second ago)`."""
    return f"since {clock(moment)} ({span(now - moment)} ago)"


def ago(moment: float, now: float) -> str:
    """`at 2026-11-21 02:40:22 (1 second ago)`."""
    return f"at {clock(moment)} ({span(now - moment)} ago)"


def due(moment: float, now: float) -> str:
    """`at 2026-11-21 02:40:22 (in 2.5 seconds)`; a longer wait in whole units."""
    left = max(0.0, moment - now)
    return f"at {clock(moment)} (in {f'{left:.1f} seconds' if left < 60 else span(left)})"


def size(amount: int) -> str:
    """An amount of memory in binary units."""
    value, unit = float(amount), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{amount} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
