"""Where a service with socket activation listens (sd_listen_fds(3), systemd.socket(5))."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import frozen


@frozen
class Endpoint:
    """One listening socket that herdd opens for a service. `address` is a path or (host, port)."""

    address: Path | tuple[str, int]
    style: Literal["stream", "datagram"] = "stream"
    # What $LISTEN_FDNAMES calls it.
    name: str = "unknown"
    backlog: int = 128
    # Of a Unix socket's file, which belongs to the service's user.
    mode: int = 0o600
