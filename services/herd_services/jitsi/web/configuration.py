"""The keys of `[nginx]`, the web server through which browsers reach a Jitsi Meet."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Literal

from attrs import Attribute, field, frozen, validators

from herd_services.jitsi.web.page import written
from herd_services.jitsi.web.syntax import directives, is_path

NginxLevel = Literal["debug", "info", "notice", "warn", "error", "crit"]

# What herdd and nginx have to agree on: it opens the sockets.
_OURS = frozenset({"listen", "server_name", "ssl_certificate", "ssl_certificate_key"})


def _path(instance: object, attribute: Attribute[Any], value: Path | None) -> None:
    if value is not None and not is_path(value):
        raise ValueError(f"{str(value)!r} cannot stand in nginx's file; take one without $ and control characters")


def _interfaces(instance: object, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    if not value or ("*" in value and len(value) > 1) or len(set(value)) < len(value):
        raise ValueError('name addresses, each once, or "*" alone for all of them')
    for each in value:
        if each != "*":
            ipaddress.ip_address(each)


def _extra(instance: object, attribute: Attribute[Any], value: dict[str, Any]) -> None:
    for name in _OURS & value.keys():
        raise ValueError(f"{name!r} is made of domain, interfaces, port, certificate and key; set those")
    directives(value)


def _page(instance: object, attribute: Attribute[Any], value: dict[str, Any]) -> None:
    written(value)


@frozen
class NginxConfiguration:
    """What browsers talk to."""

    program: Path = Path("/usr/sbin/nginx")
    # Under root.
    user: str = "www-data"
    group: str | None = None
    # Those it listens on.
    interfaces: tuple[str, ...] = field(default=("*",), validator=_interfaces)
    port: int = field(default=443, validator=validators.and_(validators.ge(1), validators.le(65535)))
    # Without encryption: sends browsers to the other port. 0: there is none.
    http_port: int = field(default=80, validator=validators.and_(validators.ge(0), validators.le(65535)))
    # Where a client of ACME lays its answers (RFC 8555, section 8.3), below .well-known/acme-challenge there.
    acme_directory: Path | None = field(default=None, validator=_path)
    # The page itself: its index.html, libs, images …
    static: Path = field(default=Path("/usr/share/jitsi-meet"), validator=_path)
    # In PEM, for the domain. Without them: those of [jitsi], or else herdd makes one that no browser trusts.
    certificate: Path | None = None
    key: Path | None = None
    log_level: NginxLevel = "warn"
    # Further keys of config.js, nested as there.
    config: dict[str, Any] = field(factory=dict, validator=_page)
    # Further directives of the server, by their names: one argument, a list of them, or a list of such lists.
    extra: dict[str, Any] = field(factory=dict, validator=_extra)
