"""jibri.conf: where Jibri logs in, in what room it waits, as whom it joins a conference, and where recordings go.

Keys: jibri's reference.conf, and for the connection its doc/example_xmpp_envs.conf, for there is no default of that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from herd_services.jitsi.deployment import JIBRI, RECORDER, Rendezvous
from herd_services.jitsi.jibri.configuration import JibriConfiguration
from herd_services.jitsi.nested import merged


def jibri_configuration(
    meeting: Rendezvous, read: JibriConfiguration, nickname: str, recordings: Path, passwords: dict[str, str]
) -> dict[str, Any]:
    """The content of jibri.conf, `passwords` by their accounts; what the administrator adds prevails."""
    ours = {
        "id": nickname,
        "api": {
            "http": {
                "external-api-host": "127.0.0.1",
                "external-api-port": read.http_port,
                "internal-api-host": "127.0.0.1",
                "internal-api-port": read.internal_http_port,
            },
            "xmpp": {"environments": [_environment(meeting, read, nickname, passwords)]},
        },
        "recording": {
            "recordings-directory": str(recordings),
            # What is not there is said to have failed; nothing is the end that was asked for.
            "finalize-script": str(read.finalize_script or "/bin/true"),
        },
        # Else it tells a program that is not there of each recording.
        "stats": {"enable-stats-d": False},
    }
    return merged({"jibri": ours}, read.extra)


def logs_of_programs(directory: Path) -> bytes:
    """Further lines of logging.properties: what its programs print (lib/logging.properties of jibri), kept bounded."""
    lines = []
    for package, name in (("capture.ffmpeg", "Ffmpeg"), ("selenium", "Browser")):
        handler = f"org.jitsi.jibri.{package}.util.{name}FileHandler"
        lines += [
            f"{handler}.pattern={directory}/{name.lower()}.%g.txt",
            f"{handler}.formatter=org.jitsi.utils.logging2.JitsiLogFormatter",
            f"{handler}.count=10",
            f"{handler}.limit=10000000",
        ]
    return "".join(f"{line}\n" for line in lines).encode()


def _environment(
    meeting: Rendezvous, read: JibriConfiguration, nickname: str, passwords: dict[str, str]
) -> dict[str, Any]:
    deployment = meeting.deployment
    return {
        "name": deployment.domain,
        "xmpp-server-hosts": [meeting.address],
        "xmpp-domain": deployment.domain,
        "base-url": read.base_url or f"https://{deployment.domain}",
        "control-muc": {
            "domain": deployment.internal_muc,
            "room-name": deployment.brewery,
            "nickname": nickname,
        },
        "control-login": {
            "domain": deployment.auth_domain,
            "port": meeting.port,
            "username": JIBRI,
            "password": passwords[JIBRI],
        },
        "call-login": {
            "domain": deployment.recorder_domain,
            "username": RECORDER,
            "password": passwords[RECORDER],
        },
        # What is left of a room's host is the conferences' own.
        "strip-from-room-domain": deployment.conference_muc.removesuffix(deployment.domain),
        "usage-timeout": f"{read.usage_timeout} minutes",
        "trust-all-xmpp-certs": False,
        "security-mode": "required",
    }
