"""nginx.conf: the web server in front of a Jitsi Meet, and config.js, which tells the browser where everything is.

Browsers reach Prosody by BOSH (XEP-0206) and WebSocket (RFC 7395), Jicofo by its conference requests, and the page's own
files; all under one name. Source: nginx.org/en/docs; handbook of Jitsi Meet, "Self-Hosting Guide".
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from attrs import frozen

from herd_services.jitsi.deployment import Deployment

# What ends a value in nginx's file, or has a meaning in one.
_SPECIAL = re.compile(r"[\s;{}\"'\\$#]")

_FILE = """\
# Written by herdd at each start.
daemon off;
pid {run}/pid;
error_log stderr {level};
worker_processes auto;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    server_tokens off;
    include {types};
    default_type application/octet-stream;
    sendfile on;
    gzip on;
    gzip_types text/plain text/css application/javascript application/json image/svg+xml;
    client_body_temp_path {run}/body;
    proxy_temp_path {run}/proxy;
    fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi;
    scgi_temp_path {run}/scgi;
    server {{
        listen {port} ssl;
        listen [::]:{port} ssl;
        server_name {domain};
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        add_header Strict-Transport-Security "max-age=63072000" always;
        root {static};
        index index.html;
        ssi on;
        location = /config.js {{ alias {run}/config.js; }}
        location = /http-bind {{
            proxy_pass http://127.0.0.1:{prosody}/http-bind;
            proxy_set_header Host {domain};
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_buffering off;
        }}
        location = /xmpp-websocket {{
            proxy_pass http://127.0.0.1:{prosody}/xmpp-websocket;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host {domain};
            proxy_read_timeout 900s;
        }}
        location = /conference-request/v1 {{
            proxy_pass http://127.0.0.1:{jicofo};
            proxy_set_header Host {domain};
        }}
        location ~ ^/([^/?&:'"]+)$ {{ try_files $uri @room; }}
        location @room {{ rewrite ^/(.*)$ / break; }}
    }}
}}
"""


@frozen
class Web:
    """What is served, and where. Raises ValueError for a path that nginx's file cannot hold."""

    deployment: Deployment
    port: int
    static: Path
    # Its run directory, of which it owns everything.
    run: Path
    certificate: Path
    key: Path
    prosody_port: int
    jicofo_port: int
    types: Path = Path("/etc/nginx/mime.types")
    log_level: str = "warn"

    def file(self) -> str:
        """nginx.conf."""
        return _FILE.format(
            run=_plain(self.run),
            level=self.log_level,
            types=_plain(self.types),
            port=self.port,
            domain=self.deployment.domain,
            certificate=_plain(self.certificate),
            key=_plain(self.key),
            static=_plain(self.static),
            prosody=self.prosody_port,
            jicofo=self.jicofo_port,
        )

    def page_configuration(self, extra: dict[str, Any]) -> str:
        """config.js; what the administrator adds prevails."""
        domain = self.deployment.domain
        content = {
            "hosts": {"domain": domain, "muc": self.deployment.conference_muc},
            "bosh": f"https://{self._authority}/http-bind",
            "websocket": f"wss://{self._authority}/xmpp-websocket",
            "conferenceRequestUrl": f"https://{self._authority}/conference-request/v1",
            "enableNoisyMicDetection": True,
            **extra,
        }
        # JSON is JavaScript.
        return f"var config = {json.dumps(content, indent=2)};\n"

    @property
    def _authority(self) -> str:
        return self.deployment.domain if self.port == 443 else f"{self.deployment.domain}:{self.port}"


def _plain(path: Path) -> str:
    if _SPECIAL.search(str(path)):
        raise ValueError(f"{str(path)!r} cannot stand in nginx's file; take one without blanks, quotes, ; {{ }} $ # and \\")
    return str(path)
