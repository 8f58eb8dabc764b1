"""The actions that every service has, and those of root, which stands for herdd itself.

Source: GNU Shepherd 0.10, chapter "Invoking herd". Texts are for people, results for programs; a service's own actions
come from its definition and are run by `perform`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from attrs import asdict, frozen

from herd.core.action import Access, Action, Invocation, Reply
from herd.core.arguments import read
from herd.core.details import details
from herd.core.errors import HerdError, NoSuchAction, WrongUsage
from herd.core.events import Status
from herd.core.plan import Plan
from herd.core.status import facts, overview
from herd.core.suggest import did_you_mean
from herd.daemon import access, orders
from herd.daemon.access import Peer
from herd.daemon.caller import PeerCaller
from herd.daemon.controller import Controller
from herd.daemon.reload import planned, reload
from herd.daemon.supervisor import Supervisor


@frozen
class Verb:
    """An action of the daemon's own. A negative `most` lets any number of arguments pass."""

    documentation: str
    handler: Callable[[Supervisor, str, Sequence[str]], Awaitable[Reply]]
    most: int = 0
    access: Access = Access.READ


async def perform(supervisor: Supervisor, peer: Peer, action: str, name: str, arguments: Sequence[str]) -> Reply:
    """Run any action of any service. Raises HerdError."""
    if name in ("root", "shepherd"):
        return await _perform_verb(ROOT, supervisor, peer, action, "root", arguments)
    if name not in supervisor.graph.names and (name in VERBS or name in ROOT) and action in supervisor.graph.names:
        raise NoSuchAction(f"cannot find an action {action}; did you mean: herd {name} {action}?")
    controller = supervisor.find(name)
    if found := controller.service.action(action):
        return await _perform_action(controller, found, peer, arguments)
    return await _perform_verb(VERBS, supervisor, peer, action, controller.service.name, arguments)


async def _perform_verb(
    verbs: dict[str, Verb], supervisor: Supervisor, peer: Peer, action: str, name: str, arguments: Sequence[str]
) -> Reply:
    if action not in verbs:
        own = supervisor.graph.services[name].actions if name != "root" else ()
        raise NoSuchAction(_no_such_action(supervisor, action, name, [*verbs, *(each.name for each in own)]))
    verb = verbs[action]
    access.check(peer, verb.access, f"{action} {name}")
    if 0 <= verb.most < len(arguments):
        raise WrongUsage(f"cannot {action} {name}: it takes no {arguments[verb.most]!r}; see: herd doc {name} {action}")
    return await verb.handler(supervisor, name, arguments)


def _no_such_action(supervisor: Supervisor, action: str, name: str, known: list[str]) -> str:
    text = f"cannot find an action {action} of {name}; "
    if action in supervisor.graph.names:
        return f"{text}{action} is a service: name the action first, then the service"
    return text + (did_you_mean(action, known) or f"see: herd doc {name} list-actions")


async def _perform_action(controller: Controller, action: Action, peer: Peer, words: Sequence[str]) -> Reply:
    name = controller.service.name
    access.check(peer, action.access, f"{action.name} {name}")
    try:
        arguments = read(action.usage, words)
    except ValueError as error:
        usage = f"herd {action.name} {name} {action.usage}".rstrip()
        raise WrongUsage(f"cannot {action.name}: {error}; it is used as: {usage}") from error
    if controller.state.status is not Status.RUNNING:
        state = controller.state.status.value
        raise HerdError(f"cannot {action.name}: service {name} is {state}; see: herd status {name}")
    return await action.handler(controller.host, Invocation(arguments, await PeerCaller.of(peer)))


# The actions of every service.


async def _why(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    # What only some callers need is read in when the first of them comes: herdd starts sooner and smaller.
    from herd.daemon.why import why

    return await why(supervisor, name, arguments)


async def _start(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    controller = supervisor.controllers[name]
    if controller.state.status is Status.RUNNING:
        return Reply({"started": []}, f"Service {name} is already running.\n")
    return _started(await orders.start(supervisor, name))


def _started(controllers: Sequence[Controller]) -> Reply:
    names = [each.service.name for each in controllers]
    warnings = tuple(warning for each in controllers for warning in each.host.warnings)
    return Reply({"started": names, "warnings": list(warnings)}, _said(names, "started"), warnings)


async def _stop(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    stopped = await orders.stop(supervisor, [name])
    return Reply({"stopped": stopped}, _said(stopped, "stopped"))


async def _restart(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    return _started(await orders.restart(supervisor, name))


def _said(names: Sequence[str], participle: str) -> str:
    return "".join(f"Service {name} has been {participle}.\n" for name in names)


async def _status(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    snapshot = await supervisor.measured(name)
    text = details(snapshot, time.time())
    if lines := await supervisor.controllers[name].log.tail(5):
        text += "  Recent messages:\n" + "".join(f"    {line}\n" for line in lines)
    # 3, as LSB init scripts and systemctl have it for a service that does not run.
    return Reply(
        facts(snapshot), text, exit_status=0 if snapshot.state.status is Status.RUNNING or snapshot.state.done else 3
    )


async def _enable(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    await supervisor.enabling.change(name, enabled=True)
    return Reply({"enabled": True}, f"Enabled service {name}.\n")


async def _disable(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    await supervisor.enabling.change(name, enabled=False)
    return Reply({"enabled": False}, f"Disabled service {name}.\n")


async def _doc(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    service = supervisor.graph.services[name]
    return _document(service.documentation, service.actions, VERBS, name, arguments)


def _document(
    documentation: str, actions: Sequence[Action], verbs: dict[str, Verb], name: str, arguments: Sequence[str]
) -> Reply:
    # `doc SERVICE action NAME` is how Shepherd says it.
    words = arguments[1:] if arguments[:1] == ["action"] else arguments
    if not words:
        return Reply({"documentation": documentation}, f"{documentation}\n")
    if words[0] == "list-actions":
        names = [action.name for action in actions] or list(verbs)
        return Reply({"actions": names}, "(" + "\n ".join(names) + ")\n")
    known = {action.name: (action.usage, action.documentation) for action in actions}
    known |= {word: ("", verb.documentation) for word, verb in verbs.items() if word not in known}
    if words[0] not in known:
        remedy = did_you_mean(words[0], known) or f"see: herd doc {name} list-actions"
        raise NoSuchAction(f"cannot find an action {words[0]} of {name}; {remedy}")
    usage, text = known[words[0]]
    result = {"action": words[0], "usage": usage, "documentation": text}
    return Reply(result, f"{words[0]}{f' {usage}' if usage else ''}: {text}\n")


VERBS = {
    "status": Verb("Say how the service is; exit status 3 unless it is running.", _status),
    "why": Verb("Say what led to how the service is, and what would mend it.", _why),
    "start": Verb("Start the service and what it requires.", _start, access=Access.CHANGE),
    "stop": Verb("Stop the service, first those that require it.", _stop, access=Access.CHANGE),
    "restart": Verb("Stop the service and start it and what had required it.", _restart, access=Access.CHANGE),
    "enable": Verb("Let the service start again.", _enable, access=Access.CHANGE),
    "disable": Verb(
        "Let the service neither start nor respawn; a running one runs on.", _disable, access=Access.CHANGE
    ),
    "doc": Verb("Describe the service, with list-actions its actions, with an action's name that action.", _doc, 2),
}


# The actions of root.


async def _root_status(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    snapshots = [supervisor.snapshot(each) for each in supervisor.controllers]
    return Reply({"services": [facts(snapshot) for snapshot in snapshots]}, overview(snapshots))


async def _root_stop(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    supervisor.end_asked.set()
    return Reply({"stopping": True}, "herdd stops every service and ends.\n")


async def _root_doc(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    return _document("herdd itself, the supervisor of all services.", (), ROOT, "root", arguments)


async def _root_start(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    return Reply({"started": []}, "Service root is already running.\n")


async def _why_all(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    from herd.daemon.why import why_all

    return await why_all(supervisor, name, arguments)


async def _graph(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    from herd.daemon.pictures import graph

    return await graph(supervisor, name, arguments)


async def _analyze(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    from herd.daemon.pictures import analyze

    return await analyze(supervisor, name, arguments)


async def _reload(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    for argument in arguments:
        if argument not in ("--dry-run", "--no-restart"):
            raise WrongUsage(f"cannot reload with {argument}: it takes --dry-run and --no-restart")
    if "--dry-run" in arguments:
        plan = await planned(supervisor)
        return Reply({"plan": asdict(plan), "done": False}, _told(plan, "would be "))
    plan, failures = await reload(supervisor, restart="--no-restart" not in arguments)
    return Reply({"plan": asdict(plan), "done": True}, _told(plan, ""), tuple(failures), exit_status=bool(failures))


def _told(plan: Plan, mood: str) -> str:
    if plan.is_empty:
        return "Nothing has changed.\n"
    parts = [("added", plan.added), ("changed", plan.changed), ("removed", plan.removed)]
    lines = [f"Service {name} {mood}{word}.\n" for word, names in parts for name in names]
    if plan.log:
        lines.append(f"Logs {mood or 'are '}kept in another way.\n")
    return "".join(lines)


async def _upgrade(supervisor: Supervisor, name: str, arguments: Sequence[str]) -> Reply:
    # With a mistake in it the next herdd would end at once, and nobody would look after the services.
    await planned(supervisor)
    supervisor.is_upgrade = True
    supervisor.end_asked.set()
    return Reply({"upgrading": True}, "herdd is executed anew; every service runs on.\n")


ROOT = {
    "status": Verb("List all services by how they are.", _root_status),
    "why": Verb("Say it of every service that is not as it should be.", _why_all),
    "start": Verb("herdd runs already.", _root_start),
    "reload": Verb(
        "Read the configuration again and carry out what is new in it, restarting what changed; "
        "with --dry-run only say so, with --no-restart let what changed wait for its next start.",
        _reload,
        2,
        Access.CHANGE,
    ),
    "graph": Verb("Print who requires whom, for Graphviz; on a terminal as a drawing.", _graph),
    "analyze": Verb(
        "Say how long the services took to start, and what the last one waited for; --svg draws it.", _analyze, 1
    ),
    "upgrade": Verb("Execute herdd anew, in a new version perhaps; every service runs on.", _upgrade, 0, Access.CHANGE),
    "stop": Verb("Stop every service and end herdd.", _root_stop, access=Access.CHANGE),
    "doc": Verb("Describe root, with list-actions its actions, with an action's name that action.", _root_doc, 2),
}
