"""Any other program: `[service.NAME]`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import Factory, field, frozen, validators

from herd.core.respawn import Respawn
from herd.core.service import Program, Section, Service, Surroundings


@frozen
class ProgramConfiguration:
    """The keys of `[service.NAME]`. Seconds throughout."""

    command: tuple[str, ...] = field(validator=validators.min_len(1))
    aliases: tuple[str, ...] = ()
    documentation: str = "[No description]."
    requirement: tuple[str, ...] = ()
    auto_start: bool = True
    respawn: bool = True
    respawn_delay: float = field(default=0.1, validator=validators.ge(0))
    # Starts once a line of its output contains this.
    ready_line: str | None = None
    start_timeout: float = field(default=90.0, validator=validators.gt(0))
    grace_period: float = field(default=5.0, validator=validators.ge(0))
    user: str | None = None
    group: str | None = None
    supplementary_groups: tuple[str, ...] = ()
    directory: Path = Path("/")
    environment: dict[str, str] = Factory(dict)


def build(programs: Mapping[str, ProgramConfiguration], surroundings: Surroundings) -> tuple[Service, ...]:
    """One service for each table."""
    return tuple(_service(name, program) for name, program in programs.items())


def _service(name: str, read: ProgramConfiguration) -> Service:
    program = Program(
        command=read.command,
        user=read.user,
        group=read.group,
        supplementary_groups=read.supplementary_groups,
        directory=read.directory,
        environment=read.environment,
    )
    return Service(
        provision=(name, *read.aliases),
        program=program,
        documentation=read.documentation,
        requirement=read.requirement,
        ready_line=read.ready_line,
        respawn=Respawn(delay=read.respawn_delay) if read.respawn else None,
        start_timeout=read.start_timeout,
        grace_period=read.grace_period,
        auto_start=read.auto_start,
    )


SECTION = Section("service", ProgramConfiguration, build, shape="named")
