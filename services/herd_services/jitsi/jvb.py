"""The services of the bridges: `jvb`, or `jvb-NICKNAME` each where there are several.

A bridge runs once it answers by HTTP and is seen in the room. One that was kept out of it never tries again while its
connection lives, so one that stays outside is restarted.
"""

from __future__ import annotations

from attrs import frozen

from herd.core.host import Host
from herd.core.preparation import MakeDirectory
from herd.core.service import Health, Program, Service, Surroundings
from herd_services.jitsi.checking import Check, check_action
from herd_services.jitsi.checks import Answers, IsSeen, Listens, LogsIn, SaysItIsWell
from herd_services.jitsi.configuration import JvbConfiguration
from herd_services.jitsi.deployment import BRIDGE
from herd_services.jitsi.java import logging_properties
from herd_services.jitsi.jicofo import Files, heap
from herd_services.jitsi.jvb_actions import jvb_actions
from herd_services.jitsi.jvb_file import Bridge, jvb_configuration
from herd_services.jitsi.meeting import Prosody
from herd_services.jitsi.nested import hocon
from herd_services.jitsi.old_names import translated
from herd_services.jitsi.presence import Presence, StillPresent, UntilPresent
from herd_services.jitsi.symptoms import OF_JVB
from herd_services.preflight import check_port, check_program

_REMEDY = "install the Jitsi project's package jitsi-videobridge2"


@frozen
class Definition:
    """All that there is to know of a bridge."""

    name: str
    read: JvbConfiguration
    bridge: Bridge
    prosody: Prosody


@frozen
class _Preflight:
    it: Definition

    async def __call__(self, host: Host) -> None:
        await check_program(host, self.it.read.program, "[jvb]", _REMEDY)
        await check_port(host, "[jvb]", "127.0.0.1", self.it.bridge.http_port, "http-port")
        if self.it.bridge.authority is not None:
            await check_port(host, "[jvb]", "127.0.0.1", self.it.bridge.websocket_port, "websocket-port")
        await check_port(host, "[jvb]", "*", self.it.bridge.udp_port, "udp-port", "datagram")


@frozen
class _Before:
    it: Definition
    files: Files

    async def __call__(self, host: Host) -> None:
        it, prosody = self.it, self.it.prosody
        await prosody.trust(host, self.files.trust_store)
        password = await prosody.password(host, BRIDGE)
        content = jvb_configuration(prosody.rendezvous(self.files.trust_store), it.bridge, it.read, password)
        await host.write_file(self.files.configuration, hocon(content), 0o600)
        await host.write_file(self.files.logging, logging_properties(it.read.log_level), 0o600)
        for remark in translated(it.read.extra).remarks:
            host.warn(remark)


def _checks(it: Definition) -> tuple[Check, ...]:
    bridge = it.bridge
    return (
        Check(f"it answers by HTTP on port {bridge.http_port}", Answers(bridge.http_port)),
        Check(f"it takes media on UDP port {bridge.udp_port}", Listens("*", bridge.udp_port, "datagram")),
        Check(f"{BRIDGE} can log in", LogsIn(it.prosody, BRIDGE)),
        Check(f"it is in the room {it.prosody.deployment.room}", IsSeen(it.prosody, BRIDGE, bridge.nickname)),
        Check("it says that it is well", SaysItIsWell(bridge.http_port)),
    )


def jvb(it: Definition, surroundings: Surroundings, *, is_alone: bool, auto_start: bool) -> Service:
    """One bridge's service; `is_alone`: its Prosody and Jicofo are on another host."""
    run = surroundings.services_dir / it.name
    files = Files.below(run, "jvb")
    presence = Presence(it.prosody, BRIDGE, it.bridge.nickname, it.bridge.http_port)
    return Service(
        provision=(it.name,),
        documentation="Jitsi Videobridge: carries the sound and pictures of conferences.",
        requirement=() if is_alone else ("jicofo",),
        program=Program(
            command=(str(it.read.program),),
            user=it.read.user if surroundings.is_root else None,
            group=it.read.group if surroundings.is_root else None,
            directory=run,
            environment={
                "HOME": str(run),
                "LC_ALL": "C.UTF-8",
                "VIDEOBRIDGE_MAX_MEMORY": f"{heap(it.read.memory, surroundings)}m",
                "JAVA_SYS_PROPS": files.properties(),
            },
            package="jitsi-videobridge2",
        ),
        preparation=(MakeDirectory(run),),
        preflight=_Preflight(it),
        before=_Before(it, files),
        setup=UntilPresent(presence),
        # Half a minute outside is too long, for it does not come back by itself.
        health=Health(StillPresent(presence), interval=10.0, failures=3),
        grace_period=10.0,
        auto_start=auto_start,
        actions=(*jvb_actions(it.name, it.bridge.http_port), check_action(_checks(it), OF_JVB)),
        symptoms=OF_JVB,
    )
