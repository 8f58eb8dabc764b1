"""`herd reload root`: the configuration is read again and what differs is carried out; with a mistake nothing is."""

from __future__ import annotations

import trio

from herd.core.events import Status
from herd.core.plan import Plan, plan
from herd.core.service import Service
from herd.daemon import orders
from herd.daemon.config import Configuration
from herd.daemon.supervisor import Supervisor


async def planned(supervisor: Supervisor) -> Plan:
    """What a reload would do. Raises ConfigurationError with every mistake."""
    return _compare(supervisor, await trio.to_thread.run_sync(supervisor.read))


def _compare(supervisor: Supervisor, configuration: Configuration) -> Plan:
    in_force = {name: each.replacement or each.service for name, each in supervisor.controllers.items()}
    has_other_people = configuration.people != supervisor.people
    log, access = configuration.log != supervisor.log_policy, configuration.access != supervisor.access
    return plan(in_force, configuration.services, log=log, people=has_other_people, access=access)


async def reload(supervisor: Supervisor, *, restart: bool) -> tuple[Plan, list[str]]:
    """Carry it out; what was done, and a sentence for each service that did not come up. Raises ConfigurationError.

    Removed services are stopped, changed ones restarted once (unless `restart` is false: then their new definition
    waits for their next start), new ones started if they start with herdd. Logs are kept as `[log]` has it from now
    on, people are those of `[person.NAME]`, roles those of `[access]`. One reload at a time.
    """
    async with supervisor.reloading:
        configuration = await trio.to_thread.run_sync(supervisor.read)
        found = _compare(supervisor, configuration)
        supervisor.bulletin.warn_of(configuration.warnings)
        supervisor.keep_logs(configuration.log)
        supervisor.people = configuration.people
        supervisor.give_roles(configuration.access)
        return found, await _carry_out(supervisor, found, configuration.services, restart=restart)


async def _carry_out(supervisor: Supervisor, plan: Plan, services: tuple[Service, ...], *, restart: bool) -> list[str]:
    touched = {each for name in plan.changed for each in (name, *supervisor.graph.dependents(name))}
    failing = {name for name in touched if _is_failing(supervisor, name)}
    wanted = orders.wanted(supervisor, [*plan.removed, *(plan.changed if restart else ())])
    await orders.stop(supervisor, plan.removed)
    for name in plan.removed:
        # A transient one has gone by itself.
        if name in supervisor.controllers:
            supervisor.forget(name)
    supervisor.register(services)
    if restart:
        await orders.stop(supervisor, plan.changed)
    again = {*wanted, *failing, *(name for name in plan.added if supervisor.graph.services[name].auto_start)}
    enabled = [
        name for name in supervisor.graph.start_order() if name in again and supervisor.controllers[name].state.enabled
    ]
    _, failures = await orders.start_several(supervisor, enabled, asked=False)
    return [failure.message for failure in failures]


def _is_failing(supervisor: Supervisor, name: str) -> bool:
    controller = supervisor.controllers[name]
    state = controller.state
    return controller.service.auto_start and state.status is Status.STOPPED and state.failure is not None
