"""The keys of `[mumble]`: the fields of the Guix manual ("Telephony Services", Mumble server) with its defaults."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from attrs import Attribute, field, frozen, validators

# A key of mumble-server.ini.
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9]*")
# Diffie-Hellman groups that Mumble knows by name (RFC 7919).
_GROUP = re.compile(r"@ffdhe(2048|3072|4096|6144|8192)")
# A name of a host (RFC 1123).
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def _whole(instance: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and "\0" in value:
        raise ValueError("a text cannot have a NUL in it; leave it out")


def _said(instance: object, attribute: Attribute[Any], value: str) -> None:
    _whole(instance, attribute, value)
    if not value:
        raise ValueError("it is empty; write what the public list is to show")


def _hosts(instance: object, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    for one in value:
        if not _HOST.fullmatch(one) and not _is_address(one):
            raise ValueError(f"{one!r} is no address; write one like 192.0.2.7, or leave host out to listen on all")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _parameters(instance: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and not _GROUP.fullmatch(value) and not value.startswith("/"):
        raise ValueError(f"{value!r} is neither a file nor a group; write /… or one like @ffdhe3072")


def _extra(instance: object, attribute: Attribute[Any], value: dict[str, Any]) -> None:
    for name, each in value.items():
        if not _KEY.fullmatch(name):
            raise ValueError(f"{name!r} is no key of mumble-server.ini; write one like autobanSuccessfulConnections")
        if not isinstance(each, bool | int | str):
            raise ValueError(f"{name} is a text, a whole number, or true or false")
        _whole(instance, attribute, str(each))


_text = field(default="", validator=_whole)
_count = validators.ge(0)
_port = validators.and_(validators.ge(1), validators.le(65535))


def _number(default: int) -> Any:
    return field(default=default, validator=_count)


@frozen
class PublicRegistration:
    """`[mumble.public-registration]`: the server in the public list."""

    name: str = field(validator=_said)
    password: str = field(validator=_said, repr=False)
    url: str = field(validator=_said)
    hostname: str | None = field(default=None, validator=_whole)


@frozen
class MumbleConfiguration:
    """The server. What is None is left to Mumble itself."""

    # The program.
    package: Path = Path("/usr/sbin/murmurd")
    # Under root.
    user: str = "mumble-server"
    group: str | None = None
    port: int = field(default=64738, validator=_port)
    # Addresses to listen on; none: all.
    host: tuple[str, ...] = field(default=(), validator=_hosts)
    welcome_text: str = field(default="", validator=_whole)
    server_password: str = field(default="", validator=_whole, repr=False)
    # Its first line is the password of the server.
    server_password_file: Path | None = None
    max_users: int = _number(100)
    # Bits per second.
    max_user_bandwidth: int | None = field(default=None, validator=validators.optional(_count))
    # Without it: db.sqlite in the service's state directory.
    database_file: Path | None = None
    # Without it: herdd's log of the service.
    log_file: Path | None = None
    # So many connections of one address in so many seconds keep it out for so many; 0 never.
    autoban_attempts: int = _number(10)
    autoban_timeframe: int = _number(120)
    autoban_time: int = _number(300)
    # Per cent of the users.
    opus_threshold: int = field(default=100, validator=validators.and_(_count, validators.le(100)))
    channel_nesting_limit: int = _number(10)
    # Regular expressions; without them, Mumble's.
    channelname_regex: str | None = field(default=None, validator=_whole)
    username_regex: str | None = field(default=None, validator=_whole)
    # Characters, bytes; 0: any.
    text_message_length: int = _number(5000)
    image_message_length: int = _number(128 * 1024)
    cert_required: bool = False
    remember_channel: bool = False
    allow_html: bool = False
    # Whether it answers, by UDP, how many there are.
    allow_ping: bool = False
    bonjour: bool = False
    send_version: bool = False
    # Of its own log in the database: 0 for ever, -1 none.
    log_days: int = field(default=31, validator=validators.ge(-1))
    obfuscate_ips: bool = True
    ssl_cert: Path | None = None
    ssl_key: Path | None = None
    # A file, or a group that Mumble knows: @ffdhe3072.
    ssl_dh_params: str | None = field(default=None, validator=_parameters)
    ssl_ciphers: str | None = field(default=None, validator=_whole)
    public_registration: PublicRegistration | None = None
    # A whole mumble-server.ini, in place of all keys that stand there.
    file: Path | None = None
    # Further keys of mumble-server.ini, by their names there.
    extra: dict[str, Any] = field(factory=dict, validator=_extra)
    auto_start: bool = True


@frozen
class Tables:
    """`[mumble]`, or the table of the same by its old name."""

    mumble: MumbleConfiguration | None = None
    murmur: MumbleConfiguration | None = None
