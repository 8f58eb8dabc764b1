"""The service `jigasi`: telephones in conferences.

It runs once it answers by HTTP and is seen in its room, where Jicofo finds it; whether its provider of telephony knows
it is told by `check`, for a provider that is away for a while is no reason to start it anew.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from herd.core.action import Action
from herd.core.host import Host
from herd.core.preparation import MakeDirectory
from herd.core.role import Role
from herd.core.service import Health, Program, Service, Surroundings
from herd_services.jitsi.checking import Check, check_action
from herd_services.jitsi.checks import Answers, IsSeen, LogsIn, SaysItIsWell
from herd_services.jitsi.configuration import JitsiConfiguration
from herd_services.jitsi.deployment import JIGASI
from herd_services.jitsi.java import logging_properties
from herd_services.jitsi.jicofo import Files, heap
from herd_services.jitsi.jicofo_actions import Stats
from herd_services.jitsi.jigasi.configuration import JigasiConfiguration
from herd_services.jitsi.jigasi.file import jigasi_configuration, jigasi_properties, properties
from herd_services.jitsi.meeting import Prosody
from herd_services.jitsi.nested import hocon
from herd_services.jitsi.presence import Presence, StillPresent, UntilPresent
from herd_services.jitsi.symptoms import OF_JIGASI
from herd_services.password import read_password
from herd_services.preflight import check_port, check_program

_REMEDY = "install the Jitsi project's package jigasi"


@frozen
class Definition:
    """All that there is to know of the service."""

    read: JigasiConfiguration
    nickname: str
    prosody: Prosody
    files: Files

    @property
    def properties(self) -> Path:
        """By a name that the program gives it, in a directory that it is told."""
        return self.files.configuration.parent / "sip-communicator.properties"

    async def sip_password(self, host: Host) -> str | None:
        """Of its account at the provider. Raises HerdError."""
        file = self.read.sip_password_file
        return None if file is None else await read_password(host, file, str(self.read.sip_uri))


@frozen
class _Preflight:
    it: Definition

    async def __call__(self, host: Host) -> None:
        await check_program(host, self.it.read.program, "jigasi", _REMEDY)
        await check_port(host, "jigasi", "127.0.0.1", self.it.read.http_port, "http-port")
        await self.it.sip_password(host)


@frozen
class _Before:
    it: Definition

    async def __call__(self, host: Host) -> None:
        it, files, prosody = self.it, self.it.files, self.it.prosody
        await prosody.trust(host, files.trust_store)
        password, sip_password = await prosody.password(host, JIGASI), await it.sip_password(host)
        meeting = prosody.rendezvous(files.trust_store)
        content = jigasi_properties(meeting, it.read, it.nickname, password, sip_password)
        await host.write_file(it.properties, properties(content), 0o600)
        await host.write_file(files.configuration, hocon(jigasi_configuration(it.read)), 0o600)
        await host.write_file(files.logging, logging_properties(it.read.log_level), 0o600)


def _checks(it: Definition) -> tuple[Check, ...]:
    return (
        Check(f"it answers by HTTP on port {it.read.http_port}", Answers(it.read.http_port)),
        Check(f"{JIGASI} can log in", LogsIn(it.prosody, JIGASI)),
        Check(f"it is in the room {it.prosody.deployment.room}", IsSeen(it.prosody, JIGASI, it.nickname)),
        Check("it says that it is well", SaysItIsWell(it.read.http_port)),
    )


def _program(it: Definition, run: Path, surroundings: Surroundings) -> Program:
    read = it.read
    words = {"configdir": run.parent, "configdirname": run.name, "logdir": run}
    ports = {"min-port": read.min_port, "max-port": read.max_port}
    return Program(
        command=(str(read.program), *(f"--{name}={value}" for name, value in (words | ports).items())),
        user=read.user if surroundings.is_root else None,
        group=read.group if surroundings.is_root else None,
        directory=run,
        environment={
            "HOME": str(run),
            "LC_ALL": "C.UTF-8",
            "JIGASI_MAX_MEMORY": f"{heap(read.memory, surroundings)}m",
            "JAVA_SYS_PROPS": it.files.properties(),
        },
        package="jigasi",
    )


def jigasi(
    jitsi: JitsiConfiguration, read: JigasiConfiguration, prosody: Prosody, surroundings: Surroundings
) -> Service:
    """The service."""
    run = surroundings.services_dir / "jigasi"
    it = Definition(read, read.nickname or surroundings.host_name, prosody.room_of(JIGASI), Files.below(run, "jigasi"))
    presence = Presence(it.prosody, JIGASI, it.nickname, read.http_port)
    return Service(
        provision=("jigasi",),
        documentation="Jigasi: brings telephones into the conferences of Jitsi Meet.",
        requirement=("jicofo",),
        program=_program(it, run, surroundings),
        preparation=(MakeDirectory(run),),
        preflight=_Preflight(it),
        before=_Before(it),
        setup=UntilPresent(presence),
        health=Health(StillPresent(presence)),
        grace_period=10.0,
        auto_start=jitsi.auto_start and read.auto_start,
        actions=(
            Action(
                "stats",
                "Tell what the gateway counts.",
                Stats("jigasi", read.http_port, "/about/stats"),
                role=Role.OBSERVER,
            ),
            check_action(_checks(it), OF_JIGASI),
        ),
        symptoms=OF_JIGASI,
    )
