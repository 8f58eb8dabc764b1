"""jvb.conf: where a bridge logs in, what room it waits in, and how media reach it.

Keys: reference.conf of jitsi-videobridge and of ice4j. What is not here keeps the value that it has there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from herd_services.jitsi import old_names
from herd_services.jitsi.configuration import JvbConfiguration
from herd_services.jitsi.deployment import BRIDGE, Rendezvous
from herd_services.jitsi.nested import merged

# What the program's own packages and guides call their connection: one that an administrator describes by that name is
# this one, and no second one.
_CONNECTION = "shard"


@frozen
class Bridge:
    """What bridges of one host differ in: its name in the room, and its ports for media (UDP) and HTTP (TCP).

    `authority`: by what name browsers reach it over the web server, where there is one; then `websocket_port` is open.
    """

    nickname: str
    udp_port: int
    http_port: int
    websocket_port: int
    authority: str | None = None


def jvb_configuration(meeting: Rendezvous, bridge: Bridge, read: JvbConfiguration, password: str) -> dict[str, Any]:
    """The content of jvb.conf; what the administrator adds prevails, under today's names or those of long ago."""
    ours = {
        "apis": {
            "xmpp-client": {"configs": {_CONNECTION: _client(meeting, bridge, password)}},
            # /colibri, where it tells its state and is told to end.
            "rest": {"enabled": True},
        },
        "rest": {"shutdown": {"enabled": True}},
        **_http(bridge),
        "ice": {"udp": {"port": bridge.udp_port}},
        # Until the first check, after one interval, it says that it is well. The timeout has to be longer.
        "health": {
            "interval": "10 seconds",
            "timeout": "30 seconds",
            # Else a bridge is ill for having no address of the Internet.
            "require-valid-address": read.public_address is not None,
        },
    }
    content = {"videobridge": ours, "ice4j": {"harvest": {"mapping": _mapping(read)}}}
    extra = old_names.translated(read.extra).extra
    return merged(content, _lowered(extra, "videobridge", "apis", "xmpp-client", "configs", "*"))


def _http(bridge: Bridge) -> dict[str, Any]:
    """For herdd, and for browsers; these come by the web server, which encrypts."""
    private = {"host": "127.0.0.1", "port": bridge.http_port}
    if bridge.authority is None:
        return {"http-servers": {"private": private}}
    return {
        "http-servers": {"private": private, "public": {"host": "127.0.0.1", "port": bridge.websocket_port}},
        "websockets": {"enabled": True, "domains": [bridge.authority], "server-id": bridge.nickname, "tls": True},
    }


def _lowered(content: Any, *path: str) -> Any:
    """Keys of the tables at this path in lower case: there HOSTNAME is hostname to a bridge, and one must prevail."""
    if not isinstance(content, Mapping):
        return content
    if not path:
        return {key.lower(): value for key, value in content.items()}
    return {key: _lowered(value, *path[1:]) if path[0] in (key, "*") else value for key, value in content.items()}


def _client(meeting: Rendezvous, bridge: Bridge, password: str) -> dict[str, Any]:
    """Jitsi-videobridge drops it without a word if one of these is missing."""
    return {
        "hostname": meeting.address,
        "port": str(meeting.port),
        "domain": meeting.deployment.auth_domain,
        "username": BRIDGE,
        "password": password,
        "muc_jids": meeting.deployment.room,
        "muc_nickname": bridge.nickname,
        "disable_certificate_verification": False,
        # On the loopback address, its default is to go without encryption where none is offered.
        "security_mode": "required",
    }


def _mapping(read: JvbConfiguration) -> dict[str, Any]:
    static = []
    if read.public_address is not None:
        static = [{"local-address": read.local_address, "public-address": read.public_address}]
    # Asking Amazon who it is delays every start elsewhere.
    return {"aws": {"enabled": False}, "stun": {"addresses": list(read.stun)}, "static-mappings": static}
