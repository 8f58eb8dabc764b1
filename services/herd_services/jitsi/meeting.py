"""What Jicofo and bridges need of Prosody: a place to log in, certificates to trust, and to be seen in the room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from attrs import evolve, frozen

from herd.core.errors import HerdError
from herd.core.host import Host
from herd_services.certifying import MAX_PEM
from herd_services.jitsi.deployment import Deployment, Rendezvous
from herd_services.jitsi.xmpp import Refused, Server, Session, logged_in
from herd_services.password import read_password

# Of one attempt to log in and ask, seconds.
_PATIENCE = 10.0


@frozen
class Prosody:
    """The server of a deployment, as seen from here."""

    deployment: Deployment
    address: str
    port: int
    # PEM. Whether somebody else may have laid links on the way to it.
    certificate: Path
    is_guarded: bool
    # None: herdd made the password itself.
    password_file: Path | None = None

    def room_of(self, service: str) -> Prosody:
        """The same, with the room where Jicofo finds that service."""
        return evolve(self, deployment=self.deployment.room_of(service))

    def rendezvous(self, trust_store: Path) -> Rendezvous:
        """The same for the configuration of a program."""
        return Rendezvous(self.deployment, self.address, self.port, trust_store)

    async def trusted(self, host: Host) -> bytes:
        """Its certificates. Raises HerdError."""
        try:
            read = host.read_guarded if self.is_guarded else host.read_file
            return await read(self.certificate, MAX_PEM)
        except OSError as error:
            raise HerdError(
                f"cannot read the certificate {self.certificate}: {error.strerror}; correct its path or its owner"
            ) from error

    async def password(self, host: Host, name: str) -> str:
        """Of a service's account. Raises HerdError."""
        if self.password_file is None:
            return await host.secret(secret_name(name))
        return await read_password(host, self.password_file, name)

    async def trust(self, host: Host, store: Path) -> None:
        """Have a store of what Java shall trust, written anew only where it has to be. Raises HerdError."""
        # Only this needs the package behind it, which takes its time to be read in.
        from herd_services.jitsi.trust import trust_store, trusts

        certificates = await self.trusted(host)
        try:
            present = await host.read_guarded(store, MAX_PEM)
        except OSError:
            present = b""
        try:
            is_right: bool = await host.in_thread(lambda: trusts(present, certificates)) if present else False
            if not is_right:
                made: bytes = await host.in_thread(lambda: trust_store(certificates))
                await host.write_file(store, made, 0o600)
        except ValueError as error:
            raise HerdError(f"cannot trust {self.certificate}: {error}; write a certificate in PEM there") from error

    async def unwelcome(self, host: Host, name: str, nickname: str) -> str | None:
        """Why the service is not seen in the room, as the end of a sentence; None: it is."""
        room = self.deployment.room
        try:
            there = await self.occupants(host, name)
        except HerdError as error:
            return error.message
        return None if nickname in there else f"{nickname} is not in the room {room}"

    async def await_welcome(self, host: Host, name: str, nickname: str, seconds: float) -> str | None:
        """Return once the service is seen in the room, asked over one connection: None, or why it was not."""
        room = self.deployment.room

        async def asked() -> str | None:
            try:
                async with self.session(host, name, await self.password(host, name)) as session:

                    async def absent() -> str | None:
                        return None if nickname in await session.occupants(room) else f"{nickname} is not in {room}"

                    return await host.until(absent, seconds)
            except (Refused, OSError) as error:
                return f"Prosody on {self.address} port {self.port}: {_words(error)}"

        return await host.until(asked, seconds)

    async def occupants(self, host: Host, name: str) -> frozenset[str]:
        """The nicknames of who is in the room, asked by a service's account. Raises HerdError."""
        where = f"Prosody on {self.address} port {self.port}"
        try:
            return await host.within(_PATIENCE, lambda: self._occupants(host, name))
        except TimeoutError as error:
            raise HerdError(f"{where} does not answer") from error
        except (Refused, OSError) as error:
            raise HerdError(f"{where}: {_words(error)}") from error

    async def _occupants(self, host: Host, name: str) -> frozenset[str]:
        async with self.session(host, name, await self.password(host, name)) as session:
            return await session.occupants(self.deployment.room)

    async def refuses(self, host: Host, name: str, features: dict[str, str]) -> str | None:
        """Why the account cannot log in, or one of the addresses lacks its feature; None: all is well."""
        try:
            return await host.within(_PATIENCE, lambda: self._lacks(host, name, features))
        except TimeoutError:
            return "it does not answer"
        except (Refused, OSError) as error:
            return _words(error)

    async def _lacks(self, host: Host, name: str, features: dict[str, str]) -> str | None:
        async with self.session(host, name, await self.password(host, name)) as session:
            for address, feature in features.items():
                if feature not in await session.features(address):
                    return f"{address} does not do what it is for ({feature})"
        return None

    def session(self, host: Host, name: str, password: str) -> AbstractAsyncContextManager[Session]:
        """Log in as a service."""
        return _session(self, host, name, password)


@asynccontextmanager
async def _session(prosody: Prosody, host: Host, name: str, password: str) -> AsyncIterator[Session]:
    trusted = (await prosody.trusted(host)).decode("ascii", "replace")
    domain = prosody.deployment.account(name).partition("@")[2]
    server = Server(prosody.address, prosody.port, domain, trusted)
    async with logged_in(host, server, name, password) as session:
        yield session


def secret_name(account: str) -> str:
    """By what name herdd keeps the password of a service's account."""
    return f"xmpp-{account}"


def _words(error: Refused | OSError) -> str:
    return error.message if isinstance(error, Refused) else error.strerror or str(error)
