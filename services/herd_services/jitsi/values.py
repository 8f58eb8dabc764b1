"""What the values of keys have to be, for the tables of all services: validators of attrs, which raise ValueError."""

from __future__ import annotations

import re
from typing import Any, Literal

from attrs import Attribute, validators

from herd_services.jitsi import lua, old_names
from herd_services.jitsi.nested import hocon

# RFC 1123: what both a host and a certificate can be called.
_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})+")
# A resource of an address in XMPP, and part of a service's name.
_NICKNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ADDRESS = re.compile(r"[^@/\s\"&'<>:]+@[^@/\s]+")
_ROOM = re.compile(r"[^@/\s\"&'<>:]+")

# Of java.util.logging.
JavaLevel = Literal["FINE", "INFO", "WARNING", "SEVERE"]

# What begins a section of Prosody's file, or reads another file.
_SECTIONS = frozenset({"VirtualHost", "Host", "host", "Component", "component", "Include", "include", "RunScript"})


def is_domain(text: str) -> bool:
    """Whether it can be the name of a host in the Internet."""
    return len(text) <= 200 and _DOMAIN.fullmatch(text) is not None


def domain(instance: object, attribute: Attribute[Any], value: str | None) -> None:
    """It is one, where it is given. Raises ValueError."""
    if value is not None and not is_domain(value):
        raise ValueError(f"{value!r} is no domain; write one like meet.example.org")


def nickname(instance: object, attribute: Attribute[Any], value: str | None) -> None:
    """Of a service, in a room. Raises ValueError."""
    if value is not None and not _NICKNAME.fullmatch(value):
        raise ValueError(f"{value!r} is no nickname; it has letters, digits and . _ - in it")


def room(instance: object, attribute: Attribute[Any], value: str) -> None:
    """The name of a room of services. Raises ValueError."""
    if not _ROOM.fullmatch(value) or value != value.lower():
        raise ValueError(f"{value!r} is no name of a room; write one like jvbbrewery, in lower case")


def addresses(instance: object, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    """Of people. Raises ValueError."""
    for one in value:
        if not _ADDRESS.fullmatch(one):
            raise ValueError(f"{one!r} is no address; write one like ann@meet.example.org")


def options(instance: object, attribute: Attribute[Any], value: dict[str, Any]) -> None:
    """Of Prosody. Raises ValueError."""
    for name, each in value.items():
        if not lua.is_name(name) or name in _SECTIONS:
            raise ValueError(f"{name!r} is no option of Prosody; write one like c2s_timeout")
        lua.literal(each)


def keys(instance: object, attribute: Attribute[Any], value: dict[str, Any]) -> None:
    """Of a file in HOCON. Raises ValueError."""
    for name in old_names.translated(value).extra:
        if "." in name:
            raise ValueError(f"{name!r} would be one key; write it without quotes, or as tables in tables")
    hocon(value)


# Of TCP or UDP.
port = validators.and_(validators.ge(1), validators.le(65535))


def lower(value: str) -> str:
    """Names of hosts are the same in any case."""
    return value.lower()
