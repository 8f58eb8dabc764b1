"""herd.toml -> services and how their logs are kept, every mistake reported at once.

Each table but `[log]`, `[limits.NAME]`, `[person.NAME]` and `[access]` belongs to a Section that the entry-point group
`herd.services` brings: an attrs class and a function that makes services of it. A mistake is a line: where it is, what
is wrong, what would be valid (structuring.py).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import attrs
from attrs import evolve

from herd.core import graph
from herd.core.errors import ConfigurationError
from herd.core.limits import Limits
from herd.core.person import Identity, Person, people
from herd.core.role import Access
from herd.core.service import Program, Section, Service, Surroundings
from herd.core.suggest import did_you_mean
from herd.daemon import exposure, logplaces
from herd.daemon.accesslist import AccessConfiguration, settled
from herd.daemon.logpolicy import LogPolicy
from herd.daemon.structuring import kebab, structure

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*")
_LOG, _LIMITS, _PERSON, _ACCESS = "log", "limits", "person", "access"
_OWN = (_LOG, _LIMITS, _PERSON, _ACCESS)


@attrs.frozen
class Configuration:
    """What a configuration file says."""

    services: tuple[Service, ...]
    log: LogPolicy = attrs.Factory(LogPolicy)
    people: tuple[Person, ...] = ()
    access: Access = attrs.Factory(lambda: settled(None))
    # Sentences about what is right and yet should be otherwise.
    warnings: tuple[str, ...] = ()


class Installed(Mapping[str, Section]):
    """Every section that is installed, by the name of its table, its entry point's; imported when asked for."""

    def __init__(self) -> None:
        self._entries = {entry.name: entry for entry in entry_points(group="herd.services")}

    def __getitem__(self, name: str) -> Section:
        section: Section = self._entries[name].load()
        return section

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries


def load(path: Path, surroundings: Surroundings) -> Configuration:
    """What the file says. Raises ConfigurationError with everything that is wrong. Blocks."""
    tables, mode = _parse(path)
    return evolve(read(tables, surroundings, Installed()), warnings=exposure.warnings(path, mode, tables))


def _parse(path: Path) -> tuple[dict[str, Any], int]:
    """The tables, and the file's mode."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file), os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        remedy = "write one, with [jami] as its first line for a start, or name another with --config"
        raise ConfigurationError([f"cannot read {path}: there is no such file; {remedy}"]) from None
    except OSError as error:
        raise ConfigurationError([f"cannot read {path}: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"cannot read {path}: it is not TOML: {error}"]) from error


def read(tables: dict[str, Any], surroundings: Surroundings, known: Mapping[str, Section]) -> Configuration:
    """What parsed tables say. Raises ConfigurationError with everything that is wrong."""
    log, problems = _log(tables)
    access, wrong = _access(tables)
    problems += wrong
    services: list[Service] = []
    # Each once, though several of its tables may be there.
    sections: list[Section] = []
    for name in tables:
        if name in _OWN:
            continue
        if name not in known:
            names = sorted([*known, *_OWN])
            remedy = did_you_mean(name, names) or f"the tables are: {', '.join(f'[{each}]' for each in names)}"
            problems.append(f"cannot read [{name}]: there is no such table; {remedy}")
        elif known[name] not in sections:
            sections.append(known[name])
    for section in sections:
        found, wrong = _section(section, tables, surroundings)
        services += found
        problems += wrong
    persons: tuple[Person, ...] = ()
    if _PERSON in tables:
        persons, wrong = people(tables[_PERSON], _identities(known))
        problems += wrong
    services, wrong = _limited(services, tables.get(_LIMITS, {}))
    problems += wrong
    problems += _unfit_names(services)
    problems += graph.problems(services)
    problems += logplaces.problems(services, surroundings.log_dir)
    if problems:
        raise ConfigurationError(problems)
    return Configuration(tuple(services), log, persons, access)


def _identities(known: Mapping[str, Section]) -> list[Identity]:
    """Of every server there could be: whoever is no longer configured need not be struck from the people."""
    found = {each.identity.kind: each.identity for each in known.values() if each.identity is not None}
    return list(found.values())


def _log(tables: dict[str, Any]) -> tuple[LogPolicy, list[str]]:
    try:
        return structure(LogPolicy, tables.get(_LOG, {}), f"[{_LOG}]"), []
    except ConfigurationError as error:
        return LogPolicy(), error.problems


def _access(tables: dict[str, Any]) -> tuple[Access, list[str]]:
    if _ACCESS not in tables:
        return settled(None), []
    try:
        return settled(structure(AccessConfiguration, tables[_ACCESS], f"[{_ACCESS}]")), []
    except ConfigurationError as error:
        return Access(), error.problems


def _limited(services: list[Service], table: Any) -> tuple[list[Service], list[str]]:
    """The services, each with the limits that its table sets, and what is wrong in those."""
    if not isinstance(table, dict):
        return services, [f"cannot read [{_LIMITS}]: it is written as [{_LIMITS}.NAME]"]
    names = {name: service.name for service in services for name in service.provision}
    limits: dict[str, Limits] = {}
    problems = []
    for name, each in table.items():
        place = f"[{_LIMITS}.{name}]"
        if name not in names:
            remedy = did_you_mean(name, names) or f"the services are: {', '.join(names) or 'none'}"
            problems.append(f"cannot read {place}: there is no such service; {remedy}")
        elif names[name] in limits:
            problems.append(f"cannot read {place}: {names[name]} has its limits already; name it once")
        else:
            try:
                limits[names[name]] = structure(Limits, each, place)
            except ConfigurationError as error:
                problems += error.problems
    return [_within(service, limits.get(service.name)) for service in services], problems


def _within(service: Service, limits: Limits | None) -> Service:
    return service if limits is None else evolve(service, program=evolve(service.program, limits=limits))


def _section(
    section: Section, tables: Mapping[str, Any], surroundings: Surroundings
) -> tuple[list[Service], list[str]]:
    """The services of a section, with what is wrong in it; for a table that is wrong a stand-in of its name."""
    if section.shape == "named":
        return _named(section, tables[section.name], surroundings)
    if section.shape == "one":
        mine, place = tables[section.name], f"[{section.name}]"
        names = [section.name]
    else:
        names = [
            each for each in (kebab(field.name) for field in attrs.fields(section.configuration)) if each in tables
        ]
        mine, place = {name: tables[name] for name in names}, ""
    try:
        return list(section.build(structure(section.configuration, mine, place), surroundings)), []
    except ConfigurationError as error:
        return [_stand_in(name) for name in names], error.problems


def _named(section: Section, table: Any, surroundings: Surroundings) -> tuple[list[Service], list[str]]:
    if not isinstance(table, dict) or not all(isinstance(each, dict) for each in table.values()):
        return [], [f"cannot read [{section.name}]: it is written as [{section.name}.NAME]"]
    named: dict[str, Any] = {}
    stand_ins: list[Service] = []
    problems: list[str] = []
    for name, each in table.items():
        try:
            named[name] = structure(section.configuration, each, f"[{section.name}.{name}]")
        except ConfigurationError as error:
            problems += error.problems
            stand_ins.append(_stand_in(name))
    return [*stand_ins, *section.build(named, surroundings)], problems


def _stand_in(name: str) -> Service:
    """So that whoever requires a service whose table is wrong is not told that there is none."""
    return Service(provision=(name,), program=Program(command=()), log=False)


def _unfit_names(services: list[Service]) -> list[str]:
    # A name is a word of the command line and the name of a log file.
    remedy = "a name has letters, digits and . _ + @ - in it, and begins with one of the first two"
    names = (name for service in services for name in service.provision)
    return [f"cannot register {name!r}: {remedy}" for name in names if not _NAME.fullmatch(name)]
