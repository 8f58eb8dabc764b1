"""The properties of sip-communicator.properties, of which guides of 2020 and before are full, in today's configuration.

Jicofo and the bridges still obey them in a file of their own that herdd does not give them; in a configuration file of
today they would do nothing, in silence. Sources: the programs' reference.conf and their `legacyConfig`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from herd_services.jitsi.nested import merged

_ROOTS = ("org", "net")
_OLD = re.compile(r"(org\.jitsi|org\.ice4j|net\.java)\..+|(JICOFO|JVB|VIDEOBRIDGE)_[A-Z_]+")
_CONNECTION = re.compile(r"org\.jitsi\.videobridge\.xmpp\.user\.([^.]+)\.([A-Z_]+)")
_NAT = re.compile(r"org\.ice4j\.ice\.harvest\.NAT_HARVESTER_(LOCAL|PUBLIC)_ADDRESS")
_STATIC = "ice4j.harvest.mapping.static-mappings"


class Translation(NamedTuple):
    """What to write, and a sentence for each property that was of long ago; no sentence has a value in it."""

    extra: dict[str, Any]
    remarks: tuple[str, ...]


def translated(extra: Mapping[str, Any]) -> Translation:
    """What an administrator adds to jicofo.conf or jvb.conf, old properties under today's names, which prevail.

    A property may be one key with dots in it or, as TOML reads it without quotes, tables in tables.
    """
    old = dict(_properties(extra))
    today = {key: value for key, value in extra.items() if key not in old and key not in _ROOTS}
    new: dict[str, Any] = {}
    remarks = []
    for name, value in old.items():
        piece, remark = _translated_one(name, value)
        new = merged(new, piece)
        remarks.append(remark)
    nat = {found[1].lower(): value for name, value in old.items() if (found := _NAT.fullmatch(name))}
    if len(nat) == 2:
        new = merged(new, _at(_STATIC, [{f"{side}-address": value for side, value in nat.items()}]))
    return Translation(merged(new, today), tuple(remarks))


def _properties(extra: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in extra.items():
        name = above + key
        if isinstance(value, Mapping) and (above or key in _ROOTS):
            yield from _properties(value, f"{name}.")
        elif above or _OLD.fullmatch(name):
            yield name, value


def _translated_one(name: str, value: Any) -> tuple[dict[str, Any], str]:
    if name in _GONE:
        return {}, f"{name} is gone: {_GONE[name]}"
    if _NAT.fullmatch(name):
        return (
            {},
            f"{name} is called {_STATIC} today, where its two halves are one; herdd writes that if both are there",
        )
    if found := _CONNECTION.fullmatch(name):
        path = f"videobridge.apis.xmpp-client.configs.{found[1]}.{found[2].lower()}"
        return _at(path, _plain(value)), _renamed(name, path)
    if name == "org.jitsi.jicofo.auth.URL" and str(value).startswith("XMPP:"):
        login = {"enabled": True, "type": "XMPP", "login-url": str(value).removeprefix("XMPP:")}
        return _at("jicofo.authentication", login), _renamed(name, "jicofo.authentication.login-url")
    if name in _RENAMED:
        path, convert = _RENAMED[name]
        return _at(path, convert(value)), _renamed(name, path)
    return {}, f"{name} means nothing today and is left out; look for its successor in the program's reference.conf"


def _renamed(name: str, path: str) -> str:
    return f"{name} is called {path} today; herdd writes that"


def _at(path: str, value: Any) -> dict[str, Any]:
    first, _, rest = path.partition(".")
    return {first: _at(rest, value) if rest else value}


def _plain(value: Any) -> Any:
    """Of a file where everything was text."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _opposite(value: Any) -> bool:
    return _plain(value) is not True


def _milliseconds(value: Any) -> str:
    return f"{value} milliseconds"


def _list(value: Any) -> list[Any]:
    return (
        re.findall(r"[^\s,;]+", value) if isinstance(value, str) else [value] if not isinstance(value, list) else value
    )


_BRIDGE, _ICE, _FOCUS = "org.jitsi.videobridge", "org.ice4j.ice.harvest", "org.jitsi.jicofo"
_CLIENT = "jicofo.xmpp.client"

_RENAMED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    f"{_BRIDGE}.STATISTICS_INTERVAL": ("videobridge.stats.interval", _milliseconds),
    f"{_BRIDGE}.SINGLE_PORT_HARVESTER_PORT": ("videobridge.ice.udp.port", _plain),
    f"{_BRIDGE}.rest.jetty.port": ("videobridge.http-servers.public.port", _plain),
    f"{_BRIDGE}.rest.jetty.host": ("videobridge.http-servers.public.host", _plain),
    f"{_BRIDGE}.rest.private.jetty.port": ("videobridge.http-servers.private.port", _plain),
    f"{_BRIDGE}.rest.private.jetty.host": ("videobridge.http-servers.private.host", _plain),
    f"{_ICE}.DISABLE_AWS_HARVESTER": ("ice4j.harvest.mapping.aws.enabled", _opposite),
    f"{_ICE}.STUN_MAPPING_HARVESTER_ADDRESSES": ("ice4j.harvest.mapping.stun.addresses", _list),
    f"{_ICE}.ALLOWED_INTERFACES": ("ice4j.harvest.allowed-interfaces", _list),
    f"{_ICE}.ALLOWED_ADDRESSES": ("ice4j.harvest.allowed-addresses", _list),
    f"{_FOCUS}.BRIDGE_MUC": ("jicofo.bridge.brewery-jid", _plain),
    f"{_FOCUS}.ALWAYS_TRUST_MODE_ENABLED": (f"{_CLIENT}.disable-certificate-verification", _plain),
    f"{_FOCUS}.health.ENABLE_HEALTH_CHECKS": ("jicofo.health.enabled", _plain),
    f"{_FOCUS}.HOSTNAME": (f"{_CLIENT}.hostname", _plain),
    f"{_FOCUS}.XMPP_DOMAIN": (f"{_CLIENT}.xmpp-domain", _plain),
    f"{_FOCUS}.FOCUS_USER_DOMAIN": (f"{_CLIENT}.domain", _plain),
    f"{_FOCUS}.FOCUS_USER_NAME": (f"{_CLIENT}.username", _plain),
    f"{_FOCUS}.FOCUS_USER_PASSWORD": (f"{_CLIENT}.password", _plain),
    f"{_FOCUS}.jibri.BREWERY": ("jicofo.jibri.brewery-jid", _plain),
    f"{_FOCUS}.jigasi.BREWERY": ("jicofo.jigasi.brewery-jid", _plain),
    "JICOFO_HOST": (f"{_CLIENT}.hostname", _plain),
    "JICOFO_HOSTNAME": (f"{_CLIENT}.xmpp-domain", _plain),
    "JICOFO_AUTH_DOMAIN": (f"{_CLIENT}.domain", _plain),
    "JICOFO_AUTH_USER": (f"{_CLIENT}.username", _plain),
    "JICOFO_AUTH_PASSWORD": (f"{_CLIENT}.password", _plain),
}

_MEMORY = "write memory in the program's table"
_STATISTICS = "statistics are always sent to the room"
_TCP = "bridges take media by UDP alone"
_COMPONENT = "Jicofo logs in like any other, and is no component any more"
_GONE = {
    f"{_BRIDGE}.ENABLE_STATISTICS": _STATISTICS,
    f"{_BRIDGE}.STATISTICS_TRANSPORT": _STATISTICS,
    f"{_BRIDGE}.AUTHORIZED_SOURCE_REGEXP": "a bridge obeys those who are in its room",
    f"{_BRIDGE}.DISABLE_TCP_HARVESTER": _TCP,
    f"{_BRIDGE}.TCP_HARVESTER_PORT": _TCP,
    "JVB_OPTS": "herdd switches on what it had to",
    "JICOFO_SECRET": _COMPONENT,
    "JICOFO_PORT": _COMPONENT,
    "JICOFO_MAX_MEMORY": _MEMORY,
    "VIDEOBRIDGE_MAX_MEMORY": _MEMORY,
}
