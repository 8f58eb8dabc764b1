"""Any other program: `[service.NAME]`."""

from __future__ import annotations

import math
import resource
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import Attribute, Factory, field, frozen, validators

from herd.core import calendar_syntax
from herd.core.duration import parse_duration
from herd.core.endpoint import parse_endpoint
from herd.core.readiness import (
    CommandSuccess,
    HttpStatus,
    Notification,
    OutputLine,
    PidFile,
    Probe,
    Readiness,
    TcpPort,
    UnixSocket,
)
from herd.core.respawn import Respawn
from herd.core.schedule import Every, Schedule
from herd.core.service import Health, Program, Section, Service, Surroundings
from herd_services.commands import ActionConfiguration, actions, check_names

# RLIMIT_OFILE is another name of RLIMIT_NOFILE.
_LIMITS = sorted({each[7:].lower() for each in dir(resource) if each.startswith("RLIMIT_")} - {"ofile"})
# The largest number that Python can give prlimit(2).
_HIGHEST_LIMIT = 2**63 - 1
_NOT_NEGATIVE: Any = validators.ge(0)
_POSITIVE: Any = validators.gt(0)


def _address(instance: object, attribute: Attribute[str | None], value: str | None) -> None:
    if value is not None:
        _host_and_port(value)


def _host_and_port(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is no address; one is written HOST:PORT, [::1]:PORT")
    return host.strip("[]") or "localhost", int(port)


def _url(instance: object, attribute: Attribute[str | None], value: str | None) -> None:
    if value is None:
        return
    try:
        parts = urlsplit(value)
        # It is looked at only when it is asked for.
        is_right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError(f"{value!r} is no URL that can be asked; one is written http://HOST[:PORT]/PATH, or https://")


def _signal(instance: object, attribute: Attribute[str], value: str) -> None:
    _signal_number(value)


def _signal_number(name: str) -> int:
    try:
        return signal.Signals[f"SIG{name.upper().removeprefix('SIG')}"]
    except KeyError:
        raise ValueError(f"{name!r} is no signal; TERM, INT, QUIT and HUP are some") from None


def _limits(instance: object, attribute: Attribute[Any], value: Mapping[str, str]) -> None:
    _resource_limits(value)


def _resource_limits(limits: Mapping[str, str]) -> dict[str, tuple[int | None, int | None]]:
    """`{"nofile": "1024:4096"}`, as prlimit(1) writes them."""
    found = {}
    for name, text in limits.items():
        if name not in _LIMITS:
            raise ValueError(f"{name!r} is no resource limit; the limits are: {', '.join(_LIMITS)}")
        soft, separator, hard = text.partition(":")
        found[name] = (_limit(soft), _limit(hard if separator else soft))
        if _height(found[name][0]) > _height(found[name][1]):
            raise ValueError(
                f"the soft limit {soft} of {name} is above the hard limit; write SOFT:HARD, the lower one first"
            )
    return found


def _height(limit: int | None) -> float:
    return math.inf if limit is None else limit


def _limit(text: str) -> int | None:
    if text == "unlimited":
        return None
    if not text.isdecimal() or int(text) > _HIGHEST_LIMIT:
        raise ValueError(f"{text!r} is no limit; one is a number, SOFT:HARD or unlimited")
    return int(text)


def _endpoints(instance: object, attribute: Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
    for text in value:
        parse_endpoint(text)


def _period(instance: object, attribute: Attribute[str | None], value: str | None) -> None:
    if value is not None:
        parse_duration(value)


def _times(instance: object, attribute: Attribute[str | None], value: str | None) -> None:
    if value is not None:
        calendar_syntax.parse(value)


@frozen
class ProbeConfiguration:
    """One of these, asked again and again."""

    tcp: str | None = field(default=None, validator=_address)
    unix: Path | None = None
    http: str | None = field(default=None, validator=_url)
    # With http.
    status: int = 200
    command: tuple[str, ...] | None = None

    def probes(self) -> list[Probe]:
        """Those that are given."""
        found: list[Probe] = []
        if self.tcp is not None:
            found.append(TcpPort(*_host_and_port(self.tcp)))
        if self.unix is not None:
            found.append(UnixSocket(self.unix))
        if self.http is not None:
            found.append(HttpStatus(self.http, self.status))
        if self.command is not None:
            found.append(CommandSuccess(self.command))
        return found


@frozen
class ReadyConfiguration(ProbeConfiguration):
    """`ready`: how it is known that the program serves. One of these."""

    line: str | None = None
    notify: bool = False
    pid_file: Path | None = None

    def readiness(self) -> list[Readiness]:
        """Those that are given."""
        found: list[Readiness] = [*self.probes()]
        if self.line is not None:
            found.append(OutputLine(self.line))
        if self.notify:
            found.append(Notification())
        if self.pid_file is not None:
            found.append(PidFile(self.pid_file))
        return found


@frozen
class HealthConfiguration(ProbeConfiguration):
    """`health`: what is asked while it runs. One probe, and how often."""

    interval: float = field(default=30.0, validator=_POSITIVE)
    timeout: float = field(default=10.0, validator=_POSITIVE)
    failures: int = field(default=3, validator=validators.ge(1))


def _one_readiness(instance: object, attribute: Attribute[Any], value: ReadyConfiguration | None) -> None:
    if value is not None and len(value.readiness()) != 1:
        raise ValueError("it has one of line, notify, pid-file, tcp, unix, http and command")


def _one_probe(instance: object, attribute: Attribute[Any], value: HealthConfiguration | None) -> None:
    if value is not None and len(value.probes()) != 1:
        raise ValueError("it has one of tcp, unix, http and command")


@frozen
class ProgramConfiguration:
    """The keys of `[service.NAME]`. Seconds throughout."""

    command: tuple[str, ...] = field(validator=validators.min_len(1))
    aliases: tuple[str, ...] = ()
    documentation: str = "[No description]."
    requirement: tuple[str, ...] = ()
    auto_start: bool = True
    one_shot: bool = False
    transient: bool = False
    respawn: bool = True
    respawn_delay: float = field(default=0.1, validator=_NOT_NEGATIVE)
    respawn_factor: float = field(default=2.0, validator=validators.ge(1))
    respawn_ceiling: float = field(default=60.0, validator=_NOT_NEGATIVE)
    # More respawns than `limit` within `window` disable it; 0: no limit.
    respawn_limit: int = field(default=5, validator=_NOT_NEGATIVE)
    respawn_window: float = field(default=7.0, validator=_POSITIVE)
    respawn_reset_after: float = field(default=60.0, validator=_NOT_NEGATIVE)
    ready: ReadyConfiguration | None = field(default=None, validator=_one_readiness)
    health: HealthConfiguration | None = field(default=None, validator=_one_probe)
    # Absent: 90, for a one-shot any time.
    start_timeout: float | None = field(default=None, validator=validators.optional(_POSITIVE))
    grace_period: float = field(default=5.0, validator=_NOT_NEGATIVE)
    stop_signal: str = field(default="TERM", validator=_signal)
    user: str | None = None
    group: str | None = None
    supplementary_groups: tuple[str, ...] = ()
    directory: Path = Path("/")
    umask: str = field(default="077", validator=validators.matches_re("[0-7]{1,4}"))
    environment: dict[str, str] = Factory(dict)
    environment_file: Path | None = None
    resource_limits: dict[str, str] = field(factory=dict, validator=_limits)
    # Sockets that herdd opens for it (sd_listen_fds(3)); lazily, it is executed at the first connection.
    sockets: tuple[str, ...] = field(default=(), validator=_endpoints)
    socket_mode: str = field(default="600", validator=validators.matches_re("[0-7]{3,4}"))
    lazy: bool = True
    # A timer: executed every so often (`90s`, `10min`, `1h 30min`), or at calendar times (`Mon..Fri 07:00`).
    every: str | None = field(default=None, validator=_period)
    at: str | None = field(default=None, validator=_times)
    # Absent: NAME.log among herdd's logs.
    log_file: Path | None = None
    log: bool = True
    action: dict[str, ActionConfiguration] = field(factory=dict, validator=check_names)
    # Absent: as [log] has it.
    log_time_stamps: bool | None = None


def build(programs: Mapping[str, ProgramConfiguration], surroundings: Surroundings) -> tuple[Service, ...]:
    """One service for each table."""
    return tuple(_service(name, program) for name, program in programs.items())


def _program(read: ProgramConfiguration) -> Program:
    return Program(
        command=read.command,
        user=read.user,
        group=read.group,
        supplementary_groups=read.supplementary_groups,
        directory=read.directory,
        umask=int(read.umask, 8),
        environment=read.environment,
        environment_file=read.environment_file,
        resource_limits=_resource_limits(read.resource_limits),
    )


def _respawn(read: ProgramConfiguration) -> Respawn | None:
    if not read.respawn or read.one_shot or read.transient:
        return None
    return Respawn(
        delay=read.respawn_delay,
        factor=read.respawn_factor,
        ceiling=max(read.respawn_ceiling, read.respawn_delay),
        times=read.respawn_limit,
        window=read.respawn_window,
        reset_after=read.respawn_reset_after,
    )


def _start_timeout(read: ProgramConfiguration) -> float:
    if read.start_timeout is not None:
        return read.start_timeout
    return math.inf if read.one_shot else 90.0


def _schedule(read: ProgramConfiguration) -> Schedule | None:
    if read.at is not None:
        return calendar_syntax.parse(read.at)
    return None if read.every is None else Every(parse_duration(read.every))


def _health(read: HealthConfiguration | None) -> Health | None:
    return None if read is None else Health(read.probes()[0], read.interval, read.timeout, read.failures)


def _service(name: str, read: ProgramConfiguration) -> Service:
    return Service(
        provision=(name, *read.aliases),
        program=_program(read),
        documentation=read.documentation,
        requirement=read.requirement,
        readiness=read.ready.readiness()[0] if read.ready else None,
        health=_health(read.health),
        respawn=_respawn(read),
        start_timeout=_start_timeout(read),
        grace_period=read.grace_period,
        stop_signal=_signal_number(read.stop_signal),
        one_shot=read.one_shot,
        transient=read.transient,
        endpoints=tuple(parse_endpoint(text, mode=int(read.socket_mode, 8)) for text in read.sockets),
        lazy=read.lazy,
        schedule=_schedule(read),
        log=read.log_file if read.log else False,
        log_time_stamps=read.log_time_stamps,
        auto_start=read.auto_start,
        actions=actions(name, read.action),
    )


SECTION = Section("service", ProgramConfiguration, build, shape="named")
