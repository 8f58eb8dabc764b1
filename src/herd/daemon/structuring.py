"""TOML tables -> attrs classes, every mistake reported at once and said in the words of whoever wrote it.

Reading is strict: what TOML gives is what the class says; nothing is converted on the quiet. Keys are the class's
attributes in kebab-case.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_origin

import attrs
from cattrs import Converter, ForbiddenExtraKeysError, transform_error
from cattrs.cols import homogenous_tuple_structure_factory, mapping_structure_factory
from cattrs.errors import ClassValidationError
from cattrs.gen import make_dict_structure_fn, override

from herd.core.errors import ConfigurationError
from herd.core.limits import Processors, read_processors
from herd.core.size import Bytes, read_bytes
from herd.core.suggest import did_you_mean
from herd.daemon.accesslist import Holder, read_holder
from herd.daemon.logpolicy import Age, read_age

_KINDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}


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
        known = [kebab(attribute.name) for attribute in attrs.fields(error.cl)]
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


def kebab(name: str) -> str:
    """An attribute's name as a key."""
    return name.replace("_", "-")


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
        field.name: override(rename=kebab(field.name), struct_hook=_field_hook(field, converter))
        for field in attrs.fields(kind)
    }
    inner: Callable[[Any, Any], Any] = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True, **names)
    return _only(dict, "a table", inner)


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
    # Without this a text would be read as the list of its letters.
    return _only(list, "a list in brackets", homogenous_tuple_structure_factory(kind, converter))


def _dict_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    return _only(dict, "a table in braces", mapping_structure_factory(kind, converter))


def _only(shape: type, words: str, inner: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def check(value: Any, target: Any) -> Any:
        if not isinstance(value, shape):
            raise ValueError(f"{_shown(value)} is not {words}")
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
    converter.register_structure_hook_func(lambda kind: kind == Processors, lambda value, _: read_processors(value))
    converter.register_structure_hook_func(lambda kind: kind == Age, lambda value, _: read_age(value))
    converter.register_structure_hook_factory(attrs.has, partial(_class_hook, converter=converter))
    converter.register_structure_hook_factory(_is_tuple, partial(_tuple_hook, converter=converter))
    converter.register_structure_hook_factory(_is_dict, partial(_dict_hook, converter=converter))
    return converter


_CONVERTER = _converter()
