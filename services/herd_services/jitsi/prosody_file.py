"""prosody.cfg.lua: the XMPP server on which Jicofo, the bridges and the browsers meet.

Modules that come with Prosody are enough, of 0.12 and later; Jitsi Meet's own are not needed. Source: prosody.im/doc.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from herd_services.jitsi import lua
from herd_services.jitsi.bans import MODULE
from herd_services.jitsi.configuration import ProsodyConfiguration
from herd_services.jitsi.deployment import JIBRI, Deployment
from herd_services.jitsi.relay.announced import MODULE as EXTERNAL
from herd_services.jitsi.relay.announced import Announced

_MODULES = ("admin_shell", "disco", "limits", "ping", "roster", "saslauth", "smacks", "tls")
# People come from nowhere else, and nothing is kept for those who are away.
_DISABLED = ("s2s", "s2s_auth_certs", "offline")
_NO_FOCUS = """\
-- There is no component {}: it needs a module of Jitsi Meet's own (client_proxy).
-- Browsers ask Jicofo for a conference by HTTP (conferenceRequestUrl).
"""


@frozen
class Places:
    """Where its files are. The socket's path has at most 107 bytes; certificates are there as NAME.crt and NAME.key."""

    data: Path
    certificates: Path
    admin_socket: Path
    pid_file: Path
    # Of herdd's own.
    modules: Path


def prosody_configuration(
    deployment: Deployment, read: ProsodyConfiguration, places: Places, relay: Announced | None = None
) -> str:
    """The whole file; it holds no secret, and names the one that does where there is a relay.

    What the administrator adds prevails over what is for all hosts.
    """
    include = "" if relay is None else f"Include({lua.text(str(relay.secret_file))})\n"
    recorder = (_section("VirtualHost", deployment.recorder_domain, "", {}),) if JIBRI in deployment.further else ()
    hosts = (
        _section("VirtualHost", deployment.auth_domain, "", _accounts()),
        *recorder,
        _section("VirtualHost", deployment.domain, "", _people(relay)),
        _section("Component", deployment.internal_muc, "muc", _rooms(muc_room_default_members_only=True)),
        _section("Component", deployment.conference_muc, "muc", _rooms(modules_enabled=[MODULE])),
        _NO_FOCUS.format(deployment.focus_component),
    )
    options = _options(_global(deployment, read, places)) + include
    return "\n".join(("-- Written by herdd at each start.", options, *hosts))


def _global(deployment: Deployment, read: ProsodyConfiguration, places: Places) -> dict[str, Any]:
    services = [deployment.account(name) for name in deployment.services]
    return {
        "pidfile": str(places.pid_file),
        "data_path": str(places.data),
        "certificates": str(places.certificates),
        "admin_socket": str(places.admin_socket),
        "plugin_paths": [str(places.modules)],
        # For prosodyctl, where root calls it.
        "prosody_user": read.user,
        **({} if read.group is None else {"prosody_group": read.group}),
        "interfaces": read.interfaces,
        "c2s_ports": [read.port],
        **_web(deployment, read),
        # All further ports that Prosody would open of itself.
        **dict.fromkeys(("c2s_direct_tls_ports", "component_ports", "s2s_ports", "https_ports"), ()),
        "modules_enabled": _MODULES,
        "modules_disabled": _DISABLED,
        "c2s_require_encryption": True,
        "allow_registration": False,
        "authentication": "internal_hashed",
        # What our records of accounts are made with.
        "password_hash": "SHA-1",
        "storage": "internal",
        "admins": [*services, *read.admins],
        "limits": {"c2s": {"rate": "512kb/s"}},
        "unlimited_jids": services,
        "component_admins_as_room_owners": True,
        "log": [{"levels": {"min": read.log_level}, "to": "console"}],
        **read.extra,
    }


def _web(deployment: Deployment, read: ProsodyConfiguration) -> dict[str, Any]:
    """For a web server on this host, which brings the encryption: browsers get no answer to other sites' pages."""
    closed = {"enabled": False}
    return {
        "http_interfaces": ["127.0.0.1"],
        "http_ports": [read.http_port],
        "http_default_host": deployment.domain,
        "http_cors_override": {"bosh": closed, "websocket": closed},
        "consider_bosh_secure": True,
        "consider_websocket_secure": True,
    }


def _accounts() -> dict[str, Any]:
    """Of the services, which are gone at once when they are gone."""
    return {"smacks_hibernation_time": 15}


def _people(relay: Announced | None) -> dict[str, Any]:
    modules = ["bosh", "websocket", *([] if relay is None else [EXTERNAL])]
    return {
        "authentication": "anonymous",
        "modules_enabled": modules,
        **({} if relay is None else relay.options()),
    }


def _rooms(**others: Any) -> dict[str, Any]:
    """Rooms that admins alone make, open at once, lost with Prosody."""
    return {
        "storage": "memory",
        "restrict_room_creation": True,
        "muc_room_locking": False,
        "muc_room_default_public": False,
        "muc_room_default_public_jids": True,
        "muc_room_allow_persistent": False,
        "muc_tombstones": False,
        **others,
    }


def _section(kind: str, name: str, module: str, options: Mapping[str, Any]) -> str:
    words = (kind, lua.text(name), *([lua.text(module)] if module else []))
    return f"{' '.join(words)}\n{_options(options, '  ')}"


def _options(options: Mapping[str, Any], indent: str = "") -> str:
    return "".join(f"{indent}{name} = {lua.literal(value)}\n" for name, value in options.items())
