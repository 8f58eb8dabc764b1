"""Where the time of starts went: phases, the chain that held up the last, and what is said of them."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herd.core.analysis import analysis, seconds
from herd.core.timeline import Phase, Span, critical_path, facts

SPANS = [
    Span("net", (), 100.0, 100.0, 100.002, 100.033),
    Span("disk", (), 100.0, 100.0, 100.0, 100.0004),
    Span("prosody", ("net", "disk"), 100.0, 100.033, 100.05, 101.237),
    Span("jicofo", ("prosody",), 100.001, 101.237, 101.25, 102.017),
    Span("jvb", ("prosody", "net"), 100.001, 101.237, 101.24, 102.417),
    Span("bad", ("net",), 100.0, 100.033, 100.04, failed=100.9),
    Span("slow", ("bad",), 100.0, seen=103.0),
]


def names(spans: list[Span]) -> list[str]:
    return [span.name for span in critical_path(spans)]


@pytest.mark.parametrize(
    ("span", "waited", "took", "phases"),
    [
        (Span("a", (), 1, 2, 4, 8), 1, 6, [1, 2, 4, 8]),
        # Without a process; broken off while it waited, while it was prepared; under way in each phase.
        (Span("a", (), 1, 2, ready=8), 1, 6, [1, 2, 8]),
        (Span("a", (), 1, failed=8), 7, 0, [1, 8]),
        (Span("a", (), 1, 2, failed=8), 1, 6, [1, 2, 8]),
        (Span("a", (), 1, seen=8), 7, 0, [1, 8]),
        (Span("a", (), 1, 2, 4, seen=8), 1, 6, [1, 2, 4, 8]),
        (Span("a", (), 1, 2, 4), 1, 2, [1, 2, 4, 4]),
    ],
)
def test_phases(span: Span, waited: float, took: float, phases: list[float]) -> None:
    assert (span.waited, span.took) == (waited, took)
    assert span.phases == [(phase, *pair) for phase, pair in zip(Phase, pairwise(phases), strict=False)]


def test_the_critical_path_goes_back_from_the_last_that_was_ready() -> None:
    assert names(SPANS) == ["jvb", "prosody", "net"]
    assert names(SPANS[::-1]) == ["jvb", "prosody", "net"]
    assert names([]) == names([Span("a", (), 1, seen=9), Span("b", (), 1, failed=9)]) == []


def test_only_what_was_waited_for_is_on_the_path() -> None:
    late = Span("late", ("before", "again", "gone", "failed"), 10, 12, 13, 20)
    before = Span("before", (), 1, 1, 1, 9)
    # It was started anew after it had been waited for.
    again = Span("again", (), 14, 14, 14, 15)
    failed = Span("failed", (), 1, 1, 1, failed=11)
    assert names([late, before, again, failed]) == ["late"]
    assert names([late, before, again, failed, Span("gone", (), 1, 1, 1, 11)]) == ["late", "gone"]


def test_what_requires_each_other_is_no_endless_path() -> None:
    assert names([Span("a", ("b",), 1, 5, 5, 5), Span("b", ("a", "b"), 1, 5, 5, 5)]) == ["b", "a"]


@st.composite
def starts(draw: st.DrawFn) -> list[Span]:
    """Services that were all asked for at 0, each one's turn coming when the last of its requirements was ready."""
    spans: list[Span] = []
    for number in range(draw(st.integers(1, 12))):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        began = max([spans[need].last for need in needs], default=0)
        executed = began + draw(st.integers(0, 9))
        ready = executed + draw(st.integers(1, 9))
        spans.append(Span(f"s{number}", tuple(f"s{need}" for need in needs), 0, began, executed, ready))
    return draw(st.permutations(spans))


@given(starts())
def test_the_critical_path_leaves_no_time_unexplained(spans: list[Span]) -> None:
    path = critical_path(spans)
    assert path[0].last == max(span.last for span in spans)
    assert all(later.turn == earlier.last and earlier.name in later.requirement for later, earlier in pairwise(path))
    assert path[-1].turn == 0
    assert sum(span.took for span in path) == path[0].last


def test_the_text() -> None:
    assert analysis(SPANS) == (
        "5 services ready after 2.417s, 1 failed, 1 still starting.\n"
        "\n"
        "       took      waited  service\n"
        "     1.204s        33ms  prosody\n"
        "     1.180s      1.236s  jvb\n"
        "      867ms        33ms  bad (failed)\n"
        "      780ms      1.236s  jicofo\n"
        "       33ms         0ms  net\n"
        "      0.4ms         0ms  disk\n"
        "        0ms      3.000s  slow (starting)\n"
        "\n"
        "What the last one waited for; @ is when a service's turn came, + how long it took:\n"
        "jvb @1.237s +1.180s\n"
        "└─ prosody @33ms +1.204s\n"
        "   └─ net @0ms +33ms\n"
    )


def test_the_text_in_ascii_and_without_anything_to_tell() -> None:
    assert analysis(SPANS, ascii_only=True).endswith("\n`- prosody @33ms +1.204s\n   `- net @0ms +33ms\n")
    assert analysis([]) == "No service has been started yet.\n"
    assert analysis([Span("a", (), 1, failed=2)]) == (
        "1 failed.\n\n       took      waited  service\n        0ms      1.000s  a (failed)\n"
    )


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0ms"), (0.00004, "0ms"), (0.0004, "0.4ms"), (0.00994, "9.9ms"), (0.01, "10ms"), (0.9994, "999ms"),
        (0.9996, "1.000s"), (59.9994, "59.999s"), (59.9996, "1min 0.0s"), (125.25, "2min 5.2s"),
        (3599.94, "59min 59.9s"), (3599.96, "1h 0min"), (7980, "2h 13min"), (90000, "25h 0min"),
    ],
)  # fmt: skip
def test_seconds(amount: float, text: str) -> None:
    assert seconds(amount) == text


def test_facts() -> None:
    found = facts(SPANS)
    assert json.loads(json.dumps(found)) == found
    assert (found["readyUSec"], found["criticalPath"]) == (2_417_000, ["jvb", "prosody", "net"])
    assert [each["name"] for each in found["services"]] == ["bad", "disk", "net", "prosody", "slow", "jicofo", "jvb"]
    assert found["services"][3] == {
        "name": "prosody",
        "requirement": ["net", "disk"],
        "askedUSec": 0,
        "begunUSec": 33_000,
        "executedUSec": 50_000,
        "readyUSec": 1_237_000,
        "failedUSec": None,
        "waitedUSec": 33_000,
        "tookUSec": 1_204_000,
    }
    assert found["services"][4]["begunUSec"] is None
    assert facts([]) == {"readyUSec": None, "criticalPath": [], "services": []}
