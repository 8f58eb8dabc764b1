"""The service `mumble-server`, from `[mumble]`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from attrs import frozen

from herd.core.completion import Listing
from herd.core.errors import ConfigurationError, HerdError
from herd.core.host import Host
from herd.core.person import Identity, Moderation
from herd.core.preparation import MakeDirectory
from herd.core.service import Health, Program, Section, Service, Surroundings
from herd_services.certifying import Certificates
from herd_services.mumble import ini
from herd_services.mumble.bans import Bans, ban_actions
from herd_services.mumble.configuration import MumbleConfiguration, Tables
from herd_services.mumble.encryption import Encryption
from herd_services.mumble.listening import Place, StillListening, UntilListening
from herd_services.mumble.people import identity
from herd_services.mumble.program import Server
from herd_services.mumble.superuser import SuperUser, superuser_actions
from herd_services.mumble.users import Users, user_actions
from herd_services.password import read_password
from herd_services.preflight import check_port, check_program

NAME = "mumble-server"
_REMEDY = "install Debian's package mumble-server"
# Bytes.
_MAX_INI = 1024 * 1024


@frozen
class Definition:
    """All that there is to know of the service."""

    read: MumbleConfiguration
    is_old_name: bool
    place: Place
    server: Server
    database: Path
    encryption: Encryption


@frozen
class _Preflight:
    it: Definition

    async def __call__(self, host: Host) -> None:
        it = self.it
        await check_program(host, it.read.package, "mumble", _REMEDY, "package")
        for each in it.place.addresses or ("*",):
            await check_port(host, "mumble", each, it.place.port, "port")
            await check_port(host, "mumble", each, it.place.port, "port", "datagram")
        await it.encryption.check(host)
        await _password(host, it.read)


async def _password(host: Host, read: MumbleConfiguration) -> str:
    file = read.server_password_file
    if file is None:
        return read.server_password
    return await read_password(host, file, "the server")


async def _given(host: Host, file: Path) -> bytes:
    try:
        return await host.read_file(file, _MAX_INI)
    except OSError as error:
        raise HerdError(f"cannot read file {file}: {error.strerror}; correct its path or its owner") from error


@frozen
class _Before:
    """The file, and SuperUser's password in the database."""

    it: Definition

    async def __call__(self, host: Host) -> None:
        it = self.it
        if it.is_old_name:
            host.warn("[murmur] is the old name of the table; write [mumble]")
        await host.write_file(it.server.file, await self._content(host), 0o600)
        await SuperUser(it.server).provide(host)

    async def _content(self, host: Host) -> bytes:
        it = self.it
        if it.read.file is not None:
            return await _given(host, it.read.file)
        encryption = await it.encryption.provide(host)
        password = await _password(host, it.read)
        return ini.text(ini.values(it.read, password, it.database, encryption)).encode()


@frozen
class _Arguments:
    server: Server

    async def __call__(self, host: Host) -> tuple[str, ...]:
        return await self.server.arguments(host)


@frozen
class _SetUp:
    """It is there, and keeps out whoever is banned."""

    place: Place
    bans: Bans

    async def __call__(self, host: Host) -> None:
        await UntilListening(self.place)(host)
        await self.bans.uphold(host)


@frozen
class _Company:
    """What goes on beside the server."""

    encryption: Encryption
    bans: Bans

    async def __call__(self, host: Host) -> None:
        await host.gather([partial(self.encryption.follow, host), partial(self.bans.keep, host)])


def build(read: Tables, surroundings: Surroundings) -> tuple[Service, ...]:
    """The service. Raises ConfigurationError."""
    found = read.mumble or read.murmur
    assert found is not None
    table = "mumble" if read.mumble is not None else "murmur"
    if problems := list(_problems(read, found, table)):
        raise ConfigurationError(problems)
    return (_service(_definition(found, surroundings, is_old_name=table == "murmur"), surroundings),)


def _problems(read: Tables, found: MumbleConfiguration, table: str) -> Iterator[str]:
    if read.mumble is not None and read.murmur is not None:
        yield "cannot read [murmur]: it is the old name of [mumble], which is there too; leave one of them out"
    if (found.ssl_cert is None) is not (found.ssl_key is None):
        yield f"cannot read [{table}]: ssl-cert and ssl-key belong together; give both or neither"
    if found.server_password and found.server_password_file is not None:
        yield f"cannot read [{table}]: server-password and server-password-file say the same; leave one of them out"
    if found.public_registration is not None:
        where = f"cannot read [{table}.public-registration]: a public server"
        if not found.allow_ping:
            yield f"{where} answers pings; add allow-ping = true"
        if found.server_password or found.server_password_file is not None:
            yield f"{where} has no password; leave server-password out"
    if found.file is not None and (others := _beside_file(found)):
        yield f"cannot read [{table}] file: {', '.join(others)} would mean nothing beside it; write that into it"


def _beside_file(found: MumbleConfiguration) -> list[str]:
    """The keys that are for the file, and differ from what they are without a word."""
    silent, own = MumbleConfiguration(), {"package", "user", "group", "file", "log_file", "auto_start", "port", "host"}
    own |= {"allow_ping"}
    names = [each for each in MumbleConfiguration.__annotations__ if each not in own]
    return [each.replace("_", "-") for each in names if getattr(found, each) != getattr(silent, each)]


def _definition(read: MumbleConfiguration, surroundings: Surroundings, *, is_old_name: bool) -> Definition:
    run, state = surroundings.services_dir / NAME, surroundings.state_dir / NAME
    given = None if read.ssl_cert is None or read.ssl_key is None else (read.ssl_cert, read.ssl_key)
    certificates = None if given is None else Certificates(run, NAME, (), given)
    return Definition(
        read,
        is_old_name,
        Place(read.host, read.port, read.allow_ping),
        Server(read.package, run / "mumble-server.ini"),
        read.database_file or state / "db.sqlite",
        Encryption(certificates, read.ssl_dh_params, run / "dh.pem"),
    )


def _service(it: Definition, surroundings: Surroundings) -> Service:
    run, state = surroundings.services_dir / NAME, surroundings.state_dir / NAME
    read = it.read
    bans = Bans(it.place)
    return Service(
        provision=(NAME, "mumble", "murmur"),
        documentation="Mumble: voice chat with rooms.",
        program=Program(
            command=(str(read.package),),
            user=read.user if surroundings.is_root else None,
            group=read.group if surroundings.is_root else None,
            directory=state,
            environment={"HOME": str(state), "LANG": "C.UTF-8"},
            package="mumble-server",
        ),
        preparation=(
            MakeDirectory(run),
            MakeDirectory(state),
            MakeDirectory(it.database.parent, only_if_missing=True),
        ),
        preflight=_Preflight(it),
        before=_Before(it),
        arguments=_Arguments(it.server),
        setup=_SetUp(it.place, bans),
        resumption=_SetUp(it.place, bans),
        companion=_Company(it.encryption, bans),
        health=Health(StillListening(it.place)),
        log=read.log_file,
        auto_start=read.auto_start,
        actions=(*user_actions(Users(it.place)), *ban_actions(bans), *superuser_actions(SuperUser(it.server))),
        moderation=Moderation("mumble", "who", "ban", "unban"),
        # The ledger alone is asked: to ask the server, SuperUser would come and go before everybody's eyes.
        listings={"unban WHO": Listing("history", "entries.who"), "history WHO": Listing("history", "entries.who")},
    )


SECTION = Section("mumble", Tables, build, shape="several", identity=Identity("mumble", identity))
