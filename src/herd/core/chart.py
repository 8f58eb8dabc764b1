"""The starts as a picture: a row for each service, time from left to right, in SVG that needs nothing beside it.

Rows stand in the order in which the services' turns came. The colours differ for the colour-blind too (Okabe and Ito,
2008); the critical path has red frames, joined where one waited for the other, and bold names. Whoever points at a row
is told its numbers. Lengths are pixels, y grows downwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from itertools import pairwise
from math import inf

from attrs import frozen

from herd.core.analysis import remark, seconds, summary
from herd.core.timeline import Phase, Span, critical_path, origin

_COLOURS = {Phase.WAITING: "#d0d0d0", Phase.PREPARATION: "#56b4e9", Phase.SETTLING: "#e69f00"}
_RED = "#c1121f"
_PLOT, _TOP, _ROW, _BAR, _MARGIN = 880, 72, 20, 12, 12
# A character of the text is as wide; longer names are cut, and told in whole to whoever points at them.
_CHARACTER, _LONGEST_NAME = 7.3, 36
# Behind the bars, for what is written there.
_BEHIND = 150
# With more rows the axis is out of sight at the end.
_ONE_AXIS = 25
_FONT = 'font-family="\'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="12"'
# Seconds between two marks of the axis.
_STEPS = (
    *(digit * 10.0**power for power in range(-4, 1) for digit in (1, 2, 5)),
    *(10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0),
)
# Up to which step the marks are written in which unit, of so many seconds.
_UNITS = ((0.1, "ms", 0.001), (60.0, "s", 1.0), (3600.0, "min", 60.0), (inf, "h", 3600.0))


@frozen
class _Scale:
    """Where moments lie: from `left` on, `length` seconds from `begin` on."""

    left: float
    begin: float
    length: float

    def x(self, moment: float) -> float:
        return self.left + _PLOT * (moment - self.begin) / self.length

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Moments of the axis with their labels, twelve at most."""
        step = next((step for step in _STEPS if self.length / step <= 11), self.length)
        unit, size = next((unit, size) for limit, unit, size in _UNITS if step < limit)
        times = [number * step for number in range(int(self.length / step + 1e-9) + 1)]
        return [(self.begin + time, f"{round(time / size, 6):g} {unit}") for time in times]


def svg(spans: Iterable[Span]) -> str:
    """An SVG document of all starts."""
    rows = sorted(spans, key=lambda span: (span.turn, span.last, span.name))
    scale = _scale(rows)
    places = {span.name: _TOP + _ROW * number for number, span in enumerate(rows)}
    bottom = _TOP + _ROW * len(rows)
    path = critical_path(rows)
    width, height = scale.left + _PLOT + _BEHIND, bottom + (2.5 if len(rows) > _ONE_AXIS else 1) * _MARGIN
    shades = (_shade(number) for number in range(0, len(rows), 2))
    links = (_link(span, places[before.name], places[span.name], scale) for span, before in pairwise(path))
    bars = (_row(span, places[span.name], scale, is_critical=span in path) for span in rows)
    axis = _axis(scale, bottom, twice=len(rows) > _ONE_AXIS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" {_FONT}>\n'
        f'<title>{summary(rows)}</title>\n<rect width="100%" height="100%" fill="white"/>\n'
        f"{_heading(rows)}{''.join(shades)}{axis}{''.join(links)}{''.join(bars)}</svg>\n"
    )


def _scale(rows: list[Span]) -> _Scale:
    begin = origin(rows)
    longest = max((len(_label(span)) for span in rows), default=0)
    # A millisecond at least: what took no time is not to be divided by.
    length = max([span.last - begin for span in rows] + [0.001])
    return _Scale(2 * _MARGIN + _CHARACTER * longest, begin, length)


def _label(span: Span) -> str:
    return span.name if len(span.name) <= _LONGEST_NAME else f"{span.name[: _LONGEST_NAME - 1]}…"


def _text(text: str) -> str:
    """Text for XML, which cannot hold control characters, not even escaped."""
    return escape("".join(char if char.isprintable() else "\ufffd" for char in text))


def _heading(rows: list[Span]) -> str:
    """What it is, and what the colours mean."""
    parts = [f'<text x="{_MARGIN}" y="20" font-weight="bold">{summary(rows)}</text>\n']
    x = float(_MARGIN)
    legend = [(phase.value, f'fill="{colour}"') for phase, colour in _COLOURS.items()]
    for words, style in [*legend, ("critical path", f'fill="none" stroke="{_RED}" stroke-width="2"')]:
        parts.append(f'<rect x="{x:.1f}" y="31" width="14" height="{_BAR}" {style}/>\n')
        parts.append(f'<text x="{x + 20:.1f}" y="41">{words}</text>\n')
        x += 44 + _CHARACTER * len(words)
    return "".join(parts)


def _shade(number: int) -> str:
    """Behind every other row, for the eye to follow from name to bar."""
    return f'<rect y="{_TOP + _ROW * number}" width="100%" height="{_ROW}" fill="#f6f6f6"/>\n'


def _axis(scale: _Scale, bottom: float, *, twice: bool) -> str:
    parts = []
    for moment, label in scale.marks:
        x = f"{scale.x(moment):.1f}"
        parts.append(f'<path d="M{x} {_TOP - 4}V{bottom}" stroke="#c8c8c8"/>\n')
        for y in (_TOP - 9, bottom + 15)[: 1 + twice]:
            parts.append(f'<text x="{x}" y="{y}" text-anchor="middle" fill="#555">{label}</text>\n')
    return "".join(parts)


def _row(span: Span, top: float, scale: _Scale, *, is_critical: bool) -> str:
    line, bar = top + 14, top + (_ROW - _BAR) / 2
    weight = ' font-weight="bold"' if is_critical else ""
    parts = [
        f"<g><title>{_text(_numbers(span))}</title>\n",
        f'<text x="{scale.left - _MARGIN:.1f}" y="{line}" text-anchor="end"{weight}>{_text(_label(span))}</text>\n',
    ]
    for phase, begin, end in span.phases:
        parts.append(_box(scale.x(begin), scale.x(end), bar, f'fill="{_COLOURS[phase]}"'))
    if is_critical:
        frame = f'fill="none" stroke="{_RED}" stroke-width="2"'
        parts.append(_box(scale.x(span.turn), scale.x(span.last), bar, frame))
    colour = f' fill="{_RED}"' if span.failed is not None else ""
    words = f"{seconds(span.took)}{remark(span)}"
    parts.append(f'<text x="{scale.x(span.last) + 8:.1f}" y="{line}"{colour}>{words}</text></g>\n')
    return "".join(parts)


def _box(begin: float, end: float, top: float, style: str) -> str:
    """A bar; what took next to no time is still to be seen."""
    return f'<rect x="{begin:.1f}" y="{top}" width="{max(end - begin, 1):.1f}" height="{_BAR}" {style}/>\n'


def _link(span: Span, above: float, top: float, scale: _Scale) -> str:
    """From the bar that was waited for to the one that waited."""
    x, half = scale.x(span.turn), _ROW / 2
    begin, end = sorted((above + half, top + half))
    return f'<path d="M{x:.1f} {begin + _BAR / 2}V{end - _BAR / 2}" stroke="{_RED}" stroke-width="2"/>\n'


def _numbers(span: Span) -> str:
    times = ", ".join(f"{phase.value} {seconds(end - begin)}" for phase, begin, end in span.phases)
    requirement = f"; requires {', '.join(span.requirement)}" if span.requirement else ""
    return f"{span.name}{remark(span)}: {times}{requirement}"
