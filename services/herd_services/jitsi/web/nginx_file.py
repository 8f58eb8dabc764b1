"""nginx.conf: the page's files, and the ways to Prosody, Jicofo and the bridges, all under one name.

Source: nginx.org/en/docs; jitsi-meet's doc/debian/jitsi-meet/jitsi-meet.example.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from herd_services.jitsi.web.configuration import NginxConfiguration
from herd_services.jitsi.web.page import BOSH, REQUEST, WEBSOCKET, authority
from herd_services.jitsi.web.syntax import Block, argument, directive, directives, is_path, rendered

_TYPES = "/etc/nginx/mime.types"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_COMPRESSED = ("text/plain", "text/css", "application/javascript", "application/json", "image/svg+xml")
_UPGRADED = (
    "proxy_http_version 1.1;",
    "proxy_set_header Upgrade $http_upgrade;",
    'proxy_set_header Connection "upgrade";',
    # Both ends look after each other by pings; nginx need not.
    "proxy_read_timeout 15m;",
)


@frozen
class Ways:
    """Where requests go: ports of the loopback address; of each bridge by its name."""

    prosody: int
    jicofo: int
    bridges: tuple[tuple[str, int], ...] = ()


@frozen
class Files:
    """What belongs to nginx's user: a directory, and in another its certificate and key."""

    run: Path
    certificate: Path
    key: Path

    @property
    def configuration(self) -> Path:
        """nginx.conf."""
        return self.run / "nginx.conf"

    @property
    def page(self) -> Path:
        """config.js."""
        return self.run / "config.js"


def nginx_configuration(
    domain: str, read: NginxConfiguration, files: Files, ways: Ways, *, is_dual: bool, is_strict: bool
) -> bytes:
    """The whole file; what the administrator adds prevails over directives of that name.

    `is_dual`: a socket for all addresses is one of IPv6. `is_strict`: browsers shall never come without encryption.
    Raises ValueError for what cannot stand in it.
    """
    for each in (files.run, files.certificate, files.key):
        if not is_path(each):
            raise ValueError(f"{str(each)!r} cannot stand in nginx's file; have herdd use directories without $")
    servers: list[str | tuple[str, Block]] = [("server", _server(domain, read, files, ways, is_dual, is_strict))]
    if read.http_port:
        servers.append(("server", _redirection(domain, read, is_dual)))
    content: Block = (
        "# Written by herdd at each start.",
        "daemon off;",
        directive("pid", files.run / "pid"),
        directive("error_log", "stderr", read.log_level),
        "worker_processes auto;",
        # After a reload, old ones serve those who are in conferences; at some time they end, whoever is left.
        "worker_shutdown_timeout 4h;",
        ("events", ("worker_connections 1024;",)),
        ("http", (*_common(files), *servers)),
    )
    return ("\n".join(rendered(content)) + "\n").encode()


def _common(files: Files) -> tuple[str, ...]:
    return (
        "access_log off;",
        "server_tokens off;",
        directive("include", _TYPES),
        "default_type application/octet-stream;",
        "sendfile on;",
        "gzip on;",
        directive("gzip_types", *_COMPRESSED),
        *(directive(f"{each}_temp_path", files.run / each) for each in _TEMPORARY),
    )


def _server(
    domain: str, read: NginxConfiguration, files: Files, ways: Ways, is_dual: bool, is_strict: bool
) -> list[str | tuple[str, Block]]:
    ours = [
        directive("ssl_protocols", "TLSv1.2", "TLSv1.3"),
        *([directive("add_header", "Strict-Transport-Security", "max-age=63072000", "always")] if is_strict else []),
        directive("root", read.static),
        "index index.html;",
        # The page includes config.js and others.
        "ssi on;",
    ]
    return [
        *(directive("listen", each, "ssl", *more) for each, *more in _listens(read, read.port, is_dual)),
        directive("server_name", domain),
        directive("ssl_certificate", files.certificate),
        directive("ssl_certificate_key", files.key),
        *(line for line in ours if line.split()[0].rstrip(";") not in read.extra),
        *directives(read.extra),
        *_locations(domain, read, files, ways),
    ]


def _locations(domain: str, read: NginxConfiguration, files: Files, ways: Ways) -> list[tuple[str, Block]]:
    host = directive("proxy_set_header", "Host", domain)
    client = "proxy_set_header X-Forwarded-For $remote_addr;"
    prosody, jicofo = f"http://127.0.0.1:{ways.prosody}", f"http://127.0.0.1:{ways.jicofo}"
    # Prosody answers a request for news when there is some, after two minutes at the latest.
    waiting = ("proxy_buffering off;", "proxy_read_timeout 3m;")
    bridges = [
        (
            f"location ^~ {argument(f'/colibri-ws/{name}/')}",
            (directive("proxy_pass", f"http://127.0.0.1:{port}"), host, *_UPGRADED),
        )
        for name, port in ways.bridges
    ]
    return [
        (f"location = {BOSH}", (directive("proxy_pass", prosody), host, client, *waiting)),
        (f"location = {WEBSOCKET}", (directive("proxy_pass", prosody), host, client, *_UPGRADED)),
        (f"location = {REQUEST}", (directive("proxy_pass", jicofo), host, client)),
        *bridges,
        *_challenges(read),
        # It is another when the configuration is.
        ("location = /config.js", (directive("alias", files.page), "expires -1;")),
        # For pages that hold a conference inside of theirs.
        ("location = /external_api.js", (directive("alias", read.static / "libs/external_api.min.js"),)),
        # The name of a room, unless it is a file.
        ("location ~ ^/[^/]+$", ("try_files $uri @room;",)),
        ("location @room", ("rewrite ^ /index.html break;",)),
    ]


def _redirection(domain: str, read: NginxConfiguration, is_dual: bool) -> list[str | tuple[str, Block]]:
    return [
        *(directive("listen", each, *more) for each, *more in _listens(read, read.http_port, is_dual)),
        directive("server_name", domain),
        *_challenges(read),
        ("location /", (f"return 301 https://{authority(domain, read.port)}$request_uri;",)),
    ]


def _challenges(read: NginxConfiguration) -> list[tuple[str, Block]]:
    if read.acme_directory is None:
        return []
    content = (directive("root", read.acme_directory), "default_type text/plain;", "ssi off;")
    return [("location ^~ /.well-known/acme-challenge/", content)]


def _listens(read: NginxConfiguration, port: int, is_dual: bool) -> Sequence[tuple[str, ...]]:
    """As the sockets are that herdd opened: nginx takes one over whose address is the same."""
    if read.interfaces == ("*",):
        return [(f"[::]:{port}", "ipv6only=off") if is_dual else (f"0.0.0.0:{port}",)]
    return [(f"[{each}]:{port}", "ipv6only=on") if ":" in each else (f"{each}:{port}",) for each in read.interfaces]
