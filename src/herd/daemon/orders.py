"""What is asked of several services together, in the order in which they require each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import trio

from herd.core import events
from herd.core.errors import HerdError, StartFailed
from herd.core.events import Status
from herd.daemon.controller import Controller
from herd.daemon.supervisor import Supervisor

# Starting.


def start_all(supervisor: Supervisor) -> None:
    """Ask every service that starts with herdd to start; each waits for what it requires."""
    for name in supervisor.graph.start_order():
        if supervisor.graph.services[name].auto_start:
            supervisor.controllers[name].post(events.Start(asked=False))


async def start(supervisor: Supervisor, name: str) -> list[Controller]:
    """Start a service and what it requires. Returns those that came up, in that order. Raises StartFailed."""
    came, failures = await start_several(supervisor, [name])
    if failures:
        raise failures[0]
    return came


async def start_several(
    supervisor: Supervisor, names: Sequence[str], *, asked: bool = True
) -> tuple[list[Controller], list[StartFailed]]:
    """Start services and what they require, side by side: each waits for what it requires.

    Returns those that came up, in that order, and why others did not, in the order of the names.
    """
    failures: dict[str, StartFailed] = {}

    async def start(name: str, controller: Controller) -> None:
        try:
            await controller.start(asked=asked)
        except StartFailed as error:
            failures[name] = error

    concerned = {need for name in names for need in (name, *supervisor.graph.needs(name))}
    with supervisor.arriving(concerned) as came:
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(start, name, supervisor.controllers[name])
    return list(came.values()), [failures[name] for name in names if name in failures]


# Stopping.


async def stop(supervisor: Supervisor, names: Iterable[str]) -> list[str]:
    """Stop services and all that require them, each once what requires it has stopped.

    Returns the names of those that had not been stopped, in the order in which they were.
    """
    graph, controllers = supervisor.graph, supervisor.controllers
    concerned = _with_dependents(supervisor, names)
    active = [
        name
        for name in graph.stop_order()
        if name in concerned and controllers[name].state.status is not Status.STOPPED
    ]
    stopped = {name: trio.Event() for name in concerned}

    async def stop(name: str, controller: Controller, dependents: list[str]) -> None:
        for dependent in dependents:
            await stopped[dependent].wait()
        await controller.stop()
        stopped[name].set()

    async with trio.open_nursery() as nursery:
        for name in concerned:
            nursery.start_soon(stop, name, controllers[name], graph.dependents(name))
    return active


async def stop_all(supervisor: Supervisor) -> None:
    """Stop everything."""
    await stop(supervisor, list(supervisor.controllers))


def hurry(supervisor: Supervisor) -> None:
    """End every process at once."""
    for controller in supervisor.controllers.values():
        controller.post(events.Hurry())


# Both.


def wanted(supervisor: Supervisor, names: Iterable[str]) -> list[str]:
    """Those of the services and all that require them that nobody asked to stop, in the order of their start."""
    concerned = _with_dependents(supervisor, names)
    return [
        name
        for name in supervisor.graph.start_order()
        if name in concerned and supervisor.controllers[name].state.is_wanted
    ]


async def restart(supervisor: Supervisor, name: str) -> list[Controller]:
    """Stop, then start the service and what was wanted of those that require it.

    Returns those that came up, in that order. Raises StartFailed, once the others have been started.
    """
    if supervisor.graph.services[name].transient:
        raise HerdError(
            f"cannot restart {name}: it is transient, so it is forgotten once it stops; "
            f"end it with: herd stop {name}, and bring it back with: herd reload root"
        )
    again = list(dict.fromkeys([name, *wanted(supervisor, [name])]))
    await stop(supervisor, [name])
    # Those that are transient are forgotten.
    came, failures = await start_several(supervisor, [each for each in again if each in supervisor.controllers])
    if failures:
        # Those behind it failed for want of it, or can be looked at by themselves.
        raise failures[0]
    return came


def _with_dependents(supervisor: Supervisor, names: Iterable[str]) -> set[str]:
    return {each for name in names for each in (name, *supervisor.graph.dependents(name))}
