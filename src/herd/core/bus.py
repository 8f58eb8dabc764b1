"""What a procedure may ask of a message bus: calls, and signals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from attrs import frozen


@frozen
class BusCall:
    """One D-Bus method call; `body` has one value for each complete type of `signature`."""

    destination: str
    path: str
    interface: str
    member: str
    signature: str = ""
    body: tuple[Any, ...] = ()


@frozen
class BusSignal:
    """One D-Bus signal as received."""

    interface: str
    member: str
    body: tuple[Any, ...]


class Bus(Protocol):
    """A connection to a message bus."""

    async def call(self, call: BusCall, timeout: float = 60.0) -> tuple[Any, ...]:
        """The reply's values. Raises HerdError for an error reply, a time-out (seconds), a lost bus."""
        ...

    def signals(self, interface: str, *members: str) -> AbstractAsyncContextManager[AsyncIterator[BusSignal]]:
        """The named signals from entry to exit of the context, in order, none lost."""
        ...
