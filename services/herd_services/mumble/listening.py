"""Mumble's server is there for those it is for: a process of its own listens, and answers if it may.

A server whose port another has runs on and listens nowhere; who answers there is somebody else.
"""

from __future__ import annotations

from attrs import frozen

from herd.core.errors import HerdError
from herd.core.host import Host
from herd_services.mumble.ping import ping

_FAILED = (" => Server: TCP Listen on ", " => Server: UDP Socket bind ", " => Stopped")
_STARTING = 60.0


@frozen
class Place:
    """Where it listens; of several addresses one that it can be reached by from this host."""

    addresses: tuple[str, ...]
    port: int
    answers_pings: bool

    @property
    def address(self) -> str:
        """By which it is reached from here."""
        local = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        reached = [local.get(each, each) for each in self.addresses]
        return next((each for each in reached if each in local.values()), [*reached, "127.0.0.1"][0])

    async def problem(self, host: Host) -> str | None:
        """Why it is not there, as the end of a sentence."""
        if not await host.listens(self.address, self.port):
            return await self._without_listener(host)
        if not self.answers_pings:
            return None
        try:
            await ping(host, self.address, self.port)
        except (OSError, ValueError) as error:
            return f"it does not answer on UDP port {self.port}: {getattr(error, 'strerror', None) or error}"
        return None

    async def _without_listener(self, host: Host) -> str:
        if taker := await host.taker(self.address, self.port):
            return f"{taker} has port {self.port}; end that, or choose another: port = … in [mumble]"
        return f"it does not listen on {self.address} port {self.port}"


@frozen
class UntilListening:
    """Set-up: return once it is there. Raises HerdError."""

    place: Place

    async def __call__(self, host: Host) -> None:
        async def unready() -> str | None:
            # It says so once, and lives on.
            if any(sign in line for line in host.output() for sign in _FAILED):
                raise HerdError(f"it cannot listen: {await self.place.problem(host)}")
            return await self.place.problem(host)

        if reason := await host.until(unready, _STARTING):
            raise HerdError(f"{reason}; see: herd log mumble-server")


@frozen
class StillListening:
    """Health. Raises HerdError."""

    place: Place

    async def __call__(self, host: Host) -> None:
        if reason := await self.place.problem(host):
            raise HerdError(reason)
