"""The actions that every service has, and who runs whatever is asked for.

Source: GNU Shepherd 0.10, chapter "Invoking herd". Texts are for people, results for programs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from herd.core.action import Reply
from herd.core.arguments import read
from herd.core.details import details
from herd.core.errors import NoSuchAction, WrongUsage
from herd.core.events import Status
from herd.core.role import Role
from herd.core.status import facts
from herd.core.suggest import did_you_mean
from herd.daemon import orders
from herd.daemon.access import Client
from herd.daemon.actions import perform_action
from herd.daemon.audit import Deed
from herd.daemon.controller import Controller
from herd.daemon.root import ROOT
from herd.daemon.supervisor import Supervisor
from herd.daemon.verb import Asked, Verb, document


async def perform(supervisor: Supervisor, client: Client, action: str, name: str, arguments: Sequence[str]) -> Reply:
    """Run any action of any service, and note who did so. Raises HerdError."""
    if name in ("root", "shepherd"):
        return await _perform_verb(ROOT, supervisor, client, action, "root", arguments)
    if name not in supervisor.graph.names and (name in VERBS or name in ROOT) and action in supervisor.graph.names:
        raise NoSuchAction(f"cannot find an action {action}; did you mean: herd {name} {action}?")
    controller = supervisor.find(name)
    if found := controller.service.action(action):
        work = partial(perform_action, controller, found, client, arguments)
        deed = Deed(controller.service.name, action, arguments)
        return await supervisor.audit.observe(client, deed, found.role, work)
    return await _perform_verb(VERBS, supervisor, client, action, controller.service.name, arguments)


async def _perform_verb(
    verbs: dict[str, Verb], supervisor: Supervisor, client: Client, action: str, name: str, arguments: Sequence[str]
) -> Reply:
    if action not in verbs:
        own = supervisor.graph.services[name].actions if name != "root" else ()
        raise NoSuchAction(_no_such_action(supervisor, action, name, [*verbs, *(each.name for each in own)]))
    verb = verbs[action]
    work = partial(_done, verb, supervisor, client, action, name, arguments)
    reply = await supervisor.audit.observe(client, Deed(name, action, arguments), verb.role, work)
    if verb.then is not None:
        verb.then(supervisor)
    return reply


async def _done(
    verb: Verb, supervisor: Supervisor, client: Client, action: str, name: str, arguments: Sequence[str]
) -> Reply:
    await client.check(verb.role, f"{action} {name}")
    try:
        asked = Asked(name, read(verb.usage, arguments), client)
    except ValueError as error:
        usage = f"herd {action} {name} {verb.usage}".rstrip()
        raise WrongUsage(f"cannot {action} {name}: {error}; it is used as: {usage}") from error
    return await verb.handler(supervisor, asked)


def _no_such_action(supervisor: Supervisor, action: str, name: str, known: list[str]) -> str:
    text = f"cannot find an action {action} of {name}; "
    if action in supervisor.graph.names:
        return f"{text}{action} is a service: name the action first, then the service"
    return text + (did_you_mean(action, known) or f"see: herd doc {name} list-actions")


# The actions of every service.


async def _why(supervisor: Supervisor, asked: Asked) -> Reply:
    # What only some callers need is read in when the first of them comes: herdd starts sooner and smaller.
    from herd.daemon.why import why

    return await why(supervisor, asked)


async def _start(supervisor: Supervisor, asked: Asked) -> Reply:
    controller = supervisor.controllers[asked.name]
    if controller.state.status is Status.RUNNING:
        return Reply({"started": []}, f"Service {asked.name} is already running.\n")
    return _started(await orders.start(supervisor, asked.name))


def _started(controllers: Sequence[Controller]) -> Reply:
    names = [each.service.name for each in controllers]
    warnings = tuple(warning for each in controllers for warning in each.host.warnings)
    return Reply({"started": names, "warnings": list(warnings)}, _said(names, "started"), warnings)


async def _stop(supervisor: Supervisor, asked: Asked) -> Reply:
    stopped = await orders.stop(supervisor, [asked.name])
    return Reply({"stopped": stopped}, _said(stopped, "stopped"))


async def _restart(supervisor: Supervisor, asked: Asked) -> Reply:
    return _started(await orders.restart(supervisor, asked.name))


def _said(names: Sequence[str], participle: str) -> str:
    return "".join(f"Service {name} has been {participle}.\n" for name in names)


async def _status(supervisor: Supervisor, asked: Asked) -> Reply:
    snapshot, sees_people = await supervisor.measured(asked.name), asked.client.sees_people
    text = details(snapshot, time.time(), sees_people=sees_people)
    if sees_people and (lines := await supervisor.controllers[asked.name].log.tail(5)):
        text += "  Recent messages:\n" + "".join(f"    {line}\n" for line in lines)
    # 3, as LSB init scripts and systemctl have it for a service that does not run.
    is_well = snapshot.state.status is Status.RUNNING or snapshot.state.done
    return Reply(facts(snapshot, sees_people=sees_people), text, exit_status=0 if is_well else 3)


async def _enable(supervisor: Supervisor, asked: Asked) -> Reply:
    await supervisor.enabling.change(asked.name, enabled=True)
    return Reply({"enabled": True}, f"Enabled service {asked.name}.\n")


async def _disable(supervisor: Supervisor, asked: Asked) -> Reply:
    await supervisor.enabling.change(asked.name, enabled=False)
    return Reply({"enabled": False}, f"Disabled service {asked.name}.\n")


async def _doc(supervisor: Supervisor, asked: Asked) -> Reply:
    service = supervisor.graph.services[asked.name]
    return document(service.documentation, service.actions, VERBS, asked.name, asked.arguments.words)


VERBS = {
    "status": Verb("Say how the service is; exit status 3 unless it is running.", _status, role=Role.OBSERVER),
    "why": Verb("Say what led to how the service is, and what would mend it.", _why, role=Role.OBSERVER),
    "start": Verb("Start the service and what it requires.", _start, role=Role.ADMIN),
    "stop": Verb("Stop the service, first those that require it.", _stop, role=Role.ADMIN),
    "restart": Verb("Stop the service and start it and what had required it.", _restart, role=Role.ADMIN),
    "enable": Verb("Let the service start again.", _enable, role=Role.ADMIN),
    "disable": Verb("Let the service neither start nor respawn; a running one runs on.", _disable, role=Role.ADMIN),
    "doc": Verb(
        "Describe the service, with list-actions its actions, with an action's name that action.",
        _doc,
        "[WORD] [ACTION]",
        role=Role.OBSERVER,
    ),
}
