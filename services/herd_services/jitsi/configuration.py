"""The keys of `[jitsi]`, `[prosody]`, `[jicofo]` and `[[jvb]]`; those of others are in their own packages.

`[jitsi] domain` is enough for all three services; the tables of their own change what one of them is given. Names of
the keys: the programs' own, shortened (Prosody's manual; reference.conf of jicofo and of jitsi-videobridge).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from attrs import Attribute, field, frozen, validators

from herd_services.jitsi import lua, old_names
from herd_services.jitsi.nested import hocon
from herd_services.jitsi.web.configuration import NginxConfiguration

# RFC 1123: what both a host and a certificate can be called.
_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})+")
# A resource of an address in XMPP, and part of a service's name.
_NICKNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ADDRESS = re.compile(r"[^@/\s\"&'<>:]+@[^@/\s]+")
_ROOM = re.compile(r"[^@/\s\"&'<>:]+")

# What begins a section of Prosody's file, or reads another file.
_SECTIONS = frozenset({"VirtualHost", "Host", "host", "Component", "component", "Include", "include", "RunScript"})

ProsodyLevel = Literal["debug", "info", "warn", "error"]
# Of java.util.logging.
JavaLevel = Literal["FINE", "INFO", "WARNING", "SEVERE"]


def is_domain(text: str) -> bool:
    """Whether it can be the name of a host in the Internet."""
    return len(text) <= 200 and _DOMAIN.fullmatch(text) is not None


def _domain(instance: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and not is_domain(value):
        raise ValueError(f"{value!r} is no domain; write one like meet.example.org")


def _nickname(instance: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and not _NICKNAME.fullmatch(value):
        raise ValueError(f"{value!r} is no nickname; it has letters, digits and . _ - in it")


def _room(instance: object, attribute: Attribute[Any], value: str) -> None:
    if not _ROOM.fullmatch(value) or value != value.lower():
        raise ValueError(f"{value!r} is no name of a room; write one like jvbbrewery, in lower case")


def _addresses(instance: object, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    for one in value:
        if not _ADDRESS.fullmatch(one):
            raise ValueError(f"{one!r} is no address; write one like ann@meet.example.org")


def _options(instance: object, attribute: Attribute[Any], value: dict[str, Any]) -> None:
    for name, each in value.items():
        if not lua.is_name(name) or name in _SECTIONS:
            raise ValueError(f"{name!r} is no option of Prosody; write one like c2s_timeout")
        lua.literal(each)


def _keys(instance: object, attribute: Attribute[Any], value: dict[str, Any]) -> None:
    for name in old_names.translated(value).extra:
        if "." in name:
            raise ValueError(f"{name!r} would be one key; write it without quotes, or as tables in tables")
    hocon(value)


_port = validators.and_(validators.ge(1), validators.le(65535))


def _lower(value: str) -> str:
    return value.lower()


@frozen
class JitsiConfiguration:
    """What all services of one Jitsi Meet share."""

    domain: str = field(converter=_lower, validator=_domain)
    # The room of the internal MUC where Jicofo finds the bridges.
    brewery: str = field(default="jvbbrewery", validator=_room)
    # For all names of the deployment, in PEM; without them herdd makes a certificate that it trusts.
    certificate: Path | None = None
    key: Path | None = None
    auto_start: bool = True


@frozen
class ProsodyConfiguration:
    """The XMPP server that all others meet on."""

    program: Path = Path("/usr/bin/prosody")
    prosodyctl: Path = Path("/usr/bin/prosodyctl")
    # Under root.
    user: str = "prosody"
    group: str | None = None
    # Those it listens on; bridges of other hosts need one they can reach.
    interfaces: tuple[str, ...] = ("127.0.0.1", "::1")
    port: int = field(default=5222, validator=_port)
    # For browsers, behind a web server: BOSH and WebSocket.
    http_port: int = field(default=5280, validator=_port)
    # Beside focus and jvb.
    admins: tuple[str, ...] = field(default=(), validator=_addresses)
    log_level: ProsodyLevel = "info"
    # Further options of its configuration file, by their names there.
    extra: dict[str, Any] = field(factory=dict, validator=_options)


@frozen
class JicofoConfiguration:
    """The focus, which shares conferences out over the bridges."""

    program: Path = Path("/usr/share/jicofo/jicofo.sh")
    user: str = "jicofo"
    group: str | None = None
    # Of its heap, mebibytes. Without it: 3072, the program's own, or a quarter of the machine's memory if that is less.
    memory: int | None = field(default=None, validator=validators.optional(validators.ge(64)))
    # Its HTTP interface, on the loopback address alone.
    http_port: int = field(default=8888, validator=_port)
    log_level: JavaLevel = "INFO"
    # Further keys of jicofo.conf, nested as there: { jicofo = { … } }.
    extra: dict[str, Any] = field(factory=dict, validator=_keys)


@frozen
class JvbConfiguration:
    """One bridge. The keys from `address` on are for one whose Prosody is on another host."""

    # Its name in the brewery, unlike that of every other bridge there. Without it: made of the host's name.
    nickname: str | None = field(default=None, validator=_nickname)
    program: Path = Path("/usr/share/jitsi-videobridge/jvb.sh")
    user: str = "jvb"
    group: str | None = None
    memory: int | None = field(default=None, validator=validators.optional(validators.ge(64)))
    # Of media. Without it: 10000 for the first bridge, one more for each other.
    udp_port: int | None = field(default=None, validator=validators.optional(_port))
    # Its HTTP interface, on the loopback address alone. Without it: 8080 for the first, one more for each other.
    http_port: int | None = field(default=None, validator=validators.optional(_port))
    # For browsers that come by [nginx]. Without it: 9090 for the first, one more for each other.
    websocket_port: int | None = field(default=None, validator=validators.optional(_port))
    # The address by which others reach it, where a router stands in between.
    public_address: str | None = None
    local_address: str | None = None
    stun: tuple[str, ...] = ()
    log_level: JavaLevel = "INFO"
    # Further keys of jvb.conf, nested as there: { videobridge = { … } }.
    extra: dict[str, Any] = field(factory=dict, validator=_keys)
    # Prosody, on another host.
    address: str | None = None
    port: int = field(default=5222, validator=_port)
    domain: str | None = field(default=None, validator=_domain)
    room: str = field(default="jvbbrewery", validator=_room)
    # Its first line is the password of the bridges.
    password_file: Path | None = None
    # That of Prosody, or of who signed it, in PEM.
    certificate: Path | None = None
    auto_start: bool = True


@frozen
class Tables:
    """All tables of one Jitsi Meet, as far as they are there."""

    jitsi: JitsiConfiguration | None = None
    prosody: ProsodyConfiguration | None = None
    jicofo: JicofoConfiguration | None = None
    jvb: tuple[JvbConfiguration, ...] | None = None
    nginx: NginxConfiguration | None = None
