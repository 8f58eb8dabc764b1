"""Orders and mistakes among names; and the small helpers that judge words and delays."""

from __future__ import annotations

import pytest

from herd.core.graph import Graph, problems
from herd.core.respawn import Respawn, is_too_fast, next_delay
from herd.core.service import Program, Service
from herd.core.suggest import did_you_mean


def service(name: str, *requirement: str, aliases: tuple[str, ...] = ()) -> Service:
    return Service(provision=(name, *aliases), program=Program(("/bin/true",)), requirement=requirement)


SERVICES = [
    service("web", "www-data", "db"),
    service("disk", aliases=("www-data",)),
    service("db", "disk"),
    service("lone"),
]


def test_everything_starts_after_what_it_requires_and_stops_before() -> None:
    graph = Graph.of(SERVICES)
    order = graph.start_order()
    assert sorted(order) == ["db", "disk", "lone", "web"]
    assert order.index("disk") < order.index("db") < order.index("web")
    assert graph.stop_order() == order[::-1]


def test_dependents_are_found_through_aliases_the_outermost_first() -> None:
    graph = Graph.of(SERVICES)
    assert graph.dependents("disk") == ["web", "db"]
    assert graph.dependents("web") == []


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ([service("a", "b"), service("b", "a")], ["circle", "a -> b"]),
        ([service("a", "a")], ["a -> a", "circle"]),
        ([service("prosody"), service("jicofo", "prosdy")], ["jicofo", "prosdy", "did you mean prosody?"]),
        ([service("a"), service("b", aliases=("a",))], ["cannot register b", "the name a is a's already"]),
        ([service("root")], ["the name root is root's already"]),
    ],
)
def test_mistakes_are_named(services: list[Service], words: list[str]) -> None:
    found = " ".join(problems(services))
    assert found.startswith("cannot")
    assert [word for word in words if word not in found] == []


def test_a_sound_graph_has_no_problems() -> None:
    assert problems(SERVICES) == []


@pytest.mark.parametrize(("attempts", "delay"), [(0, 1), (1, 2), (3, 8), (4, 10), (10**9, 10)])
def test_delays_double_up_to_the_ceiling(attempts: int, delay: float) -> None:
    assert next_delay(Respawn(delay=1, factor=2, ceiling=10), attempts) == delay


@pytest.mark.parametrize(
    ("history", "too_fast"),
    [((), False), ((1, 2), False), ((8, 9, 9.5), True), ((2.9, 9, 9.5), False), ((3, 9, 9.5), False)],
)
def test_the_limit_counts_within_its_window(history: tuple[float, ...], too_fast: bool) -> None:
    assert is_too_fast(Respawn(times=3, window=7), history, 10.0) is too_fast


def test_no_limit_is_never_too_fast() -> None:
    assert not is_too_fast(Respawn(times=0), (1.0,) * 30, 1.0)


@pytest.mark.parametrize(("word", "answer"), [("stauts", "did you mean status?"), ("qqq", "")])
def test_a_near_word_is_offered(word: str, answer: str) -> None:
    assert did_you_mean(word, ["status", "start"]) == answer
