"""Where a service with socket activation listens (sd_listen_fds(3), systemd.socket(5))."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from attrs import frozen

# sun_path of unix(7), without the NUL at its end.
MAX_PATH = 107


@frozen
class Endpoint:
    """One listening socket that herdd opens for a service.

    `address` is an absolute path, or an IP address and a port; `*` in the place of the IP address is all of them.
    """

    address: Path | tuple[str, int]
    style: Literal["stream", "datagram"] = "stream"
    # What $LISTEN_FDNAMES calls it.
    name: str = "unknown"
    backlog: int = 128
    # Of a Unix socket's file, which belongs to the service's user.
    mode: int = 0o600
    # What systemd.exec(5) calls NonBlocking=: for a program whose processes all accept on it and none may wait there.
    blocks: bool = True


def parse_endpoint(
    text: str,
    style: Literal["stream", "datagram"] = "stream",
    name: str = "unknown",
    backlog: int = 128,
    mode: int = 0o600,
) -> Endpoint:
    """`127.0.0.1:80`, `[::1]:80`, `*:80`, `:80` or an absolute path.

    Raises ValueError, whose text is the end of "cannot read …: ".
    """
    if not re.fullmatch(r"[!-9;-~]{1,255}", name):
        raise ValueError(f"{name!r} is no name for a socket; use ASCII without blanks and colons")
    address = Path(text) if text.startswith("/") else _internet_address(text)
    if isinstance(address, Path) and (len(bytes(address)) > MAX_PATH or "\0" in text):
        raise ValueError(f"the path of a socket has at most {MAX_PATH} bytes, none of them NUL")
    return Endpoint(address, style, name, backlog, mode)


def _internet_address(text: str) -> tuple[str, int]:
    parts = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*)):([0-9]{1,5})", text)
    if parts is None:
        raise ValueError("it is neither an absolute path nor ADDRESS:PORT; an IPv6 address stands in brackets")
    six, four, port = parts.groups()
    if not 0 < int(port) < 65536:
        raise ValueError(f"{port} is no port; ports go from 1 to 65535")
    if six is None and four in ("", "*"):
        return "*", int(port)
    try:
        address = ip_address(six or four)
    except ValueError:
        raise ValueError(f"{six or four} is no IP address, and names are not looked up") from None
    if address.version != (4 if six is None else 6):
        raise ValueError(f"{address} stands in brackets, although it is no IPv6 address")
    return str(address), int(port)
