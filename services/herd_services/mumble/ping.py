"""Whether Mumble's server answers: by UDP, for each connection by TCP counts towards its automatic bans.

Source: mumble.info, "Protocol", ping (as clients' lists of servers do); an answer tells the version and the users.
"""

from __future__ import annotations

import struct
from functools import partial

from attrs import frozen

from herd.core.host import Host

_QUESTION = struct.Struct(">iQ")
_ANSWER = struct.Struct(">4BQIII")
_PATIENCE = 1.0


@frozen
class Answer:
    """What it says of itself. Bits per second for each user."""

    version: tuple[int, int, int]
    users: int
    max_users: int
    bandwidth: int


async def ping(host: Host, address: str, port: int) -> Answer:
    """Its answer. Raises OSError, TimeoutError, ValueError, which say why there is none."""
    asked = int(host.now() * 1e6)
    question = _QUESTION.pack(0, asked)
    answer = await host.within(_PATIENCE, partial(host.ask_datagram, address, port, question))
    try:
        _, *version, echo, users, most, bandwidth = _ANSWER.unpack(answer)
    except struct.error:
        raise ValueError("it answers something else") from None
    if echo != asked:
        raise ValueError("it answers something else")
    major, minor, patch = version
    return Answer((major, minor, patch), users, most, bandwidth)
