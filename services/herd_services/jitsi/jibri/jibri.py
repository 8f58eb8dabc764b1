"""The service `jibri`: records or streams a conference, by joining it with a browser of its own.

It runs once it answers by HTTP and is seen in its room, where Jicofo finds it. The screen that its browser needs (Xorg
and a window manager) is not its business: the package has units for them.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.preparation import MakeDirectory
from herd.core.service import Health, Program, Service, Surroundings
from herd_services.jitsi.checking import Check, check_action
from herd_services.jitsi.checks import Answers, IsSeen, LogsIn
from herd_services.jitsi.configuration import JitsiConfiguration
from herd_services.jitsi.deployment import JIBRI, RECORDER
from herd_services.jitsi.java import logging_properties
from herd_services.jitsi.jibri.actions import HEALTH, SaysItIsHealthy, jibri_actions
from herd_services.jitsi.jibri.configuration import JibriConfiguration
from herd_services.jitsi.jibri.file import jibri_configuration, logs_of_programs
from herd_services.jitsi.jicofo import Files, heap
from herd_services.jitsi.meeting import Prosody
from herd_services.jitsi.nested import hocon
from herd_services.jitsi.presence import Presence, StillPresent, UntilPresent
from herd_services.jitsi.symptoms import OF_JIBRI
from herd_services.preflight import check_port, check_program


@frozen
class Definition:
    """All that there is to know of the service."""

    read: JibriConfiguration
    nickname: str
    prosody: Prosody
    files: Files
    state: Path

    @property
    def recordings(self) -> Path:
        """Where they are put."""
        return self.read.recordings or self.state / "recordings"


@frozen
class _Preflight:
    it: Definition

    async def __call__(self, host: Host) -> None:
        read = self.it.read
        await check_program(host, read.program, "jibri", "install a Java runtime (Debian: openjdk-17-jre-headless)")
        try:
            # There is no cheaper way to ask whether it is there.
            await host.is_private(read.jar)
        except OSError as error:
            remedy = 'install the Jitsi project\'s package jibri, or name another: jar = "/…" in [jibri]'
            raise HerdError(f"cannot read {read.jar}: {error.strerror}; {remedy}") from error
        if read.finalize_script is not None:
            await check_program(host, read.finalize_script, "jibri", "correct finalize-script")
        await check_port(host, "jibri", "127.0.0.1", read.http_port, "http-port")
        await check_port(host, "jibri", "127.0.0.1", read.internal_http_port, "internal-http-port")


@frozen
class _Before:
    it: Definition

    async def __call__(self, host: Host) -> None:
        it, files, prosody = self.it, self.it.files, self.it.prosody
        await prosody.trust(host, files.trust_store)
        passwords = {name: await prosody.password(host, name) for name in (JIBRI, RECORDER)}
        meeting = prosody.rendezvous(files.trust_store)
        content = jibri_configuration(meeting, it.read, it.nickname, it.recordings, passwords)
        await host.write_file(files.configuration, hocon(content), 0o600)
        logging = logging_properties(it.read.log_level) + logs_of_programs(it.state)
        await host.write_file(files.logging, logging, 0o600)


def _checks(it: Definition) -> tuple[Check, ...]:
    return (
        Check(f"it answers by HTTP on port {it.read.http_port}", Answers(it.read.http_port, HEALTH)),
        *(Check(f"{name} can log in", LogsIn(it.prosody, name)) for name in (JIBRI, RECORDER)),
        Check(f"it is in the room {it.prosody.deployment.room}", IsSeen(it.prosody, JIBRI, it.nickname)),
        Check("it says that it is well", SaysItIsHealthy(it.read.http_port)),
    )


def _program(it: Definition, surroundings: Surroundings) -> Program:
    """As launch.sh of its package executes it, with other files."""
    read = it.read
    # The driver of its browser ends at once where it cannot write this, and its user may not write where it would be.
    driver = f"-Dwebdriver.chrome.logfile={it.state}/chromedriver.log"
    memory = f"-Xmx{heap(read.memory, surroundings)}m"
    words = (memory, *it.files.properties().split(" "), driver, "-jar", str(read.jar))
    return Program(
        command=(str(read.program), *words),
        user=read.user if surroundings.is_root else None,
        group=read.group if surroundings.is_root else None,
        supplementary_groups=read.supplementary_groups if surroundings.is_root else (),
        directory=it.state,
        # Its home is its user's own, where the package has set up sound and windows.
        environment={"DISPLAY": read.display, "LC_ALL": "C.UTF-8"},
        package="jibri",
    )


def jibri(jitsi: JitsiConfiguration, read: JibriConfiguration, prosody: Prosody, surroundings: Surroundings) -> Service:
    """The service."""
    run, state = surroundings.services_dir / "jibri", surroundings.state_dir / "jibri"
    nickname = read.nickname or surroundings.host_name
    files = Files.below(run, "jibri")
    it = Definition(read, nickname, prosody.room_of(JIBRI), files, state)
    own = () if read.recordings is not None else (MakeDirectory(it.recordings),)
    presence = Presence(it.prosody, JIBRI, nickname, read.http_port, HEALTH)
    return Service(
        provision=("jibri",),
        documentation="Jibri: records and streams the conferences of Jitsi Meet.",
        requirement=("jicofo",),
        program=_program(it, surroundings),
        preparation=(MakeDirectory(run), MakeDirectory(state), *own),
        preflight=_Preflight(it),
        before=_Before(it),
        setup=UntilPresent(presence),
        health=Health(StillPresent(presence)),
        # It ends its browser and what writes the recording.
        grace_period=30.0,
        auto_start=jitsi.auto_start and read.auto_start,
        actions=(*jibri_actions(read.http_port), check_action(_checks(it), OF_JIBRI)),
        symptoms=OF_JIBRI,
    )
