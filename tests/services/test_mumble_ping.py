"""Whether something that answers by UDP is Mumble's server, answering this question."""

from __future__ import annotations

import struct

import pytest
import trio

from doubles import bare_host
from herd_services.mumble.ping import ping


@pytest.mark.parametrize(("change", "size"), [(0, 24), (1, 24), (0, 23), (0, 0)])
async def test_only_the_answer_to_the_question_counts(nursery: trio.Nursery, change: int, size: int) -> None:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as server:
        await server.bind(("127.0.0.1", 0))

        async def answer() -> None:
            question, sender = await server.recvfrom(64)
            _, asked = struct.unpack(">iQ", question)
            told = struct.pack(">4BQIII", 0, 1, 3, 4, asked + change, 0, 100, 72000)
            await server.sendto(told[:size], sender)

        nursery.start_soon(answer)
        port = server.getsockname()[1]
        if (change, size) == (0, 24):
            await ping(bare_host(), "127.0.0.1", port)
        else:
            with pytest.raises(ValueError, match="it answers something else"):
                await ping(bare_host(), "127.0.0.1", port)


async def test_a_port_where_nobody_answers() -> None:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as server:
        await server.bind(("127.0.0.1", 0))
        with pytest.raises(TimeoutError):
            await ping(bare_host(), "127.0.0.1", server.getsockname()[1])
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await ping(bare_host(), "127.0.0.1", port)
