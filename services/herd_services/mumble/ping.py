"""Whether Mumble's server answers: by UDP, for each connection by TCP counts towards its automatic bans.

Source: mumble.info, "Protocol", ping (as clients' lists of servers do); an answer repeats what it was asked with.
"""

from __future__ import annotations

import struct
from functools import partial

from herd.core.host import Host

_QUESTION = struct.Struct(">iQ")
_ANSWER = struct.Struct(">4BQIII")
_PATIENCE = 1.0


async def ping(host: Host, address: str, port: int) -> None:
    """Return once it has answered. Raises OSError, TimeoutError, ValueError, which say why it has not."""
    asked = int(host.now() * 1e6)
    answer = await host.within(_PATIENCE, partial(host.ask_datagram, address, port, _QUESTION.pack(0, asked)))
    # Its version, what was asked with, people, at most so many, bits per second for each.
    if len(answer) != _ANSWER.size or _ANSWER.unpack(answer)[4] != asked:
        raise ValueError("it answers something else")
