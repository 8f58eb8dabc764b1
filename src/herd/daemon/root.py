"""The actions of root, which stands for herdd itself.

Source: GNU Shepherd 0.10, chapter "Invoking herd". Texts are for people, results for programs.
"""

from __future__ import annotations

from attrs import asdict

from herd.core.action import Reply
from herd.core.plan import Plan
from herd.core.role import Role
from herd.core.status import facts, overview
from herd.daemon.reload import planned, reload
from herd.daemon.supervisor import Supervisor
from herd.daemon.verb import Asked, Verb, document


async def _root_status(supervisor: Supervisor, asked: Asked) -> Reply:
    snapshots = [supervisor.snapshot(each) for each in supervisor.controllers]
    told = [facts(each, sees_people=asked.client.sees_people) for each in snapshots]
    return Reply({"services": told}, overview(snapshots))


async def _root_stop(supervisor: Supervisor, asked: Asked) -> Reply:
    return Reply({"stopping": True}, "herdd stops every service and ends.\n")


def _end(supervisor: Supervisor) -> None:
    supervisor.end_asked.set()


async def _root_doc(supervisor: Supervisor, asked: Asked) -> Reply:
    return document("herdd itself, the supervisor of all services.", (), ROOT, "root", asked.arguments.words)


async def _root_start(supervisor: Supervisor, asked: Asked) -> Reply:
    return Reply({"started": []}, "Service root is already running.\n")


async def _why_all(supervisor: Supervisor, asked: Asked) -> Reply:
    from herd.daemon.why import why_all

    return await why_all(supervisor, asked)


async def _graph(supervisor: Supervisor, asked: Asked) -> Reply:
    from herd.daemon.pictures import graph

    return await graph(supervisor, asked)


async def _analyze(supervisor: Supervisor, asked: Asked) -> Reply:
    from herd.daemon.pictures import analyze

    return await analyze(supervisor, asked)


async def _ban(supervisor: Supervisor, asked: Asked) -> Reply:
    from herd.daemon.people import ban

    return await ban(supervisor, asked)


async def _unban(supervisor: Supervisor, asked: Asked) -> Reply:
    from herd.daemon.people import unban

    return await unban(supervisor, asked)


async def _bans(supervisor: Supervisor, asked: Asked) -> Reply:
    from herd.daemon.people import bans

    return await bans(supervisor, asked)


async def _reload(supervisor: Supervisor, asked: Asked) -> Reply:
    if "--dry-run" in asked.arguments.options:
        plan = await planned(supervisor)
        return Reply({"plan": asdict(plan), "done": False}, _told(plan, "would be "))
    plan, failures = await reload(supervisor, restart="--no-restart" not in asked.arguments.options)
    return Reply({"plan": asdict(plan), "done": True}, _told(plan, ""), tuple(failures), exit_status=bool(failures))


def _told(plan: Plan, mood: str) -> str:
    if plan.is_empty:
        return "Nothing has changed.\n"
    parts = [("added", plan.added), ("changed", plan.changed), ("removed", plan.removed)]
    lines = [f"Service {name} {mood}{word}.\n" for word, names in parts for name in names]
    if plan.log:
        lines.append(f"Logs {mood or 'are '}kept in another way.\n")
    if plan.people:
        lines.append(f"People {mood or 'are '}known by other names or servers.\n")
    if plan.access:
        lines.append(f"Roles {mood or 'are '}given to others.\n")
    return "".join(lines)


async def _upgrade(supervisor: Supervisor, asked: Asked) -> Reply:
    # With a mistake in it the next herdd would end at once, and nobody would look after the services.
    await planned(supervisor)
    return Reply({"upgrading": True}, "herdd is executed anew; every service runs on.\n")


def _execute_anew(supervisor: Supervisor) -> None:
    supervisor.is_upgrade = True
    supervisor.end_asked.set()


ROOT = {
    "status": Verb("List all services by how they are.", _root_status, role=Role.OBSERVER),
    "why": Verb("Say it of every service that is not as it should be.", _why_all, role=Role.OBSERVER),
    "start": Verb("herdd runs already.", _root_start, role=Role.ADMIN),
    "reload": Verb(
        "Read the configuration again and carry out what is new in it, restarting what changed; "
        "with --dry-run only say so, with --no-restart let what changed wait for its next start.",
        _reload,
        "[--dry-run] [--no-restart]",
        role=Role.ADMIN,
    ),
    "graph": Verb("Print who requires whom, for Graphviz; on a terminal as a drawing.", _graph, role=Role.OBSERVER),
    "analyze": Verb(
        "Say how long the services took to start, and what the last one waited for; --svg draws it.",
        _analyze,
        "[--svg]",
        role=Role.OBSERVER,
    ),
    "upgrade": Verb(
        "Execute herdd anew, in a new version perhaps; every service runs on.",
        _upgrade,
        role=Role.ADMIN,
        then=_execute_anew,
    ),
    "ban": Verb(
        "Ban a person of the configuration, [person.NAME], from every server that runs here.",
        _ban,
        "NAME [--reason TEXT] [--for DURATION] [--dry-run]",
        role=Role.MODERATOR,
    ),
    "unban": Verb(
        "Lift the bans of a person, [person.NAME], on every server that runs here.",
        _unban,
        "NAME [--reason TEXT] [--dry-run]",
        role=Role.MODERATOR,
    ),
    "bans": Verb("List who is banned from which server, by whom, why and until when.", _bans, role=Role.MODERATOR),
    "stop": Verb("Stop every service and end herdd.", _root_stop, role=Role.ADMIN, then=_end),
    "doc": Verb(
        "Describe root, with list-actions its actions, with an action's name that action.",
        _root_doc,
        "[WORD] [ACTION]",
        role=Role.OBSERVER,
    ),
}
