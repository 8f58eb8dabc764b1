"""A real Prosody for a test, run with the files that herd_services writes, and a client of it.

Prosody does not run as root: under root it is `nobody`.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from xml.etree.ElementTree import Element, XMLPullParser

from attrs import frozen

from herd_services.certificates import self_signed
from herd_services.jitsi.accounts import file_of, record
from herd_services.jitsi.configuration import ProsodyConfiguration
from herd_services.jitsi.deployment import BRIDGE, FOCUS, Deployment
from herd_services.jitsi.prosody_file import Places, prosody_configuration
from ports import free_ports
from support import PATIENCE, short_directory

MEETING = Deployment("meet.example.org", "jvbbrewery")
PASSWORDS = {FOCUS: "secret of focus", BRIDGE: "secret \"of\\ 'jvb"}


# Its type in typeshed cannot be said of the class itself.
_Parser: Any = XMLPullParser


class Refusal(Exception):
    """An error of the server, by its condition's name."""


@frozen
class Prosody:
    """Where it is, and whom its certificate (PEM) is to be verified with."""

    directory: Path
    port: int
    http_port: int
    certificate: Path

    @property
    def configuration(self) -> Path:
        """Its file."""
        return self.directory / "prosody.cfg.lua"

    def prosodyctl(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """What the program that belongs to it says, as its own user."""
        command = ["prosodyctl", "--config", str(self.configuration), *words]
        return subprocess.run(
            command,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            **_as_user(),
        )


@contextmanager
def laid_out(**keys: Any) -> Iterator[Prosody]:
    """All its files, with `keys` in `[prosody]`; it does not run."""
    with short_directory() as directory:
        port, http_port = free_ports(2)
        places = Places(
            directory / "data", directory / "certs", directory / "sock", directory / "pid", directory / "modules"
        )
        prosody = Prosody(directory, port, http_port, places.certificates / f"{MEETING.domain}.crt")
        read = ProsodyConfiguration(port=port, http_port=http_port, interfaces=("127.0.0.1",), user="nobody", **keys)
        prosody.configuration.write_text(prosody_configuration(MEETING, read, places))
        key, certificate = self_signed(MEETING.hosts, datetime.now(UTC))
        contents = {prosody.certificate: certificate, prosody.certificate.with_suffix(".key"): key}
        for name, password in PASSWORDS.items():
            contents[places.data / file_of(MEETING.account(name))] = record(password, "a salt of mine")
        for file, content in contents.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        if os.getuid() == 0:
            for each in (directory, *directory.rglob("*")):
                shutil.chown(each, "nobody", "nogroup")
        yield prosody


@contextmanager
def running(**keys: Any) -> Iterator[Prosody]:
    """It runs, and serves all its hosts: it looks after those who come when it has loaded everything."""
    with laid_out(**keys) as prosody:
        command = ["prosody", "--config", str(prosody.configuration), "-F"]
        with (
            (prosody.directory / "log").open("w") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, **_as_user()) as process,
        ):
            try:
                assert process.stdout is not None
                lines: list[str] = []
                for line in process.stdout:
                    lines.append(line)
                    if "Activated service 'c2s' on [127.0.0.1]" in line:
                        break
                else:
                    raise AssertionError("".join(lines))
                # A full pipe would stop it.
                threading.Thread(target=process.stdout.read, daemon=True).start()
                yield prosody
            finally:
                process.terminate()


class Client:
    """One who is logged in, with an account or, without a name, as nobody in particular."""

    def __init__(self, prosody: Prosody, domain: str, name: str = "", password: str = "") -> None:
        self._prosody, self._domain = prosody, domain
        self._socket: socket.socket = socket.create_connection(("127.0.0.1", prosody.port), PATIENCE)
        self._count = 0
        try:
            self._log_in(name, password)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def ask(self, kind: str, to: str | None, payload: str) -> Element:
        """The answer to a question (get) or an order (set)."""
        self._count += 1
        whom = f" to='{to}'" if to else ""
        self._send(f"<iq type='{kind}' id='ask{self._count}'{whom}>{payload}</iq>")
        while (answer := self._next()).get("id") != f"ask{self._count}":
            pass
        return _unrefused(answer)

    def enter(self, room: str, nickname: str) -> Element:
        """Go into a room; the presence of oneself in it."""
        address = f"{room}/{nickname}"
        self._send(f"<presence to='{address}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        while (answer := self._next()).get("from") != address:
            pass
        return _unrefused(answer)

    def _log_in(self, name: str, password: str) -> None:
        self._open()
        self._send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        assert _local(self._next()) == "proceed"
        trusted = ssl.create_default_context(cafile=str(self._prosody.certificate))
        self._socket = trusted.wrap_socket(self._socket, server_hostname=self._domain)
        self._open()
        mechanism, proof = ("PLAIN", f"\0{name}\0{password}") if name else ("ANONYMOUS", "")
        encoded = base64.b64encode(proof.encode()).decode() or "="
        self._send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{encoded}</auth>")
        answer = self._next()
        if _local(answer) != "success":
            raise Refusal(_local(answer[0]))
        self._open()
        self.ask("set", None, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")

    def _open(self) -> None:
        self._parser, self._depth = _Parser(("start", "end")), 0
        self._send(
            f"<?xml version='1.0'?><stream:stream to='{self._domain}' version='1.0' xmlns='jabber:client'"
            " xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        assert _local(self._next()) == "features"

    def _send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def _next(self) -> Element:
        while True:
            event: str
            element: Element
            for event, element in self._parser.read_events():
                self._depth += 1 if event == "start" else -1
                if event == "end" and self._depth == 1:
                    return element
            data = self._socket.recv(65536)
            assert data, "the server ended the stream"
            self._parser.feed(data)


def service(prosody: Prosody, name: str) -> Client:
    """Jicofo or a bridge, logged in."""
    return Client(prosody, MEETING.auth_domain, name, PASSWORDS[name])


def _as_user() -> dict[str, Any]:
    other = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    return {**other, "env": {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}}


def _unrefused(answer: Element) -> Element:
    if answer.get("type") == "error":
        error = next(each for each in answer.iter() if each.tag.startswith("{urn:ietf:params:xml:ns:xmpp-stanzas}"))
        raise Refusal(_local(error))
    return answer


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]
