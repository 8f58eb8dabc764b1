"""jicofo.conf: where Jicofo logs in, and in what rooms it finds the bridges, and who records or telephones.

Keys: reference.conf of jicofo. What is not here keeps the value that it has there.
"""

from __future__ import annotations

from typing import Any

from herd_services.jitsi import old_names
from herd_services.jitsi.configuration import JicofoConfiguration
from herd_services.jitsi.deployment import FOCUS, JIBRI, Rendezvous
from herd_services.jitsi.nested import merged


def jicofo_configuration(meeting: Rendezvous, read: JicofoConfiguration, password: str) -> dict[str, Any]:
    """The content of jicofo.conf; what the administrator adds prevails, under today's names or those of long ago."""
    deployment = meeting.deployment
    ours: dict[str, Any] = {
        "bridge": {"brewery-jid": deployment.room},
        # Off by default, and then the address that tells of it does not exist. The first check is after one interval.
        "health": {"enabled": True, "interval": "10 seconds"},
        "rest": {"host": "127.0.0.1", "port": read.http_port},
        "xmpp": {
            "client": _client(meeting, password),
            # A second connection, for bridges on an XMPP server of their own.
            "service": {"enabled": False},
            # Who may say that it records.
            **({"trusted-domains": [deployment.recorder_domain]} if JIBRI in deployment.further else {}),
        },
    }
    ours |= {name: {"brewery-jid": deployment.room_of(name).room} for name in deployment.further}
    return merged({"jicofo": ours}, old_names.translated(read.extra).extra)


def _client(meeting: Rendezvous, password: str) -> dict[str, Any]:
    return {
        "hostname": meeting.address,
        "port": meeting.port,
        # Who logs in there, and what the certificate is verified against.
        "domain": meeting.deployment.auth_domain,
        "xmpp-domain": meeting.deployment.domain,
        "conference-muc-jid": meeting.deployment.conference_muc,
        "username": FOCUS,
        "password": password,
        "use-tls": True,
        "disable-certificate-verification": False,
    }
