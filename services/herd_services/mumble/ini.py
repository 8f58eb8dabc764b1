"""mumble-server.ini: every value written so that the server reads what was meant.

The file is read by QSettings: unquoted, a comma makes a list of a value (a password with one is none at all), a
semicolon begins a comment, a backslash escapes. Names of the keys: mumble-server.ini(5) and Meta.cpp of Mumble.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from herd_services.mumble.configuration import MumbleConfiguration, PublicRegistration

Value = str | int | bool

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
# From the field to the key, in the manual's order; each is written but where it is None.
_KEYS = {
    "port": "port",
    "welcome_text": "welcometext",
    "max_users": "users",
    "max_user_bandwidth": "bandwidth",
    "autoban_attempts": "autobanAttempts",
    "autoban_timeframe": "autobanTimeframe",
    "autoban_time": "autobanTime",
    "opus_threshold": "opusthreshold",
    "channel_nesting_limit": "channelnestinglimit",
    "channelname_regex": "channelname",
    "username_regex": "username",
    "text_message_length": "textmessagelength",
    "image_message_length": "imagemessagelength",
    "cert_required": "certrequired",
    "remember_channel": "rememberchannel",
    "allow_html": "allowhtml",
    "allow_ping": "allowping",
    "bonjour": "bonjour",
    "send_version": "sendversion",
    "log_days": "logdays",
    "obfuscate_ips": "obfuscate",
    "ssl_ciphers": "sslCiphers",
}
_REGISTRATION = {
    "name": "registerName",
    "password": "registerPassword",
    "url": "registerUrl",
    "hostname": "registerHostname",
}


def text(values: Mapping[str, Value]) -> str:
    """The file."""
    return "; Written by herdd at each start.\n" + "".join(f"{key}={_written(each)}\n" for key, each in values.items())


def values(read: MumbleConfiguration, password: str, database: Path, encryption: Mapping[str, str]) -> dict[str, Value]:
    """Its keys and values; what the administrator adds prevails.

    `encryption` are the keys of certificate, key and parameters, as far as there are any.
    """
    found = {
        "database": str(database),
        # Its output is what is logged.
        "logfile": "",
        "serverpassword": password,
        **({"host": " ".join(read.host)} if read.host else {}),
        **_present(_KEYS, read),
        **encryption,
    }
    if read.public_registration is not None:
        found |= _present(_REGISTRATION, read.public_registration)
    return {**found, **read.extra}


def _present(keys: Mapping[str, str], read: MumbleConfiguration | PublicRegistration) -> dict[str, Value]:
    return {key: value for name, key in keys.items() if (value := getattr(read, name)) is not None}


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    # A second @ makes one of it: QSettings takes the first for the beginning of a type.
    return f'"{"@" if value.startswith("@") else ""}{value.translate(_ESCAPES)}"'
