"""The service `prosody`: the XMPP server that Jicofo, the bridges and the browsers meet on.

It runs once the services can log in and the rooms are there: a Prosody without its port, its hosts or its modules
looks alive and serves nobody.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from signal import SIGHUP

from attrs import frozen

from herd.core.completion import Listing
from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.person import Moderation
from herd.core.preparation import MakeDirectory
from herd.core.service import Health, Program, Service, Surroundings
from herd_services.certifying import Certificates
from herd_services.jitsi.accounts import file_of, matches, record
from herd_services.jitsi.bans import Bans, ban_actions
from herd_services.jitsi.checking import Check, check_action
from herd_services.jitsi.checks import IsGood, Listens, accounts_of
from herd_services.jitsi.configuration import JitsiConfiguration, ProsodyConfiguration
from herd_services.jitsi.console import Console
from herd_services.jitsi.deployment import BRIDGE, Deployment
from herd_services.jitsi.meeting import Prosody
from herd_services.jitsi.prosody_actions import prosody_actions
from herd_services.jitsi.prosody_file import Places, prosody_configuration
from herd_services.jitsi.relay.announced import Announced, Rotation
from herd_services.jitsi.rooms import room_actions
from herd_services.jitsi.symptoms import OF_PROSODY
from herd_services.jitsi.users import user_actions
from herd_services.jitsi.xmpp import MUC
from herd_services.preflight import check_port, check_program
from herd_services.renewal import Renewal, reload_action

# What can stand for an argument of its actions.
_LISTINGS = {
    "ROOM": Listing("list-rooms", "rooms.room"),
    "unban-jid ADDRESS": Listing("list-bans", "bans.address"),
    "history ADDRESS": Listing("history", "entries.address"),
    "delete-user ADDRESS": Listing("list-users", "users"),
}

_MAX_RECORD = 64 * 1024
_LOADING = 30.0


def address_of(read: ProsodyConfiguration) -> str:
    """By which it is reached from its own host."""
    own = ("127.0.0.1", "*", "0.0.0.0")
    return "127.0.0.1" if any(each in own for each in read.interfaces) else read.interfaces[0]


@frozen
class Definition:
    """All that there is to know of the service."""

    deployment: Deployment
    read: ProsodyConfiguration
    places: Places
    file: Path
    certificates: Certificates
    relay: Announced | None

    @property
    def server(self) -> Prosody:
        """How it is reached."""
        return Prosody(
            self.deployment, address_of(self.read), self.read.port, self.certificates.certificate, is_guarded=True
        )


@frozen
class _Preflight:
    it: Definition

    async def __call__(self, host: Host) -> None:
        read = self.it.read
        await check_program(host, read.program, "prosody", "install the package prosody")
        for each in read.interfaces:
            await check_port(host, "prosody", "*" if each == "*" else each, read.port, "port")
        await check_port(host, "prosody", "127.0.0.1", read.http_port, "http-port")
        await self.it.certificates.check(host)


@frozen
class Accounts:
    """The services' accounts have the passwords that herdd keeps; those that have are left alone."""

    server: Prosody
    data: Path

    async def __call__(self, host: Host) -> None:
        for name in self.server.deployment.accounts:
            await self._keep(host, name)

    async def _keep(self, host: Host, name: str) -> None:
        password = await self.server.password(host, name)
        file = self.data / file_of(self.server.deployment.account(name))
        try:
            present = await host.read_guarded(file, _MAX_RECORD)
        except OSError:
            present = b""
        if not await host.in_thread(lambda: matches(present, password)):
            made = await host.in_thread(lambda: record(password, secrets.token_hex(16)))
            await host.write_file(file, made, 0o600)


@frozen
class _Before:
    """Certificates, accounts, bans and the file, as they have to be before it reads them."""

    it: Definition
    bans: Bans

    async def __call__(self, host: Host) -> None:
        it = self.it
        await it.certificates.provide(host)
        await Accounts(it.server, it.places.data)(host)
        await self.bans.provide(host)
        if it.relay is not None:
            await it.relay.provide(host)
        content = prosody_configuration(it.deployment, it.read, it.places, it.relay)
        await host.write_file(it.file, content.encode(), 0o600)


@frozen
class _SetUp:
    """It serves whoever it is for."""

    it: Definition

    async def __call__(self, host: Host) -> None:
        rooms = dict.fromkeys((self.it.deployment.internal_muc, self.it.deployment.conference_muc), MUC)

        async def refuses() -> str | None:
            for name in self.it.deployment.accounts:
                if reason := await self.it.server.refuses(host, name, rooms):
                    return reason
            return None

        if reason := await host.until(refuses, _LOADING):
            raise HerdError(f"it does not serve: {reason}; see: herd log prosody")


@frozen
class _Resumption:
    """What was asked of an earlier herdd may have been cut short."""

    bans: Bans

    async def __call__(self, host: Host) -> None:
        async with host.alone():
            await self.bans.apply(host)


@frozen
class _Well:
    """It listens, and a bridge could log in."""

    it: Definition

    async def __call__(self, host: Host) -> None:
        server = self.it.server
        if not await host.listens(server.address, server.port):
            raise HerdError(f"it does not listen on {server.address} port {server.port}")
        if reason := await server.refuses(host, BRIDGE, {self.it.deployment.internal_muc: MUC}):
            raise HerdError(f"it does not serve: {reason}")


def _checks(it: Definition) -> tuple[Check, ...]:
    listening = (
        Check(f"it listens on port {it.read.port}", Listens(it.server.address, it.read.port)),
        Check(f"it listens for a web server on port {it.read.http_port}", Listens("127.0.0.1", it.read.http_port)),
        Check("its certificate is good for a while", IsGood(it.certificates)),
    )
    return (*listening, *(Check(what, ask) for what, ask in accounts_of(it.server)))


def _program(it: Definition, state: Path, surroundings: Surroundings) -> Program:
    return Program(
        command=(str(it.read.program), "--config", str(it.file), "-F"),
        user=it.read.user if surroundings.is_root else None,
        group=it.read.group if surroundings.is_root else None,
        directory=state,
        environment={"HOME": str(state), "LANG": "C.UTF-8"},
        package="prosody",
    )


def prosody(
    deployment: Deployment,
    jitsi: JitsiConfiguration,
    read: ProsodyConfiguration,
    surroundings: Surroundings,
    relay: Announced | None,
) -> tuple[Service, Definition]:
    """The service, and what others need to know of it."""
    run, state = surroundings.services_dir / "prosody", surroundings.state_dir / "prosody"
    places = Places(state / "data", state / "certificates", run / "socket", run / "pid", run / "modules")
    given = None if jitsi.certificate is None or jitsi.key is None else (jitsi.certificate, jitsi.key)
    certificates = Certificates(places.certificates, deployment.domain, deployment.hosts, given)
    it = Definition(deployment, read, places, run / "prosody.cfg.lua", certificates, relay)
    accounts = [places.data / file_of(deployment.account(name)).parent for name in deployment.accounts]
    hosts = [each.parent for each in accounts]
    directories = dict.fromkeys((run, places.modules, places.certificates, places.data, *hosts, *accounts))
    console = Console(read.prosodyctl, it.file)
    bans = Bans(console, deployment, places.modules, run / "bans.lua")
    rotation = None if relay is None else Rotation(relay, console)
    service = Service(
        provision=("prosody",),
        documentation="Prosody: the XMPP server on which Jitsi Meet's parts meet.",
        program=_program(it, state, surroundings),
        preparation=(MakeDirectory(state), *(MakeDirectory(each) for each in directories)),
        preflight=_Preflight(it),
        before=_Before(it, bans),
        setup=_SetUp(it),
        resumption=_Resumption(bans),
        companion=Renewal(it.certificates, SIGHUP),
        health=Health(_Well(it)),
        grace_period=10.0,
        auto_start=jitsi.auto_start,
        actions=(
            *user_actions(console, deployment, places.data),
            *room_actions(console, deployment),
            *ban_actions(bans),
            reload_action(certificates, SIGHUP),
            *prosody_actions(deployment.accounts, Accounts(it.server, places.data), rotation),
            check_action(_checks(it), OF_PROSODY),
        ),
        moderation=Moderation("xmpp", "address", "ban-jid", "unban-jid"),
        listings=_LISTINGS,
        symptoms=OF_PROSODY,
    )
    return service, it
