"""sip-communicator.properties: where Jigasi logs in, in what room it waits, and its account at a provider of telephony.

Names: jigasi-home/sip-communicator.properties of jigasi, which says of each what it does. What is not here keeps the
value that the program has of itself. Its HTTP interface is configured in another file (reference.conf of jigasi).
"""

from __future__ import annotations

import base64
import re
from typing import Any

from herd_services.jitsi.deployment import JIGASI, Rendezvous
from herd_services.jitsi.jigasi.configuration import JigasiConfiguration, bare

_PROTOCOL = "net.java.sip.communicator.impl.protocol"
_SIP, _XMPP = f"{_PROTOCOL}.sip.acc1", f"{_PROTOCOL}.jabber.acc-xmpp-1"
_OURS, _CONFERENCE = "org.jitsi.jigasi", "org.jitsi.jigasi.xmpp.acc"
# What java.util.Properties.load() takes for something else than itself, and what Latin-1 has not.
_SPECIAL = re.compile(r"[\\:=#! ]|[^\x20-\x7e]")


def jigasi_properties(
    meeting: Rendezvous, read: JigasiConfiguration, nickname: str, password: str, sip_password: str | None
) -> dict[str, Any]:
    """The content of sip-communicator.properties; what the administrator adds prevails."""
    found = _gateway(meeting, read) | _services(meeting, nickname, password) | _conferences(meeting)
    if read.sip_uri is not None:
        found |= _telephony(meeting, read, bare(read.sip_uri), sip_password)
    return found | read.extra


def jigasi_configuration(read: JigasiConfiguration) -> dict[str, Any]:
    """The content of the file for its HTTP interface."""
    return {"org": {"jitsi": {"jigasi": {"rest": {"host": "127.0.0.1", "port": read.http_port}}}}}


def properties(content: dict[str, Any]) -> bytes:
    """A file of Java's properties."""
    return "".join(f"{_escaped(name)}={_escaped(_text(value))}\n" for name, value in content.items()).encode()


def _gateway(meeting: Rendezvous, read: JigasiConfiguration) -> dict[str, Any]:
    deployment = meeting.deployment
    room = (
        {}
        if read.default_room is None
        else {"DEFAULT_JVB_ROOM_NAME": f"{read.default_room}@{deployment.conference_muc}"}
    )
    ours = {
        "MUC_SERVICE_ADDRESS": deployment.conference_muc,
        "BREWERY_ENABLED": True,
        # Whoever else asks it to call somebody is not obeyed.
        "ALLOWED_JID": deployment.room,
        "ENABLE_SIP": read.sip_uri is not None,
        **room,
    }
    return {
        **{f"{_OURS}.{name}": value for name, value in ours.items()},
        # Else a second call ends the first.
        f"{_PROTOCOL}.SingleCallInProgressPolicy.enabled": False,
        "net.java.sip.communicator.packetlogging.PACKET_LOGGING_ENABLED": False,
        "net.java.sip.communicator.service.gui.ALWAYS_TRUST_MODE_ENABLED": False,
    }


def _services(meeting: Rendezvous, nickname: str, password: str) -> dict[str, Any]:
    """The account by which Jicofo finds it."""
    deployment = meeting.deployment
    account = deployment.account(JIGASI)
    keys = {
        "ACCOUNT_UID": f"Jabber:{account}",
        "PROTOCOL": "Jabber",
        "USER_ID": account,
        "PASSWORD": _base64(password),
        "IS_SERVER_OVERRIDDEN": True,
        "SERVER_ADDRESS": meeting.address,
        "SERVER_PORT": meeting.port,
        "ALLOW_NON_SECURE": False,
        # Its nickname in the room.
        "RESOURCE": nickname,
        "AUTO_GENERATE_RESOURCE": False,
        "RESOURCE_PRIORITY": 30,
        "KEEP_ALIVE_METHOD": "XEP-0199",
        "KEEP_ALIVE_INTERVAL": 30,
        "CALLING_DISABLED": True,
        **_alone(),
        "IS_CARBON_DISABLED": True,
        "DEFAULT_ENCRYPTION": True,
        "IS_USE_ICE": True,
        "IS_ACCOUNT_DISABLED": False,
        "IS_PREFERRED_PROTOCOL": False,
        "AUTO_DISCOVER_JINGLE_NODES": False,
        "IS_USE_UPNP": False,
        "BREWERY": deployment.room,
        "DOMAIN_BASE": deployment.domain,
    }
    return {_XMPP: "acc-xmpp-1", **{f"{_XMPP}.{name}": value for name, value in keys.items()}}


def _conferences(meeting: Rendezvous) -> dict[str, Any]:
    """How it is in a conference: as anybody."""
    keys = {
        "IS_SERVER_OVERRIDDEN": True,
        "SERVER_ADDRESS": meeting.address,
        "SERVER_PORT": meeting.port,
        "VIDEO_CALLING_DISABLED": True,
        "AUTO_DISCOVER_STUN": False,
        **_alone(),
        "KEEP_ALIVE_METHOD": "XEP-0199",
        "KEEP_ALIVE_INTERVAL": 30,
    }
    return {f"{_CONFERENCE}.{name}": value for name, value in keys.items()}


def _alone() -> dict[str, Any]:
    """What no conference needs."""
    return {
        "JINGLE_NODES_ENABLED": False,
        "IM_DISABLED": True,
        "SERVER_STORED_INFO_DISABLED": True,
        "IS_FILE_TRANSFER_DISABLED": True,
        "USE_DEFAULT_STUN_SERVER": False,
    }


def _telephony(meeting: Rendezvous, read: JigasiConfiguration, uri: str, password: str | None) -> dict[str, Any]:
    server = read.sip_server or uri.partition("@")[2]
    keys = {
        "ACCOUNT_UID": f"SIP:{uri}",
        "PROTOCOL_NAME": "SIP",
        "USER_ID": uri,
        **({} if password is None else {"PASSWORD": _base64(password)}),
        "SERVER_ADDRESS": server,
        "PROXY_ADDRESS": server,
        "PROXY_AUTO_CONFIG": False,
        "PROXY_PORT": read.sip_port,
        "PREFERRED_TRANSPORT": read.sip_transport,
        "KEEP_ALIVE_METHOD": "OPTIONS",
        "KEEP_ALIVE_INTERVAL": 25,
        "VOICEMAIL_ENABLED": False,
        "DEFAULT_ENCRYPTION": False,
        "DOMAIN_BASE": meeting.deployment.domain,
    }
    return {_SIP: "acc1", **{f"{_SIP}.{name}": value for name, value in keys.items()}}


def _base64(password: str) -> str:
    """As it wants passwords of accounts: no protection, a way to write them."""
    return base64.b64encode(password.encode()).decode()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: _escape(found[0]), text)


def _escape(character: str) -> str:
    if " " <= character <= "~":
        return f"\\{character}"
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
