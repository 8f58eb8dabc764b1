"""herd.toml -> services and how their logs are kept, every mistake reported at once.

Each table but `[log]`, `[person.NAME]` and `[access]` belongs to a Section that the entry-point group `herd.services`
brings: an attrs class and a function that makes services of it. Keys are the class's attributes in kebab-case. A
mistake is a line: where it is, what is wrong, what would be valid.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_origin

import attrs
from cattrs import Converter, ForbiddenExtraKeysError, transform_error
from cattrs.cols import homogenous_tuple_structure_factory, mapping_structure_factory
from cattrs.errors import ClassValidationError
from cattrs.gen import make_dict_structure_fn, override

from herd.core import graph
from herd.core.errors import ConfigurationError
from herd.core.person import Identity, Person, people
from herd.core.role import Access
from herd.core.service import Program, Section, Service, Surroundings
from herd.core.suggest import did_you_mean
from herd.daemon import logplaces
from herd.daemon.accesslist import AccessConfiguration, Holder, read_holder, settled
from herd.daemon.logpolicy import Age, Bytes, LogPolicy, read_age, read_bytes

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*")
_LOG, _PERSON, _ACCESS = "log", "person", "access"
_OWN = (_LOG, _PERSON, _ACCESS)
_KINDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}


@attrs.frozen
class Configuration:
    """What a configuration file says."""

    services: tuple[Service, ...]
    log: LogPolicy = attrs.Factory(LogPolicy)
    people: tuple[Person, ...] = ()
    access: Access = attrs.Factory(lambda: settled(None))


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
    return read(_parse(path), surroundings, Installed())


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
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
            each for each in (_kebab(field.name) for field in attrs.fields(section.configuration)) if each in tables
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


def structure(kind: type[Any], table: Any, place: str) -> Any:
    """A table as an instance of an attrs class. Raises ConfigurationError."""
    if not isinstance(table, dict):
        raise ConfigurationError([f"cannot read {place}: it is a table, written with a heading of its own"])
    try:
        return _CONVERTER.structure(table, kind)
    except ClassValidationError as error:
        lines = transform_error(error, path="", format_exception=_explain)
        raise ConfigurationError([_located(line, place) for line in lines]) from error


def _located(line: str, place: str) -> str:
    """cattrs puts the place last, ` @ .account[0].allowed_contacts[1]`; a reader wants it first, as it is written.

    Without a place, the first word is the name of a table.
    """
    text, _, where = line.rpartition(" @ ")
    key = where.lstrip(".").replace("_", "-")
    if not place:
        table, _, key = key.partition(".")
        name, bracket, number = table.partition("[")
        place = f"[[{name}]] {int(number[:-1]) + 1}" if bracket else f"[{name}]"
    return f"cannot read {place}{f' {key}' if key else ''}: {text}"


def _explain(error: BaseException, kind: type | None) -> str:
    if isinstance(error, ForbiddenExtraKeysError):
        known = [_kebab(attribute.name) for attribute in attrs.fields(error.cl)]
        words = []
        for key in sorted(error.extra_fields):
            words.append(f"unknown key {key}; " + (did_you_mean(key, known) or f"the keys are: {', '.join(known)}"))
        return "; ".join(words)
    if isinstance(error, KeyError):
        return "this key is missing"
    return str(error)


def _without_name(text: str, name: str) -> str:
    """What an attrs validator says, without the attribute's name: the place has it already, as TOML writes it."""
    return text.replace(f"Length of '{name}'", "its length").replace(f"'{name}'", "it")


def _kebab(name: str) -> str:
    return name.replace("_", "-")


# Strict reading: what TOML gives is what the class says; nothing is converted on the quiet.


def _shown(value: Any) -> str:
    """A value as TOML writes it, or nearly."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _exactly(kind: type) -> Callable[[Any, type], Any]:
    def check(value: Any, _: type) -> Any:
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if type(value) is not kind:
            raise ValueError(f"{_shown(value)} is not {_KINDS[kind]}")
        return value

    return check


def _as_path(value: Any, _: type) -> Path:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError(f"{_shown(value)} is not an absolute path in quotes")
    return Path(value)


def _class_hook(kind: type, converter: Converter) -> Callable[[Any, Any], Any]:
    names: dict[str, Any] = {
        field.name: override(rename=_kebab(field.name), struct_hook=_field_hook(field, converter))
        for field in attrs.fields(kind)
    }
    inner: Callable[[Any, Any], Any] = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True, **names)

    def check(value: Any, target: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"{_shown(value)} is not a table")
        return inner(value, target)

    return check


def _field_hook(field: attrs.Attribute[Any], converter: Converter) -> Callable[[Any, Any], Any]:
    def check(value: Any, target: Any) -> Any:
        """Structured and validated key by key: the class would stop at the first that is wrong, and not say where."""
        structured = converter.structure(value, target)
        convert: Any = field.converter
        if field.validator is not None:
            try:
                field.validator(None, field, convert(structured) if convert else structured)
            except ValueError as error:
                raise ValueError(_without_name(str(error.args[0]), field.name)) from error
        return structured

    return check


def _tuple_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    inner: Callable[[Any, Any], Any] = homogenous_tuple_structure_factory(kind, converter)

    def check(value: Any, target: Any) -> Any:
        # Without this a text would be read as the list of its letters.
        if not isinstance(value, list):
            raise ValueError(f"{_shown(value)} is not a list in brackets")
        return inner(value, target)

    return check


def _dict_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    inner: Callable[[Any, Any], Any] = mapping_structure_factory(kind, converter)

    def check(value: Any, target: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"{_shown(value)} is not a table in braces")
        return inner(value, target)

    return check


def _is_dict(kind: Any) -> bool:
    return get_origin(kind) is dict


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind in _KINDS:
        converter.register_structure_hook(kind, _exactly(kind))
    converter.register_structure_hook(Path, _as_path)
    converter.register_structure_hook_func(lambda kind: kind == Holder, lambda value, _: read_holder(value))
    converter.register_structure_hook_func(lambda kind: kind == Bytes, lambda value, _: read_bytes(value))
    converter.register_structure_hook_func(lambda kind: kind == Age, lambda value, _: read_age(value))
    converter.register_structure_hook_factory(attrs.has, partial(_class_hook, converter=converter))
    converter.register_structure_hook_factory(_is_tuple, partial(_tuple_hook, converter=converter))
    converter.register_structure_hook_factory(_is_dict, partial(_dict_hook, converter=converter))
    return converter


_CONVERTER = _converter()
