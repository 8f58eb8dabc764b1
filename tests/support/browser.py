"""A browser's side of a Jitsi Meet: HTTP over verified TLS, BOSH (XEP-0206), the beginning of a WebSocket (RFC 6455).

And the tables of one with a web server, whose page is a small one of the same shape as the real.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

from attrs import frozen

from meet import DOMAIN, Meet, meet
from ports import free_ports
from support import PATIENCE, Daemon, short_directory

_BODY = "http://jabber.org/protocol/httpbind"
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
# What a server makes of it (RFC 6455, section 1.3).
_ACCEPTED = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@frozen
class Answer:
    """What a server says; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    text: str


@frozen
class Browser:
    """Somebody who comes to this port for the domain, and trusts this certificate (PEM) alone."""

    port: int
    certificate: Path

    def ask(self, path: str, content: str | None = None, **headers: str) -> Answer:
        """An answer; to a POST where there is content. Underscores in names of headers are hyphens."""
        connection = http.client.HTTPConnection(DOMAIN, self.port, timeout=PATIENCE)
        connection.sock = self.connected()
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET" if content is None else "POST", path, content, named)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, found, "" if answer.status == 101 else answer.read().decode())
        finally:
            connection.close()

    def upgrade(self, path: str, protocol: str = "", **headers: str) -> Answer:
        """The answer to the beginning of a WebSocket."""
        named = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"}
        named |= {"Sec_WebSocket_Key": _KEY, **({"Sec_WebSocket_Protocol": protocol} if protocol else {})}
        answer = self.ask(path, **named, **headers)
        if answer.status == 101:
            assert answer.headers["sec-websocket-accept"] == _ACCEPTED
        return answer

    def connected(self) -> ssl.SSLSocket:
        """A verified connection."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        return context.wrap_socket(plain, server_hostname=DOMAIN)

    def shown(self) -> str:
        """The certificate that it is shown (PEM), whoever's."""
        return ssl.get_server_certificate(("127.0.0.1", self.port), timeout=PATIENCE)

    def configuration(self) -> dict[str, Any]:
        """config.js."""
        answer = self.ask("/config.js")
        assert answer.status == 200
        found: dict[str, Any] = json.loads(answer.text.removeprefix("var config = ").rstrip().removesuffix(";"))
        return found


class Guest:
    """Nobody in particular, in a session by BOSH with the origin that a browser names."""

    def __init__(self, browser: Browser, path: str, origin: str = f"https://{DOMAIN}") -> None:
        self._browser, self._path, self._origin = browser, path, origin
        self._request, self._session = random.randrange(2**32), ""
        begun = self._send(f"to='{DOMAIN}' ver='1.6' wait='5' hold='1' xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'")
        self._session = f"sid='{begun.get('sid')}'"
        self._until("auth", "success", "mechanism='ANONYMOUS' xmlns='urn:ietf:params:xml:ns:xmpp-sasl'")
        self._send(f"to='{DOMAIN}' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'")
        bind = "<iq type='set' id='1' xmlns='jabber:client'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
        self.address = next(each.text for each in self._wait("iq", bind).iter() if each.tag.endswith("}jid"))

    def enter(self, room: str) -> str:
        """What comes of going in: "entered", or why not."""
        words = (
            f"<presence xmlns='jabber:client' to='{room}/guest'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        )
        content = words
        while True:
            for each in self._send("", content):
                if each.get("from") == f"{room}/guest":
                    return "entered" if each.get("type") != "error" else each[-1][0].tag.rpartition("}")[2]
            content = ""

    def _until(self, name: str, wanted: str, attributes: str) -> None:
        assert self._wait(wanted, f"<{name} {attributes}/>") is not None

    def _wait(self, wanted: str, content: str) -> Element:
        while True:
            for each in self._send("", content):
                if each.tag.rpartition("}")[2] == wanted:
                    return each
            content = ""

    def _send(self, attributes: str, content: str = "") -> Element:
        self._request += 1
        body = f"<body rid='{self._request}' {self._session} {attributes} xmlns='{_BODY}'>{content}</body>"
        answer = self._browser.ask(self._path, body, Content_Type="text/xml; charset=utf-8", Origin=self._origin)
        assert answer.status == 200, answer
        assert "access-control-allow-origin" not in answer.headers
        found = fromstring(answer.text)
        assert found.get("type") != "terminate", answer.text
        return found


def browser(it: Meet, daemon: Daemon) -> Browser:
    """One that trusts what nginx is to show."""
    return Browser(it.further["nginx"]["port"], daemon.state_dir / "nginx" / "certificates" / f"{DOMAIN}.crt")


@contextmanager
def with_web(programs: tuple[Path, Path], bridges: int = 1) -> Iterator[Meet]:
    """The tables, with a page in `static`; below port 1024 where whoever runs the test may."""
    it = meet(programs, bridges)
    with short_directory() as static:
        (static / "index.html").write_text('<script><!--#include virtual="/config.js" --></script>\n')
        (static / "libs").mkdir(mode=0o755)
        (static / "libs" / "app.js").write_text("app\n")
        (static / "libs" / "external_api.min.js").write_text("api\n")
        is_root = os.geteuid() == 0
        port, http_port = _low_ports() if is_root else free_ports(2)
        user = {"user": "nobody", "group": "nogroup"} if is_root else {}
        it.further["nginx"] = {"port": port, "http-port": http_port, "static": str(static), **user}
        for each, websocket in zip(it.jvb, free_ports(bridges), strict=True):
            each["websocket-port"] = websocket
        yield it


def _low_ports() -> list[int]:
    """Two that only root may open, and nobody has."""
    found: list[int] = []
    while len(found) < 2:
        port = random.randrange(600, 1024)
        try:
            socket.create_server(("", port)).close()
        except OSError:
            continue
        found = list(dict.fromkeys([*found, port]))
    return found
