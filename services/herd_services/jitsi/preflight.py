"""What can be known to fail before anything is started: programs that are not there, ports that others hold."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from herd.core.errors import HerdError
from herd.core.host import Host


async def check_program(host: Host, program: Path, service: str, remedy: str) -> None:
    """Raises HerdError where it cannot be executed."""
    if not await host.is_executable(program):
        raise HerdError(f'there is no program {program}; {remedy}, or name another: program = "/…" in [{service}]')


async def check_port(
    host: Host, service: str, address: str, port: int, key: str, style: Literal["stream", "datagram"] = "stream"
) -> None:
    """Raises HerdError where another's process takes what comes there."""
    if taker := await host.taker(address, port, style):
        kind = "UDP port" if style == "datagram" else "port"
        raise HerdError(f"{taker} has {kind} {port}; end that, or choose another: {key} = … in [{service}]")
