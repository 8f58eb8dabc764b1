"""Orders and mistakes among names: who starts after whom, who depends on whom, and what is wrong with which name."""

from __future__ import annotations

from graphlib import CycleError
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herd.core.graph import Graph, problems
from herd.core.service import Program, Service


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


def test_requirements_are_canonical_names_without_those_that_are_missing() -> None:
    graph = Graph.of([*SERVICES, service("odd", "www-data", "nobody")])
    assert graph.requirements("web") == ["disk", "db"]
    assert graph.requirements("odd") == ["disk"]


def test_one_requirement_under_two_names_is_one() -> None:
    graph = Graph.of([service("a", "disk", "www-data"), SERVICES[1]])
    assert graph.start_order() == ["disk", "a"]
    assert graph.dependents("disk") == ["a"]
    assert graph.required_by("disk") == ("a",)


def test_those_that_require_it_directly() -> None:
    graph = Graph.of(SERVICES)
    assert graph.required_by("disk") == ("web", "db")
    assert graph.required_by("web") == graph.required_by("nobody") == ()


def test_dependents_are_found_through_aliases_the_outermost_first() -> None:
    graph = Graph.of(SERVICES)
    assert graph.dependents("disk") == ["web", "db"]
    assert graph.dependents("db") == ["web"]
    assert graph.dependents("web") == graph.dependents("lone") == []


@st.composite
def acyclic(draw: st.DrawFn) -> list[Service]:
    """Services in any order, each requiring some of those with a smaller number."""
    count = draw(st.integers(1, 8))
    needs = [draw(st.sets(st.integers(0, number - 1))) if number else set() for number in range(count)]
    return draw(st.permutations([service(f"s{n}", *(f"s{m}" for m in need)) for n, need in enumerate(needs)]))


@given(acyclic())
def test_any_sound_graph_has_an_order_and_its_dependents_come_from_it(services: list[Service]) -> None:
    graph = Graph.of(services)
    assert problems(services) == []
    place = {name: number for number, name in enumerate(graph.start_order())}
    assert set(place) == set(graph.services)
    assert all(place[need] < place[name] for name in place for need in graph.requirements(name))
    for name in place:
        direct = {each for each in place if name in graph.requirements(each)}
        found = graph.dependents(name)
        assert set(found) == direct.union(*(graph.dependents(each) for each in direct))
        assert found == sorted(found, key=place.__getitem__, reverse=True)


def test_a_circle_has_no_order() -> None:
    graph = Graph.of([service("a", "b"), service("b", "a")])
    for order in (graph.start_order, graph.stop_order):
        with pytest.raises(CycleError):
            order()


@pytest.mark.parametrize(
    ("services", "names"),
    [
        ([service("a", "a")], {"a"}),
        ([service("a", "b"), service("b", "a")], {"a", "b"}),
        ([service("a", "b"), service("b", "c"), service("c", "a"), service("d", "a")], {"a", "b", "c"}),
        ([service("a", "other"), service("b", "a", aliases=("other",))], {"a", "b"}),
    ],
)
def test_a_circle_is_named_each_before_what_it_requires(services: list[Service], names: set[str]) -> None:
    (found,) = problems(services)
    chain = (
        found.removeprefix("cannot order the services: ").partition(" require each other in a circle")[0].split(" -> ")
    )
    assert (chain[0], set(chain), len(chain)) == (chain[-1], names, len(names) + 1)
    assert all(need in Graph.of(services).requirements(name) for name, need in pairwise(chain))


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ([service("prosody"), service("jicofo", "prosdy")], ["jicofo", "prosdy", "did you mean prosody?"]),
        ([service("a", aliases=("jamid",)), service("b", "jamd")], ["b", "jamd", "did you mean jamid?"]),
        ([service("z"), service("a", "qqq")], ["cannot start a", "qqq", "the services are: a, z"]),
        ([service("a"), service("b", aliases=("a",))], ["cannot register b", "the name a is a's already"]),
        ([service("a"), service("a")], ["cannot register a", "the name a is a's already"]),
        ([service("root")], ["the name root is root's already"]),
        ([service("a", aliases=("shepherd",))], ["the name shepherd is root's already"]),
    ],
)
def test_a_mistake_is_named(services: list[Service], words: list[str]) -> None:
    (found,) = problems(services)
    assert found.startswith("cannot")
    assert [word for word in words if word not in found] == []


def test_every_mistake_is_named_at_once() -> None:
    circles = [service("a", "b"), service("b", "a"), service("c", "d"), service("d", "c")]
    found = problems([*circles, service("a", "gone"), service("e", "lost")])
    assert [words.partition(";")[0] for words in found] == [
        "cannot register a: the name a is a's already",
        "cannot start a: it requires gone, which no service provides",
        "cannot start e: it requires lost, which no service provides",
        "cannot order the services: a -> b -> a require each other in a circle",
        "cannot order the services: c -> d -> c require each other in a circle",
    ]


def test_no_services_and_sound_ones_have_no_problems() -> None:
    assert problems([]) == problems(SERVICES) == []
