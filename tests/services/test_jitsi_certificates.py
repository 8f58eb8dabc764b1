"""Certificates: what a real OpenSSL and a real Java think of ours, and what we think of others'."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from herd_services.certificates import expires, problem, self_signed
from herd_services.jitsi.java import TRUST_PASSWORD, java_properties
from herd_services.jitsi.trust import trust_store, trusts
from support import PATIENCE

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = ("meet.example.org", "auth.meet.example.org", "internal.auth.meet.example.org")


def of_openssl(names: Sequence[str], directory: Path) -> tuple[bytes, bytes]:
    """A key and a certificate that somebody else made, valid for ten days from today."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "10",
        "-subj",
        "/CN=meet.example.org",
    ]
    alternative = ["-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)] if names else []
    subprocess.run([*command, *alternative, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key.read_bytes(), certificate.read_bytes()


class Welcoming(BaseHTTPRequestHandler):
    """Whoever asks is answered."""

    def do_GET(self) -> None:
        """An empty page."""
        self.send_response(204)
        self.end_headers()


@contextmanager
def web_server(certificate: Path, key: Path) -> Iterator[int]:
    """One on the loopback address that has nothing but this certificate; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), Welcoming) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_ours_is_of_use_for_all_its_names() -> None:
    key, certificate = self_signed(NAMES, NOW)
    assert problem(certificate, key, NAMES, NOW) is None
    assert problem(certificate, key, [name.upper() for name in NAMES], NOW) is None
    assert expires(certificate) - NOW == timedelta(days=3650)


@pytest.mark.parametrize("name", NAMES)
def test_openssl_trusts_ours_by_itself(name: str, tmp_path: Path) -> None:
    file = str(tmp_path / "certificate.pem")
    Path(file).write_bytes(self_signed(NAMES, datetime.now(UTC))[1])
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-no-CApath", "-CAfile", file]
    judged = subprocess.run([*command, "-verify_hostname", name, file], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stderr
    judged = subprocess.run([*command, "-verify_hostname", f"other.{name}", file], capture_output=True, text=True)
    assert "ostname mismatch" in judged.stderr


def test_nobody_can_sign_with_ours(tmp_path: Path) -> None:
    file = tmp_path / "certificate.pem"
    file.write_bytes(self_signed(NAMES, NOW)[1])
    command = ["openssl", "x509", "-in", str(file), "-noout", "-ext", "basicConstraints,keyUsage"]
    shown = subprocess.run(command, capture_output=True, text=True).stdout
    assert "CA:FALSE" in shown
    assert "Certificate Sign" not in shown


def test_java_finds_what_it_shall_trust(tmp_path: Path) -> None:
    if shutil.which("keytool") is None:
        pytest.skip("needs keytool, which comes with Java")
    store = str(tmp_path / "trust.p12")
    Path(store).write_bytes(trust_store(self_signed(NAMES, NOW)[1] + self_signed(NAMES, NOW)[1]))
    command = ["keytool", "-J-Duser.language=en", "-list", "-keystore", store, "-storetype", "PKCS12"]
    listed = subprocess.run([*command, "-storepass", TRUST_PASSWORD], capture_output=True, text=True)
    assert listed.stdout.count("trustedCertEntry") == 2, listed.stdout + listed.stderr


CLIENT = """
import java.net.URL;

class Client {
    public static void main(String[] words) throws Exception {
        try (var answer = new URL(words[0]).openStream()) {
            System.out.println("trusted");
        } catch (javax.net.ssl.SSLException error) {
            System.out.println(error.getMessage());
        }
    }
}
"""


@pytest.mark.parametrize("is_ours", [True, False])
def test_java_trusts_ours_and_no_other(is_ours: bool, tmp_path: Path) -> None:
    if shutil.which("javac") is None:
        pytest.skip("needs javac, which comes with a JDK")
    key, certificate = self_signed(("localhost",), datetime.now(UTC))
    trusted = certificate if is_ours else self_signed(("localhost",), datetime.now(UTC))[1]
    contents = {"key": key, "certificate": certificate, "trust": trust_store(trusted), "Client.java": CLIENT.encode()}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    properties = java_properties(tmp_path / "none", tmp_path / "trust", tmp_path / "none").split()
    with web_server(tmp_path / "certificate", tmp_path / "key") as port:
        command = ["java", *properties, str(tmp_path / "Client.java"), f"https://localhost:{port}/"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert ("trusted" if is_ours else "PKIX path") in said.stdout, said.stdout + said.stderr


def test_a_store_is_known_by_its_certificates() -> None:
    one, other = self_signed(NAMES, NOW)[1], self_signed(NAMES, NOW)[1]
    assert trusts(trust_store(one), one)
    assert trusts(trust_store(one + other), other + one)
    assert not trusts(trust_store(one), other)
    assert not trusts(trust_store(one), one + other)
    assert not trusts(b"no store", one)
    with pytest.raises(ValueError, match="PEM"):
        trust_store(b"no certificate")


def test_what_is_wrong_with_a_certificate_is_said() -> None:
    key, certificate = self_signed(NAMES, NOW)
    assert problem(b"x", key, NAMES, NOW) == "the certificate is no PEM, or of a kind unknown here"
    assert problem(certificate, b"x", NAMES, NOW) == "the key is no PEM, or of a kind unknown here"
    assert problem(certificate, self_signed(NAMES, NOW)[0], NAMES, NOW) == "the key is not the certificate's"
    assert problem(certificate, key, (*NAMES, "a.b", "c.d"), NOW) == "the certificate is not for a.b, c.d"
    late = problem(certificate, key, NAMES, NOW + timedelta(days=3650))
    assert late == "the certificate expired on 2036-02-27 12:00 UTC"
    early = problem(certificate, key, NAMES, NOW - timedelta(days=1, seconds=1))
    assert early == "the certificate is not valid before 2026-02-28 12:00 UTC"


def test_a_wildcard_stands_for_one_label(tmp_path: Path) -> None:
    key, certificate = of_openssl(["*.meet.example.org", "meet.example.org"], tmp_path)
    now = datetime.now(UTC)
    assert problem(certificate, key, NAMES[:2], now) is None
    assert problem(certificate, key, NAMES, now) == "the certificate is not for internal.auth.meet.example.org"


def test_a_common_name_is_not_enough(tmp_path: Path) -> None:
    key, certificate = of_openssl([], tmp_path)
    assert problem(certificate, key, NAMES[:1], datetime.now(UTC)) == "the certificate is not for meet.example.org"


def test_an_encrypted_key_is_of_no_use(tmp_path: Path) -> None:
    key, certificate = self_signed(NAMES, NOW)
    command = ["openssl", "pkey", "-aes256", "-passout", "stdin"]
    (tmp_path / "key").write_bytes(key)
    locked = subprocess.run(
        [*command, "-in", tmp_path / "key"], input=b"word\n", check=True, capture_output=True
    ).stdout
    assert problem(certificate, locked, NAMES, NOW) == "the key is encrypted"
