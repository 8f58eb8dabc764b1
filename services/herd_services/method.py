"""Methods of values as what actions do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from attrs import frozen

from herd.core.action import Invocation, Reply
from herd.core.host import Host

S = TypeVar("S")


@frozen
class Method(Generic[S]):
    """A handler. Unlike a bound method it equals another of an equal value, so that a reload finds the same service."""

    subject: S
    procedure: Callable[[S, Host, Invocation], Awaitable[Reply]]

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        return await self.procedure(self.subject, host, call)
