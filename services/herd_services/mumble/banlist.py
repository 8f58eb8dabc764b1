"""The bans of the server itself (Mumble.proto, BanList): read, changed by what is decided, read again.

What a ban is about is a certificate (40 hexadecimal digits) or a network (203.0.113.0/24). The server keeps none
without an address, so one of a certificate alone has an address of the documentation's (RFC 3849), which nobody has.
Bans that people set in their clients have both; they stay as they are until somebody lifts them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

from attrs import frozen

from herd.core.ledger import Change
from herd_services.mumble.messages import Message, Type, encoded
from herd_services.mumble.session import Refused, Session

NOBODY = IPv6Network("2001:db8::1/128")
_CERTIFICATE = re.compile(r"[0-9a-fA-F]{40}")
# Seconds: a signed number of 32 bits.
_LONGEST = 2**31 - 1
# Version 4 within version 6.
_MAPPED = 96


@frozen
class ServerBan:
    """One as the server has it. `start` is of its own form; seconds, 0: for ever."""

    network: IPv6Network
    certificate: str = ""
    name: str = ""
    reason: str = ""
    start: str = ""
    duration: int = 0

    @property
    def subjects(self) -> tuple[str, ...]:
        """What it is about."""
        network = () if self.network == NOBODY else (shown(self.network),)
        return (*((self.certificate,) if self.certificate else ()), *network)


def is_certificate(text: str) -> bool:
    """Whether it is the digest of one."""
    return _CERTIFICATE.fullmatch(text) is not None


def subject(text: str) -> str:
    """The one form of a certificate's digest, or of an address or network. Raises ValueError, a clause."""
    if is_certificate(text):
        return text.lower()
    try:
        return shown(_within_six(ip_network(text, strict=False)))
    except ValueError:
        raise ValueError("a ban is about a certificate, 40 hexadecimal digits, or an address") from None


def shown(network: IPv6Network) -> str:
    """As people write it."""
    four = network.network_address.ipv4_mapped
    if four is not None and network.prefixlen >= _MAPPED:
        return str(IPv4Network((four, network.prefixlen - _MAPPED)))
    return str(network)


def network_of(address: bytes, prefix: int = 128) -> IPv6Network:
    """From the 16 bytes that the server writes. Raises ValueError."""
    return IPv6Network((IPv6Address(address), prefix), strict=False)


def made(change: Change, name: str) -> ServerBan:
    """The ban that a change asks for."""
    is_of_certificate = is_certificate(change.subject)
    # The server counts by itself, too: a ban ends though herdd may not run then.
    duration = 0 if change.until is None else max(1, round(change.until - change.at))
    return ServerBan(
        network=NOBODY if is_of_certificate else _within_six(ip_network(change.subject)),
        certificate=change.subject if is_of_certificate else "",
        name=name,
        reason=change.reason or "",
        start=started(change),
        # A longer one has ended already, as the server counts.
        duration=duration if duration <= _LONGEST else 0,
    )


def started(change: Change) -> str:
    """When it was decided, as the server writes it; texts of that form compare as the moments do."""
    return f"{datetime.fromtimestamp(change.at, UTC):%Y-%m-%dT%H:%M:%SZ}"


async def bans(session: Session) -> list[ServerBan]:
    """All that the server has. Raises HerdError."""
    answer = await session.ask(Type.BAN_LIST, {2: 1}, Type.BAN_LIST)
    if answer is None:
        raise Refused("the server does not tell its bans")
    return [_read(each) for each in answer.parts(1)]


async def replace(
    session: Session, wanted: Sequence[ServerBan], more: Sequence[ServerBan], gone: Collection[str]
) -> None:
    """Have these and no others; read back that `more` of them are there and nothing about `gone`. Raises HerdError."""
    await session.ask(Type.BAN_LIST, {1: [_written(each) for each in wanted]})
    found = {each for ban in await bans(session) for each in ban.subjects}
    if missing := sorted({each for ban in more for each in ban.subjects} - found):
        raise Refused(f"the server does not keep the ban of {', '.join(missing)}")
    about = {each for ban in wanted for each in ban.subjects}
    if left := sorted((found & set(gone)) - about):
        raise Refused(f"the server does not lift the ban of {', '.join(left)}")


def _within_six(network: IPv4Network | IPv6Network) -> IPv6Network:
    if isinstance(network, IPv6Network):
        return network
    mapped = IPv6Address(0xFFFF << 32 | int(network.network_address))
    return IPv6Network((mapped, network.prefixlen + _MAPPED))


def _read(message: Message) -> ServerBan:
    address = message.content(1)
    network = network_of(address.rjust(16, b"\0")[-16:], min(message.number(2, 128), 128))
    return ServerBan(
        network, message.text(4).lower(), message.text(3), message.text(5), message.text(6), message.number(7)
    )


def _written(ban: ServerBan) -> bytes:
    fields: dict[int, int | str | bytes] = {1: ban.network.network_address.packed, 2: ban.network.prefixlen}
    texts = {3: ban.name, 4: ban.certificate, 5: ban.reason, 6: ban.start}
    fields |= {which: text for which, text in texts.items() if text}
    return encoded({**fields, 7: ban.duration})
