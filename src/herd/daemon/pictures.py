"""`herd graph` and `herd analyze`: the services as a whole, drawn and timed by the core from what is now."""

from __future__ import annotations

import trio

from herd.core import timeline
from herd.core.action import Reply
from herd.core.analysis import analysis
from herd.core.chart import svg
from herd.core.drawing import Node, dot, tree
from herd.core.status import sign
from herd.core.timeline import Span
from herd.daemon.supervisor import Supervisor
from herd.daemon.verb import Asked


async def graph(supervisor: Supervisor, asked: Asked) -> Reply:
    """Graphviz's language, as Shepherd prints it; a drawing for whoever sits at a terminal."""
    nodes = [_node(supervisor, each) for each in supervisor.controllers]
    result = {"services": [{"name": node.name, "requirement": list(node.requirement)} for node in nodes]}
    return Reply(result, dot(nodes), drawing=tree(nodes))


def _node(supervisor: Supervisor, name: str) -> Node:
    snapshot = supervisor.snapshot(name)
    service = snapshot.service
    requirement = tuple(supervisor.graph.requirements(name))
    return Node(name, sign(snapshot), requirement, one_shot=service.one_shot, transient=service.transient)


async def analyze(supervisor: Supervisor, asked: Asked) -> Reply:
    """How long each service's first start since herdd began took, and what the last one waited for."""
    spans = _spans(supervisor)
    return Reply(timeline.facts(spans), svg(spans) if asked.arguments.options else analysis(spans))


def _spans(supervisor: Supervisor) -> list[Span]:
    found = []
    for name, controller in supervisor.controllers.items():
        if first := controller.runner.first_start:
            span = Span(
                name=name,
                requirement=tuple(supervisor.graph.requirements(name)),
                asked=first.asked,
                began=first.began,
                executed=first.executed,
                ready=first.ready,
                failed=first.failed,
                seen=trio.current_time(),
            )
            found.append(span)
    return found
