"""Which service needs which, computed on names before any process is touched.

`Graph` is built from services that may be wrong; `problems` says everything that is. Orders are lists of
canonical names. Start order and its reverse come from graphlib.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from attrs import field, frozen

from herd.core.service import Service
from herd.core.suggest import did_you_mean


@frozen
class Graph:
    """Services by canonical name, with every alias resolved. What follows from them is computed once."""

    services: dict[str, Service]
    names: dict[str, str] = field(factory=dict)

    @classmethod
    def of(cls, services: Iterable[Service]) -> Graph:
        """The graph of `services`; of two that claim one name, the first keeps it (see problems)."""
        known: dict[str, Service] = {}
        names: dict[str, str] = {}
        for service in services:
            known.setdefault(service.name, service)
            for name in service.provision:
                names.setdefault(name, service.name)
        return cls(known, names)

    def requirements(self, name: str) -> list[str]:
        """The canonical names that `name` requires directly; missing ones are left out."""
        return [self.names[need] for need in self.services[name].requirement if need in self.names]

    def needs(self, name: str) -> set[str]:
        """Everything that `name` requires, directly or not."""
        found: set[str] = set()
        waiting = self.requirements(name)
        while waiting:
            need = waiting.pop()
            if need not in found:
                found.add(need)
                waiting += self.requirements(need)
        return found

    def required_by(self, name: str) -> tuple[str, ...]:
        """Those that require `name` directly, in the order of the services."""
        return self._required_by.get(name, ())

    def dependents(self, name: str) -> list[str]:
        """Everything that requires `name`, directly or not, those to stop first in front."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            new = [each for each in self.required_by(waiting.pop()) if each not in found]
            found.update(new)
            waiting += new
        return sorted(found - {name}, key=self._places.__getitem__, reverse=True)

    @cached_property
    def _required_by(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, dict[str, None]] = {}
        for name in self.services:
            for need in self.requirements(name):
                found.setdefault(need, {})[name] = None
        return {need: tuple(names) for need, names in found.items()}

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where each stands in the start order. Raises graphlib.CycleError."""
        return {name: place for place, name in enumerate(self.start_order())}

    def start_order(self) -> list[str]:
        """Every service, each after all that it requires. Raises graphlib.CycleError."""
        return list(TopologicalSorter({n: self.requirements(n) for n in self.services}).static_order())

    def stop_order(self) -> list[str]:
        """Every service, each before all that it requires. Raises graphlib.CycleError."""
        return self.start_order()[::-1]


def problems(services: Iterable[Service]) -> list[str]:
    """Every mistake in how the services refer to each other, a sentence each."""
    services = list(services)
    graph = Graph.of(services)
    return [*_claimed_twice(services), *_missing(graph, services), *_circles(graph)]


def _claimed_twice(services: list[Service]) -> list[str]:
    owner: dict[str, str] = {"root": "root", "shepherd": "root"}
    found = []
    for service in services:
        for name in service.provision:
            if name in owner:
                found.append(
                    f"cannot register {service.name}: the name {name} is {owner[name]}'s already; choose another"
                )
            owner.setdefault(name, service.name)
    return found


def _missing(graph: Graph, services: list[Service]) -> list[str]:
    return [
        f"cannot start {service.name}: it requires {need}, which no service provides; "
        + (did_you_mean(need, graph.names) or f"the services are: {', '.join(sorted(graph.names))}")
        for service in services
        for need in service.requirement
        if need not in graph.names
    ]


def _circles(graph: Graph) -> list[str]:
    """Each circle that is left once the first requirement of those before it is removed."""
    needs = {name: dict.fromkeys(graph.requirements(name)) for name in graph.services}
    found = []
    while circle := _circle(needs):
        del needs[circle[0]][circle[1]]
        chain = " -> ".join(circle)
        found.append(f"cannot order the services: {chain} require each other in a circle; remove one requirement")
    return found


def _circle(needs: dict[str, dict[str, None]]) -> list[str]:
    """Names, each of which requires the next, the last one being the first again; none if there is no circle."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle[::-1]
    return []
