"""`herd why`: one moment of all services, a look at those that matter, and the core's words on it.

A service may have moved on while it was looked at. What is said is then true of the moment before.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from herd.core.action import Reply
from herd.core.diagnosis import Diagnosis
from herd.core.standing import is_well
from herd.core.status import Snapshot
from herd.core.why import all_causes, causes, result, text
from herd.daemon.diagnosis import diagnosed
from herd.daemon.supervisor import Supervisor
from herd.daemon.verb import Asked


async def why(supervisor: Supervisor, asked: Asked) -> Reply:
    """What led to how the service is."""
    snapshots, now = _moment(supervisor), time.time()
    # Who is in the chain does not depend on what is found.
    chain = causes(asked.name, snapshots, {}, now)
    found = causes(
        asked.name, snapshots, await _look(supervisor, snapshots, {cause.service for cause in chain}, asked), now
    )
    return Reply(result(found), text(found))


async def why_all(supervisor: Supervisor, asked: Asked) -> Reply:
    """The same for every service that is not as it should be."""
    snapshots, now = _moment(supervisor), time.time()
    chains = all_causes(snapshots, {}, now)
    found = all_causes(snapshots, await _look(supervisor, snapshots, {cause.service for cause in chains}, asked), now)
    return Reply(result(found), text(found))


def _moment(supervisor: Supervisor) -> dict[str, Snapshot]:
    return {name: supervisor.snapshot(name) for name in supervisor.controllers}


async def _look(
    supervisor: Supervisor, snapshots: Mapping[str, Snapshot], names: Collection[str], asked: Asked
) -> dict[str, Diagnosis]:
    matter = [each for name in names if not is_well(each := snapshots[name])]
    outputs = {each.service.name: list(supervisor.controllers[each.service.name].runner.output) for each in matter}
    if not asked.client.sees_people:
        outputs = {name: [] for name in outputs}
    mains = {each.state.pid: name for name, each in snapshots.items() if each.state.pid is not None}
    return await diagnosed(matter, outputs, mains)
