"""The keys of `[coturn]`: turnserver's own, shortened (coturn's README.turnserver)."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Literal

from attrs import Attribute, field, frozen, validators

from herd_services.jitsi import values

# What is on this host, on its own network or behind a translation of addresses: whoever relays must not come there.
# RFC 6890, and forms of IPv6 that have an address of IPv4 in them. It never relays to 0.0.0.0 and ::.
INSIDE = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
    *("::1/128", "::ffff:0:0/96", "64:ff9b::/96", "2001::/32", "2002::/16", "fc00::/7", "fe80::/10"),
    "ff00::/8",
)
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
# One line each, and no comment.
_VALUE = re.compile(r"[^\x00-\x1f\x7f#]+")


def _address(instance: object, attribute: Attribute[Any], value: str) -> None:
    try:
        ip_address(value)
    except ValueError:
        raise ValueError(f"{value!r} is no address; write one like 192.0.2.1") from None


def _networks(instance: object, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    for one in value:
        try:
            network = ip_network(one)
        except ValueError:
            raise ValueError(f"{one!r} is no network; write one like 10.0.0.0/8, or an address") from None
        if network.num_addresses == 1 and network[0].is_unspecified:
            raise ValueError(f"{one!r} would be every address to turnserver, which never relays to it; leave it out")


def _extra(instance: object, attribute: Attribute[Any], value: dict[str, Any]) -> None:
    for name, given in value.items():
        if not _OPTION.fullmatch(name):
            raise ValueError(f"{name!r} is no option of turnserver; write one like max-bps")
        for each in given if isinstance(given, list) else [given]:
            if not isinstance(each, str | int) or not _VALUE.fullmatch(str(each)):
                raise ValueError(f"{each!r} is no value of {name}; write a text of one line, a number, true or false")


@frozen
class CoturnConfiguration:
    """A relay for whoever cannot reach a bridge."""

    program: Path = Path("/usr/bin/turnserver")
    user: str = "turnserver"
    group: str | None = None
    # Those it listens on; none: all.
    interfaces: tuple[str, ...] = field(default=(), validator=validators.deep_iterable(_address))
    # UDP and TCP.
    port: int = field(default=3478, validator=values.port)
    # The same, encrypted; 0: none.
    tls_port: int = field(default=5349, validator=validators.and_(validators.ge(0), validators.le(65535)))
    # By which others reach it, where a router stands in between.
    public_address: str | None = field(default=None, validator=validators.optional(_address))
    # Of UDP, of what is relayed.
    min_port: int = field(default=49152, validator=values.port)
    max_port: int = field(default=65535, validator=values.port)
    # In PEM; without them those of [jitsi], or one that herdd makes.
    certificate: Path | None = None
    key: Path | None = None
    # Relays at once, of one user and of all; 0: as many as there are ports.
    user_quota: int = field(default=0, validator=validators.ge(0))
    total_quota: int = field(default=0, validator=validators.ge(0))
    # Networks or addresses to which nothing is relayed, and exceptions of that.
    denied_peers: tuple[str, ...] = field(default=INSIDE, validator=_networks)
    allowed_peers: tuple[str, ...] = field(default=(), validator=_networks)
    log_level: Literal["info", "verbose", "debug"] = "info"
    # Further options of its configuration file, by their names there.
    extra: dict[str, Any] = field(factory=dict, validator=_extra)
    auto_start: bool = True
