"""A service's own actions, which come from its definition, run for somebody."""

from __future__ import annotations

from collections.abc import Sequence

from herd.core.action import Action, Invocation, Reply
from herd.core.arguments import read
from herd.core.errors import HerdError, WrongUsage
from herd.core.events import Status
from herd.daemon.access import Client
from herd.daemon.caller import PeerCaller
from herd.daemon.controller import Controller


async def perform_action(controller: Controller, action: Action, client: Client, words: Sequence[str]) -> Reply:
    """Run it. Raises HerdError."""
    name = controller.service.name
    await client.check(action.role, f"{action.name} {name}")
    try:
        arguments = read(action.usage, words)
    except ValueError as error:
        usage = f"herd {action.name} {name} {action.usage}".rstrip()
        raise WrongUsage(f"cannot {action.name}: {error}; it is used as: {usage}") from error
    if controller.state.status is not Status.RUNNING:
        state = controller.state.status.value
        raise HerdError(f"cannot {action.name}: service {name} is {state}; see: herd status {name}")
    return await action.handler(controller.host, Invocation(arguments, await PeerCaller.of(client)))
