"""config.js: what tells the page in the browser where everything is.

Browsers reach Prosody by BOSH (XEP-0206) and WebSocket (RFC 7395), and Jicofo by conference requests over HTTP
(jicofo/doc/conference-request.md); keys: config.js of jitsi-meet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from herd_services.jitsi.deployment import FOCUS, JIBRI, Deployment
from herd_services.jitsi.nested import merged

BOSH, WEBSOCKET, REQUEST = "/http-bind", "/xmpp-websocket", "/conference-request/v1"


def authority(domain: str, port: int) -> str:
    """What stands in a URL of https."""
    return domain if port == 443 else f"{domain}:{port}"


def page_configuration(deployment: Deployment, port: int, extra: Mapping[str, Any]) -> bytes:
    """The whole file; what the administrator adds prevails."""
    where = authority(deployment.domain, port)
    ours: dict[str, Any] = {
        "hosts": {"domain": deployment.domain, "muc": deployment.conference_muc},
        "bosh": f"https://{where}{BOSH}",
        "websocket": f"wss://{where}{WEBSOCKET}",
        "conferenceRequestUrl": f"https://{where}{REQUEST}",
        # Whom the page takes for Jicofo.
        "focusUserJid": deployment.account(FOCUS),
        # By WebSocket where a bridge offers one; those of other hosts do not.
        "bridgeChannel": {"preferSctp": False},
        # Of a recorder, whom nobody is to see.
        **({"hiddenDomain": deployment.recorder_domain} if JIBRI in deployment.further else {}),
    }
    return f"var config = {written(merged(ours, extra))};\n".encode()


def written(content: Mapping[str, Any]) -> str:
    """JSON, which is JavaScript; the page also includes it in HTML, where a < could end it. Raises ValueError."""
    try:
        return json.dumps(content, indent=2, allow_nan=False).replace("<", "\\u003c")
    except TypeError as error:
        raise ValueError(f"{error}; write a text, a number, true, false, a list or a table") from error
