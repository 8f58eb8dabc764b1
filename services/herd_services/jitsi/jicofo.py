"""The service `jicofo`: it shares conferences out over the bridges that it meets in one room.

It runs once it answers by HTTP and is in that room. Its own health is never asked for that: it is ill without a bridge,
and the bridges come after it.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from herd.core.action import Action
from herd.core.host import Host
from herd.core.preparation import MakeDirectory
from herd.core.service import Health, Program, Service, Surroundings
from herd_services.jitsi.checking import Check, check_action
from herd_services.jitsi.checks import Answers, Fits, IsSeen, KnowsItsBridges, SaysItIsWell
from herd_services.jitsi.configuration import JicofoConfiguration, JitsiConfiguration
from herd_services.jitsi.deployment import FOCUS
from herd_services.jitsi.java import java_properties, logging_properties
from herd_services.jitsi.jicofo_actions import jicofo_actions
from herd_services.jitsi.jicofo_file import jicofo_configuration
from herd_services.jitsi.meeting import Prosody
from herd_services.jitsi.nested import hocon
from herd_services.jitsi.old_names import translated
from herd_services.jitsi.preflight import check_port, check_program
from herd_services.jitsi.presence import Presence, StillPresent, UntilPresent
from herd_services.jitsi.symptoms import OF_JICOFO

_REMEDY = "install the Jitsi project's package jicofo"


@frozen
class Files:
    """What a program of the Jitsi project is given."""

    configuration: Path
    trust_store: Path
    logging: Path

    @classmethod
    def below(cls, directory: Path, name: str) -> Files:
        """In a directory of its own."""
        return cls(directory / f"{name}.conf", directory / "trust.p12", directory / "logging.properties")

    def properties(self) -> str:
        """What tells the program of them."""
        return java_properties(self.configuration, self.trust_store, self.logging)


@frozen
class _Preflight:
    read: JicofoConfiguration

    async def __call__(self, host: Host) -> None:
        await check_program(host, self.read.program, "jicofo", _REMEDY)
        await check_port(host, "jicofo", "127.0.0.1", self.read.http_port, "http-port")


@frozen
class _Before:
    read: JicofoConfiguration
    prosody: Prosody
    files: Files

    async def __call__(self, host: Host) -> None:
        await self.prosody.trust(host, self.files.trust_store)
        password = await self.prosody.password(host, FOCUS)
        content = jicofo_configuration(self.prosody.rendezvous(self.files.trust_store), self.read, password)
        await host.write_file(self.files.configuration, hocon(content), 0o600)
        await host.write_file(self.files.logging, logging_properties(self.read.log_level), 0o600)
        for remark in translated(self.read.extra).remarks:
            host.warn(remark)


def heap(wanted: int | None, surroundings: Surroundings) -> int:
    """Mebibytes: the programs' own 3072, but no more than a quarter of a smaller machine's memory."""
    return wanted or max(64, min(3072, surroundings.memory // 4))


def _checks(read: JicofoConfiguration, prosody: Prosody, fits: Fits) -> tuple[Check, ...]:
    return (
        Check(f"it answers by HTTP on port {read.http_port}", Answers(read.http_port)),
        Check(f"it is in the room {prosody.deployment.room}", IsSeen(prosody, FOCUS, FOCUS)),
        Check("it knows the bridges in the room", KnowsItsBridges(prosody, read.http_port)),
        Check("it says that it is well", SaysItIsWell(read.http_port)),
        Check("all heaps fit into the machine's memory", fits),
    )


def jicofo(
    jitsi: JitsiConfiguration,
    read: JicofoConfiguration,
    prosody: Prosody,
    surroundings: Surroundings,
    further: tuple[Action, ...],
    fits: Fits,
) -> Service:
    """The service; `further` actions are about its bridges, `fits` about the heaps of all."""
    run = surroundings.services_dir / "jicofo"
    files = Files.below(run, "jicofo")
    presence = Presence(prosody, FOCUS, FOCUS, read.http_port)
    return Service(
        provision=("jicofo",),
        documentation="Jicofo: shares the conferences of Jitsi Meet out over its bridges.",
        requirement=("prosody",),
        program=Program(
            command=(str(read.program),),
            user=read.user if surroundings.is_root else None,
            group=read.group if surroundings.is_root else None,
            directory=run,
            # Its log is read, so its words must not depend on who started herdd.
            environment={
                "HOME": str(run),
                "LC_ALL": "C.UTF-8",
                "JICOFO_MAX_MEMORY": f"{heap(read.memory, surroundings)}m",
                "JAVA_SYS_PROPS": files.properties(),
            },
            package="jicofo",
        ),
        preparation=(MakeDirectory(run),),
        preflight=_Preflight(read),
        before=_Before(read, prosody, files),
        setup=UntilPresent(presence),
        health=Health(StillPresent(presence)),
        grace_period=10.0,
        auto_start=jitsi.auto_start,
        actions=(*jicofo_actions(read.http_port), *further, check_action(_checks(read, prosody, fits), OF_JICOFO)),
        symptoms=OF_JICOFO,
    )
