"""The keys of `[jigasi]` (sip-communicator.properties and reference.conf of jigasi)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from attrs import Attribute, field, frozen, validators

from herd_services.jitsi import values

_SIP = re.compile(r"(?:sip:)?([^@/\s\"&'<>:]+@[^@/\s:]+)")
_PROPERTY = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")


def _sip(instance: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and not _SIP.fullmatch(value):
        raise ValueError(f"{value!r} is no address of SIP; write one like 4711@sip.example.org")


def _properties(instance: object, attribute: Attribute[Any], value: dict[str, Any]) -> None:
    for name, each in value.items():
        if not _PROPERTY.fullmatch(name):
            raise ValueError(f'{name!r} is no property; write one in quotes, like "org.jitsi.jigasi.ENABLE_SIP"')
        if not isinstance(each, str | int | float):
            raise ValueError(f"{each!r} is no value of {name}; write a text, a number, true or false")


def bare(address: str) -> str:
    """Without what says that it is one of SIP."""
    return address.removeprefix("sip:")


@frozen
class JigasiConfiguration:
    """A gateway for telephones."""

    program: Path = Path("/usr/share/jigasi/jigasi.sh")
    user: str = "jigasi"
    group: str | None = None
    # Its name in its room. Without it: the host's name.
    nickname: str | None = field(default=None, validator=values.nickname)
    # Its account at a provider of telephony. Without it: it does no telephony, only what is in extra.
    sip_uri: str | None = field(default=None, validator=_sip)
    # Its first line is the account's password.
    sip_password_file: Path | None = None
    # Without it: the one in the address.
    sip_server: str | None = None
    sip_port: int = field(default=5060, validator=values.port)
    sip_transport: Literal["UDP", "TCP", "TLS"] = "UDP"
    # The conference of a call that names none.
    default_room: str | None = field(default=None, validator=validators.optional(values.room))
    # Of UDP, of what is heard.
    min_port: int = field(default=20000, validator=values.port)
    max_port: int = field(default=20050, validator=values.port)
    memory: int | None = field(default=None, validator=validators.optional(validators.ge(64)))
    # Its HTTP interface, on the loopback address alone.
    http_port: int = field(default=8788, validator=values.port)
    log_level: values.JavaLevel = "INFO"
    # Further properties of sip-communicator.properties, each by its whole name.
    extra: dict[str, Any] = field(factory=dict, validator=_properties)
    auto_start: bool = True
