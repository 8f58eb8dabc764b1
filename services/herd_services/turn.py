"""An action that has its turn alone: what it finds is still so when it changes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.host import Host
from herd.core.role import Role


@frozen
class _Alone:
    # A value: two definitions of a service that say the same are equal, so a reload leaves it alone.
    handler: Callable[[Host, Invocation], Awaitable[Reply]]

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        async with host.alone():
            return await self.handler(host, call)


def change(
    name: str, documentation: str, handler: Callable[[Host, Invocation], Awaitable[Reply]], usage: str, *, role: Role
) -> Action:
    """An action that changes something, alone."""
    return Action(name, documentation, _Alone(handler), usage, role=role)
