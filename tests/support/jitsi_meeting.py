"""A real Prosody for the doubles of Jicofo and the bridges, and those as processes of a test.

Everything runs as nobody under root, as herdd would run it: with a clean environment. A test waits for lines, never
for a time.
"""

from __future__ import annotations

import datetime
import http.client
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from ports import free_port
from support import PATIENCE

DOMAIN = "meet.example"
AUTH = f"auth.{DOMAIN}"
HOSTS = (AUTH, DOMAIN, f"internal.{AUTH}", f"conference.{DOMAIN}")
BREWERY = f"jvbbrewery@internal.{AUTH}"
PASSWORDS = {"focus": "of focus", "jvb": 'of "jvb"', "stranger": "of nobody"}
STORE_PASSWORD = "changeit"
NOBODY = 65534
AS_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": ()} if os.geteuid() == 0 else {}

_PROSODY = f"""
pidfile = "@/prosody.pid"
data_path = "@/data"
certificates = "@/certs"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ PORT }}
c2s_direct_tls_ports, component_ports, s2s_ports, http_ports, https_ports = {{}}, {{}}, {{}}, {{}}, {{}}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "posix", "limits" }}
modules_disabled = {{ "s2s", "offline", "register" }}
c2s_require_encryption = true
authentication = "internal_hashed"
admins = {{ "focus@{AUTH}", "jvb@{AUTH}" }}
component_admins_as_room_owners = true
log = {{ {{ levels = {{ min = "info" }}, to = "console" }} }}
VirtualHost "{AUTH}"
VirtualHost "{DOMAIN}"
authentication = "anonymous"
Component "internal.{AUTH}" "muc"
storage = "memory"
restrict_room_creation = true
muc_room_locking = false
muc_room_default_public_jids = true
Component "conference.{DOMAIN}" "muc"
storage = "memory"
restrict_room_creation = true
muc_room_locking = false
muc_room_default_public_jids = true
"""


class Running:
    """A program and what it says on standard error and output."""

    def __init__(self, command: Sequence[str | Path], **environment: str) -> None:
        self.lines: list[str] = []
        self._said = threading.Condition()
        self.process = subprocess.Popen(
            command, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **environment}, cwd="/", text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **AS_NOBODY,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                with self._said:
                    self.lines.append(line.rstrip("\n"))
                    self._said.notify_all()

    def said(self, text: str, count: int = 1) -> str:
        """The line that holds `text` the `count`th time, once it is there."""
        with self._said:
            found = self._said.wait_for(lambda: [each for each in self.lines if text in each][count - 1 :], PATIENCE)
            assert found, f"{text!r} was not said, but:\n" + "\n".join(self.lines)
            return found[0]

    def end(self, number: int) -> int:
        """Let a signal end it; the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Its exit status, once it has ended and all it said was read."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def kill(self) -> None:
        """Leave nothing of it."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.wait()


class Meeting:
    """A directory with a Prosody, its certificate and what the doubles need."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        for name in ("data", "certs"):
            (directory / name).mkdir()
        self.trust_store = directory / "trust.p12"
        self.certify()
        self.config = directory / "prosody.cfg.lua"
        self.config.write_text(_PROSODY.replace("@", str(directory), 3).replace("PORT", str(self.port)))
        for user, password in PASSWORDS.items():
            self.register(user, password)
        self.prosody = self._started()

    def certify(self, names: Sequence[str] = HOSTS, days: int = 10) -> None:
        """A new certificate for Prosody, which the trust store has; for some names, and valid for some days."""
        key, certificate = _certificate(names, days)
        for host in HOSTS:
            (self.directory / "certs" / f"{host}.key").write_bytes(key)
            (self.directory / "certs" / f"{host}.crt").write_bytes(certificate)
        write_trust_store(self.trust_store, certificate)
        self._hand_over()

    def register(self, user: str, password: str) -> None:
        """An account, or another password for it."""
        self._hand_over()
        subprocess.run(
            ["/usr/bin/prosodyctl", "--config", self.config, "adduser", f"{user}@{AUTH}"],
            input=f"{password}\n{password}\n", text=True, capture_output=True, check=True,
            env={"PATH": "/usr/bin:/bin"}, cwd="/", **AS_NOBODY,
        )  # fmt: skip

    def lose_certificates(self) -> None:
        """As if nobody had ever made one."""
        for file in (self.directory / "certs").iterdir():
            file.unlink()

    def restart(self) -> None:
        """Another Prosody in its place: rooms and connections are gone."""
        self.prosody.kill()
        self.prosody = self._started()

    def _started(self) -> Running:
        prosody = Running(["/usr/bin/prosody", "--config", self.config, "-F"])
        prosody.said("Activated service 'c2s'")
        return prosody

    def _hand_over(self) -> None:
        if os.geteuid() == 0:
            for place in (self.directory, *self.directory.rglob("*")):
                os.chown(place, NOBODY, NOBODY)

    def jicofo(self, **double: Any) -> dict[str, Any]:
        """Its configuration, with a port of its own."""
        client = {
            "hostname": "127.0.0.1", "port": self.port, "domain": AUTH, "xmpp-domain": DOMAIN, "username": "focus",
            "password": PASSWORDS["focus"],
        }  # fmt: skip
        return {
            "jicofo": {
                "bridge": {"brewery-jid": BREWERY, "health-checks": {"interval": "200 ms"}},
                "health": {"enabled": True, "interval": "300 ms"},
                "rest": {"port": free_port()},
                "xmpp": {"client": client},
            },
            "double": double,
        }

    def jvb(self, nickname: str = "jvb1", **double: Any) -> dict[str, Any]:
        """Its configuration, with ports of its own."""
        client = {
            "hostname": "127.0.0.1", "port": str(self.port), "domain": AUTH, "username": "jvb",
            "password": PASSWORDS["jvb"], "muc_jids": BREWERY, "muc_nickname": nickname,
        }  # fmt: skip
        return {
            "videobridge": {
                "apis": {"xmpp-client": {"configs": {"local": client}}, "rest": {"enabled": True}},
                "rest": {"shutdown": {"enabled": True}},
                "http-servers": {"private": {"host": "127.0.0.1", "port": free_port()}},
                "ice": {"udp": {"port": free_port()}},
                "stats": {"interval": "100 ms"},
                "health": {"interval": "300 ms", "timeout": "30 s", "require-valid-address": False},
                "shutdown": {"shutting-down-delay": "100 ms"},
            },
            "double": double,
        }

    @contextmanager
    def running(self, program: Path, configuration: dict[str, Any], **properties: str) -> Iterator[Running]:
        """One of the doubles; afterwards nothing of it is left. Properties with underscores for dots."""
        file = self.directory / f"{program.stem}-{os.urandom(4).hex()}.conf"
        file.write_text(json.dumps(configuration))
        file.chmod(0o600)
        self._hand_over()
        given = {"config_file": str(file), "javax_net_ssl_trustStore": str(self.trust_store)}
        given |= {"javax_net_ssl_trustStorePassword": STORE_PASSWORD, **properties}
        words = " ".join(f"-D{name.replace('_', '.')}={value}" for name, value in given.items())
        one = Running([program], JAVA_SYS_PROPS=words)
        try:
            yield one
        finally:
            one.kill()

    def end(self) -> None:
        """Leave nothing."""
        self.prosody.kill()


def fetch(
    port: int, path: str, method: str = "GET", body: Any = None, *, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Status and text of an answer; a body goes as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        content = None if body is None else json.dumps(body)
        kind = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, content, kind | (headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def write_trust_store(file: Path, certificate: bytes) -> None:
    """PKCS #12 with one trusted certificate, given in PEM."""
    entry = pkcs12.PKCS12Certificate(x509.load_pem_x509_certificate(certificate), b"prosody")
    encryption = serialization.BestAvailableEncryption(STORE_PASSWORD.encode())
    file.write_bytes(pkcs12.serialize_java_truststore([entry], encryption))


def _certificate(names: Sequence[str], days: int = 10) -> tuple[bytes, bytes]:
    """Key and self-signed certificate, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=20))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


def another_certificate() -> bytes:
    """One that Prosody does not have, PEM."""
    return _certificate([AUTH])[1]
