"""turnserver.conf: what the relay listens on, whom it lets in, and where it does not relay to.

Options: coturn's README.turnserver. One a line, NAME or NAME=VALUE.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from attrs import frozen

from herd_services.jitsi.relay.configuration import CoturnConfiguration

_LOUDNESS = {"info": (), "verbose": ("verbose",), "debug": ("Verbose",)}


@frozen
class Places:
    """Where its files are."""

    certificate: Path
    key: Path
    # It opens one, whether there is anything in it or not.
    database: Path
    pid_file: Path


def turnserver_configuration(realm: str, read: CoturnConfiguration, places: Places, secret: str) -> str:
    """The whole file. What the administrator adds comes in place of what is here by that name; false removes it."""
    options = _server(realm, read, places, secret) | _peers(read) | dict(read.extra)
    lines = "".join(f"{line}\n" for name, value in options.items() for line in _lines(name, value))
    return f"# Written by herdd at each start.\n{lines}"


def _server(realm: str, read: CoturnConfiguration, places: Places, secret: str) -> dict[str, Any]:
    encrypted = {
        "tls-listening-port": read.tls_port,
        "cert": str(places.certificate),
        "pkey": str(places.key),
        "no-tlsv1": True,
        "no-tlsv1_1": True,
    }
    return {
        "listening-ip": list(read.interfaces),
        "listening-port": read.port,
        **(encrypted if read.tls_port else {"no-tls": True, "no-dtls": True}),
        "external-ip": [] if read.public_address is None else read.public_address,
        "min-port": read.min_port,
        "max-port": read.max_port,
        "realm": realm,
        "use-auth-secret": True,
        "static-auth-secret": secret,
        "stale-nonce": 600,
        "fingerprint": True,
        "user-quota": read.user_quota,
        "total-quota": read.total_quota,
        "userdb": str(places.database),
        "pidfile": str(places.pid_file),
        "log-file": "stdout",
        **dict.fromkeys(_LOUDNESS[read.log_level], True),
        # Another port, which would let in whoever is on this host.
        "no-cli": True,
        # Answers longer than their questions would be sent to whom somebody names as their sender.
        "no-rfc5780": True,
        "no-stun-backward-compatibility": True,
        "response-origin-only-with-rfc5780": True,
        "no-software-attribute": True,
    }


def _peers(read: CoturnConfiguration) -> dict[str, Any]:
    return {
        # Media are of UDP; a relay of TCP reaches web servers.
        "no-tcp-relay": True,
        "no-multicast-peers": True,
        "denied-peer-ip": [_range(each) for each in read.denied_peers],
        "allowed-peer-ip": [_range(each) for each in read.allowed_peers],
        # The loopback addresses are denied before any list is asked.
        "allow-loopback-peers": any(ip_network(each).is_loopback for each in read.allowed_peers),
    }


def _range(network: str) -> str:
    it = ip_network(network)
    # A range from 0.0.0.0 or :: would be one without a beginning, for addresses of both kinds.
    return f"{it[int(it[0].is_unspecified)]}-{it[-1]}" if it.num_addresses > 1 else str(it[0])


def _lines(name: str, value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if each is not False:
            yield name if each is True else f"{name}={each}"
