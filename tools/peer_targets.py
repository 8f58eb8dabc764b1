"""What is measured of a supervisor, how it is shown, and what herdd has to reach.

Targets in seconds and MiB hold for up to a hundred services; those that compare, for any number.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from attrs import Factory, define, frozen

OURS = "herdd"


@define
class Results:
    """All figures by supervisor, number of services and key of METRICS; the seconds of a bare interpreter."""

    values: dict[tuple[str, int, str], list[float]] = Factory(dict)
    python: list[float] = Factory(list)

    def note(self, name: str, count: int, key: str, found: list[float]) -> None:
        """Add figures."""
        self.values.setdefault((name, count, key), []).extend(found)

    def of(self, name: str, count: int, key: str) -> list[float]:
        """The figures; none where it was not measured."""
        return self.values.get((name, count, key), [])

    def median(self, name: str, count: int, key: str) -> float | None:
        """The one that stands for all."""
        found = self.of(name, count, key)
        return median(found) if found else None


@frozen
class Metric:
    """One thing that is measured, and what to multiply it by for its unit."""

    name: str
    unit: str
    factor: float = 1

    def shown(self, values: list[float]) -> str:
        """The median."""
        return _with_unit(median(values) * self.factor, self.unit) if values else "-"

    def compared(self, results: Results, count: int, key: str, name: str) -> str:
        """Another's median and ours to it."""
        theirs, ours = results.median(name, count, key), results.median(OURS, count, key)
        ratio = f" ({ours / theirs:.2g})" if theirs and ours is not None else ""
        return self.shown(results.of(name, count, key)) + ratio


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


METRICS = {
    "cold": Metric("start, exec to all running", "ms", 1000),
    "all": Metric("status of all, whole command", "ms", 1000),
    "one": Metric("status of one, whole command", "ms", 1000),
    "rate_all": Metric("status of all, kept connection", "/s"),
    "rate_one": Metric("status of one, kept connection", "/s"),
    "respawn": Metric("KILL to replacement running", "ms", 1000),
    "stop": Metric("stop all", "ms", 1000),
    "memory": Metric("memory (PSS), with helpers", "MiB"),
    "cpu": Metric("CPU of a second, idle", "ms", 1000),
    "wakes": Metric("times woken, idle", "/s"),
    "log": Metric("log captured, a stamp a line", "MB/s"),
    "log_bare": Metric("log captured, without stamps", "MB/s"),
    "wrong": Metric("of its lines, lost, doubled, cut", "lines"),
}


Bound = Callable[[Results, int], float | None]


@frozen
class Target:
    """What ours has to be for a number of services: at most, or else at least, so much."""

    key: str
    bound: Bound
    is_most: bool = True

    def judge(self, results: Results, count: int) -> tuple[str, str]:
        """The bound as it is shown, and whether it is kept; nothing where there is none."""
        bound, ours = self.bound(results, count), results.median(OURS, count, self.key)
        if bound is None or ours is None:
            return "", ""
        sign, is_met = ("<=", ours <= bound) if self.is_most else (">=", ours >= bound)
        return f"{sign} {METRICS[self.key].shown([bound])}", "met" if is_met else "MISSED"


def _constant(value: float) -> Bound:
    return lambda results, count: value if count <= 100 else None


def _always(value: float) -> Bound:
    return lambda results, count: value


def _in_proportion(value: float) -> Bound:
    """A constant up to a hundred services; for more, what the hundred took, in proportion."""

    def bound(results: Results, count: int) -> float | None:
        hundred = results.median(OURS, 100, "cold")
        return value if count <= 100 else hundred and hundred * count / 100

    return bound


def _times_python(factor: float) -> Bound:
    return lambda results, count: factor * median(results.python)


def _times(factor: float, name: str, key: str) -> Bound:
    def bound(results: Results, count: int) -> float | None:
        theirs = results.median(name, count, key)
        return theirs and factor * theirs

    return bound


_ALL = (
    Target("cold", _in_proportion(0.353)),
    Target("all", _constant(0.032)),
    Target("one", _times_python(1.3)),
    Target("rate_all", _times(10, "supervisord", "rate_all"), is_most=False),
    Target("rate_one", _times(2, "supervisord", "rate_one"), is_most=False),
    Target("respawn", _constant(0.005)),
    Target("stop", _constant(0.133)),
    Target("memory", _constant(32)),
    Target("cpu", _always(0)),
    Target("wakes", _always(0)),
    Target("log", _always(200), is_most=False),
    Target("log_bare", _times(1, "supervisord", "log_bare"), is_most=False),
    Target("wrong", _always(0)),
)
TARGETS = {target.key: target for target in _ALL}
