"""A connection of the doubles, on slixmpp; what goes wrong is said in the words of Smack and of Java's TLS."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import slixmpp
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from slixmpp.exceptions import IqError, IqTimeout, PresenceError, XMPPError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath, StanzaPath

# Seconds for connecting and logging in, and for each answer (jicofo.xmpp.client.reply-timeout).
PATIENCE = 15.0
HEALTH = "{http://jitsi.org/protocol/healthcheck}healthcheck"
COLIBRI = "{http://jitsi.org/protocol/colibri}"
# Of OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED, _WRONG_NAME = 9, 10, 62
_NO_PATH = "PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: "
_NO_PATH += "unable to find valid certification path to requested target"
_NOT_NOW = "PKIX path validation failed: java.security.cert.CertPathValidatorException: validity check failed"

_CLOSED = "The connection was closed by the server"

# What slixmpp has to say is said here, in other words.
logging.getLogger("slixmpp").addHandler(logging.NullHandler())
logging.getLogger("slixmpp").propagate = False


class Trouble(Exception):
    """What Smack would raise; its text is what would be logged."""


@dataclass(frozen=True)
class Account:
    """Where to log in, and as whom. `password` None: connect, and never log in."""

    host: str
    port: int
    domain: str
    user: str
    resource: str
    password: str | None = field(repr=False)
    verify: bool
    # The JVM's system properties, which say whom to trust.
    properties: dict[str, str] = field(repr=False)


def trusting(account: Account) -> ssl.SSLContext:
    """Verification against javax.net.ssl.trustStore, or what the system trusts. Trouble."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not account.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    store = account.properties.get("javax.net.ssl.trustStore")
    if store is None:
        context.load_default_certs()
        return context
    for certificate in _certificates(Path(store), account.properties.get("javax.net.ssl.trustStorePassword", "")):
        context.load_verify_locations(cadata=certificate)
    return context


def _certificates(store: Path, password: str) -> list[str]:
    try:
        content = load_pkcs12(store.read_bytes(), password.encode())
    except FileNotFoundError:
        # Java takes it for an empty one.
        return []
    except OSError as error:
        raise Trouble(f"java.io.IOException: {store} ({error.strerror})") from error
    except ValueError as error:
        raise Trouble("java.io.IOException: keystore password was incorrect") from error
    return [each.certificate.public_bytes(Encoding.PEM).decode() for each in content.additional_certs]


class Client(slixmpp.ClientXMPP):
    """One connection, used once: `logged_in` makes it, `gone` says why it ended."""

    def __init__(self, account: Account) -> None:
        super().__init__(f"{account.user}@{account.domain}/{account.resource}", account.password or "")
        # Prosody's port for clients wants STARTTLS.
        self.enable_direct_tls = False
        self.ssl_context = trusting(account)
        for plugin in ("xep_0030", "xep_0045", "xep_0199"):
            self.register_plugin(plugin)
        self.register_handler(Callback("double's errors", StanzaPath("presence@type=error"), self._refused_presence))
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[str | None] = loop.create_future()
        self.gone: asyncio.Future[str] = loop.create_future()
        self._error = ""
        self._securing = False
        self.add_event_handler("session_start", lambda _: self._start(None))
        self.add_event_handler("failed_auth", lambda e: self._start(f"SASLError using SCRAM-SHA-1: {e['condition']}"))
        self.add_event_handler("connection_failed", lambda e: self._start(_refused(account, e)))
        self.add_event_handler("ssl_invalid_chain", lambda e: self._start(_tls(account, e)))
        self.add_event_handler("stream_error", self._stream_error)
        self.add_event_handler("disconnected", self._disconnected)

    def _start(self, problem: str | None) -> None:
        if not self.started.done():
            self.started.set_result(problem)

    def _stream_error(self, error: Any) -> None:
        self._error = f"{error['condition']} {error['text']}".strip()
        self._start(self._error)

    def _disconnected(self, _: object) -> None:
        why = self._error or _CLOSED
        if not self._securing:
            self._start(why)
        if not self.gone.done():
            self.gone.set_result(why)

    def _refused_presence(self, presence: Any) -> None:
        # slixmpp knows a refused join by an element that comes back with it; not every server returns it.
        self.event(f"muc::{presence['from'].bare}::presence-error", presence)

    async def start_tls(self) -> bool:
        """slixmpp's; where it fails, the connection is lost first and the reason known after that."""
        self._securing = True
        secured = await super().start_tls()
        self._securing = False
        if not secured:
            self._start(_CLOSED)
        return secured

    def end(self) -> None:
        """Leave nothing of it, and no time to the server."""
        self.cancel_connection_attempt()
        self.abort()

    async def leave(self) -> None:
        """Say good-bye; a second at most."""
        await self.disconnect(wait=1.0)

    async def join(self, room: str, nick: str) -> None:
        """Be in a room, with real addresses shown if it is a new one. Trouble."""
        muc: Any = self.plugin["xep_0045"]
        try:
            presence, *_ = await muc.join_muc_wait(slixmpp.JID(room), nick, maxstanzas=0, timeout=PATIENCE)
            if 201 in presence["muc"]["status_codes"]:
                form = await muc.get_room_config(room, timeout=PATIENCE)
                form["type"] = "submit"
                form.set_values({"muc#roomconfig_whois": "anyone"})
                await muc.set_room_config(room, form, timeout=PATIENCE)
        except (PresenceError, IqError) as error:
            raise Trouble(_refusal(f"{room}/{nick}", error)) from error
        except (TimeoutError, IqTimeout) as error:
            raise Trouble(f"No response received within reply timeout. Timeout was {PATIENCE:.0f}000ms") from error

    def on_presence(self, see: Callable[[Any], None]) -> None:
        """Be told of each presence."""
        self.register_handler(Callback("double's presences", MatchXPath("{jabber:client}presence"), see))

    def answer_health(self, problem: Callable[[], str | None]) -> None:
        """Answer Jicofo's question after one's health, with an error if there is a problem."""

        def answer(question: Any) -> None:
            reply = question.reply()
            if (text := problem()) is not None:
                reply["type"] = "error"
                reply["error"]["condition"] = "internal-server-error"
                reply["error"]["text"] = text
            reply.send()

        self.register_handler(Callback("double's health", MatchXPath(f"{{jabber:client}}iq/{HEALTH}"), answer))


async def logged_in(account: Account) -> Client:
    """A connection that is logged in. Trouble."""
    client = Client(account)
    client.connect(account.host, account.port)
    try:
        problem = await asyncio.wait_for(asyncio.shield(client.started), PATIENCE)
    except TimeoutError:
        problem = f"No response received within reply timeout. Timeout was {PATIENCE:.0f}000ms"
    except asyncio.CancelledError:
        client.end()
        raise
    if problem is not None:
        client.end()
        raise Trouble(problem)
    return client


def _refusal(address: str, error: XMPPError) -> str:
    text = f" [{error.text}]" if error.text else ""
    return f"XMPP error reply received from {address}: XMPPError: {error.condition} - {error.etype}{text}"


def _refused(account: Account, error: object) -> str:
    where = f"{account.host}:{account.port}"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, ConnectionRefusedError):
        reason = "Connection refused"
    return f"The following addresses failed: '{where}' failed because: java.net.ConnectException: {reason}"


def _tls(account: Account, error: ssl.SSLError) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        alert = (error.reason or "").lower()
        name = "handshake_failure" if "handshake" in alert else alert or "close_notify"
        return f"javax.net.ssl.SSLHandshakeException: Received fatal alert: {name}"
    if error.verify_code == _WRONG_NAME:
        reason = f"No subject alternative DNS name matching {account.domain} found."
        return f"javax.net.ssl.SSLHandshakeException: java.security.cert.CertificateException: {reason}"
    why = _NOT_NOW if error.verify_code in (_EXPIRED, _NOT_YET_VALID) else _NO_PATH
    return f"javax.net.ssl.SSLHandshakeException: {why}"
