"""When a program of the Jitsi project serves: it answers by HTTP, and is seen in the room where all of them meet.

Both, for each of the two is there without the other: a bridge whose HTTP port is another's is in the room all the same,
and one whose room was closed to it answers for ever.
"""

from __future__ import annotations

from attrs import frozen

from herd.core.errors import HerdError
from herd.core.host import Host
from herd_services.jitsi.meeting import Prosody

# A Java that starts on a small machine, and then one that logs in. Seconds, within a start's limit of 90.
_STARTING = 40.0


@frozen
class Presence:
    """Of one service: by what account and nickname it is in the room, and on what port it answers."""

    prosody: Prosody
    account: str
    nickname: str
    port: int


@frozen
class UntilPresent:
    """The set-up of a service: returns once it serves. Raises HerdError: why it does not."""

    it: Presence

    async def __call__(self, host: Host) -> None:
        it = self.it
        reason = await host.until(lambda: unanswered(host, it.port), _STARTING)
        if reason is None:
            reason = await it.prosody.await_welcome(host, it.account, it.nickname, _STARTING)
        if reason is not None:
            raise HerdError(f"it is not ready: {reason}")


@frozen
class StillPresent:
    """The health of a service. Raises HerdError: why it does not serve."""

    it: Presence

    async def __call__(self, host: Host) -> None:
        it = self.it
        if reason := await unanswered(host, it.port) or await it.prosody.unwelcome(host, it.account, it.nickname):
            raise HerdError(reason)


async def unanswered(host: Host, port: int) -> str | None:
    """Why its HTTP interface does not answer, as the end of a sentence."""
    if not await host.listens("127.0.0.1", port):
        taker = await host.taker("127.0.0.1", port)
        return f"{taker or 'nothing'} listens on 127.0.0.1 port {port}, none of its own"
    try:
        answer = await host.fetch(f"http://127.0.0.1:{port}/about/version")
    except (OSError, ValueError) as error:
        return f"port {port} does not answer: {error}"
    return None if answer.status == 200 else f"port {port} answers {answer.status} to /about/version"
