"""Who did what, and who was refused: LOG-DIR/audit.log and audit-asked.log, a time stamp and a JSON object a line.

What only looks leaves no trace; every action that needs more than the role observer does, and every refusal. The line
is written, in a thread, before the answer goes out.

Nobody can push out of it what was done before. What was refused, or failed, has a log of its own, and whoever asks for
such things again and again is only counted after a while; the next line says how many there were. What was done is
always told: so whoever is no admin does only so much at a time. Both logs are large, whatever `[log]` says.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterator, Sequence

import trio
from attrs import evolve, frozen

from herd.core.action import Reply
from herd.core.errors import HerdError, NotAllowed
from herd.core.protocol import Call
from herd.core.role import Role
from herd.daemon.access import Client
from herd.daemon.log import ServiceLog
from herd.daemon.logpolicy import LogPolicy
from herd.daemon.tally import Pace, Tally

DONE, ASKED = "audit", "audit-asked"
# How they are kept: bytes, seconds, files. With the bounds below it takes one who has a role days to fill one of them.
_SIZE, _AGE, _KEEP = 10 * 1024 * 1024, 7 * 24 * 3600.0, 100
# Refusals and failures that are told a minute: of each; of all users without a role, or of all whom a user speaks for.
_OF_EACH, _OF_ALL = 20, 60
# What one who is no admin does at once, and then every so many seconds; and all whom a user speaks for.
_EACH, _ALL = (120, 0.5), (480, 0.125)
# Bytes as JSON writes them: of a name, of the first line of a message, of all arguments together.
_NAME, _MESSAGE, _ARGUMENTS = 48, 200, 400


def kept(policy: LogPolicy) -> LogPolicy:
    """How these logs are kept where others are kept so."""
    return evolve(policy, size=_SIZE, age=_AGE, keep=_KEEP)


@frozen
class Deed:
    """What was asked for."""

    service: str
    action: str
    arguments: Sequence[str] = ()

    @property
    def what(self) -> str:
        """As it is said."""
        return f"{_short(self.action, _NAME)} {_short(self.service, _NAME)}"


def deed_of(call: Call) -> Deed:
    """What a call asks for, whatever it is, and be it wrong."""
    given = call.parameters
    service = str(given.get("service") or "root")
    method = call.method.rpartition(".")[2]
    if method == "Log" and given.get("audit") is True:
        return Deed(service, "audit")
    if method != "Perform":
        return Deed(service, method.lower())
    arguments = given.get("arguments")
    return Deed(service, str(given.get("action")), list(map(str, arguments)) if isinstance(arguments, list) else ())


class Audit:
    """The two logs, and who asked for how much lately."""

    def __init__(self, done: ServiceLog, asked: ServiceLog) -> None:
        self._done, self._asked = done, asked
        self.logs = (done, asked)
        self._tally = Tally()
        self._each, self._all = Pace(*_EACH), Pace(*_ALL)

    async def observe(self, client: Client, deed: Deed, role: Role, work: Callable[[], Awaitable[Reply]]) -> Reply:
        """Do the work and note how it ended, where it needs more than to look. Raises what it raises.

        Whatever has an answer was done, be it in part; so may have been what was broken off.
        """
        if role is Role.OBSERVER:
            return await work()
        await self._wait_turn(client, role)
        outcome, message = "broken off", ""
        is_noted, has_failed = True, False
        try:
            reply = await work()
            outcome = "failed" if reply.exit_status else "done"
            message = "; ".join(reply.warnings) if reply.exit_status else ""
            return reply
        except NotAllowed:
            # Noted by whoever answers (server.py), as every refusal.
            is_noted = False
            raise
        except HerdError as error:
            outcome, message, has_failed = "failed", error.message, True
            raise
        except Exception as error:
            outcome, message, has_failed = "failed", repr(error), True
            raise
        finally:
            if is_noted and has_failed:
                await self._count(client, deed, outcome, message)
            elif is_noted:
                await self._note(self._done, client, deed, outcome, message)

    async def refuse(self, client: Client, deed: Deed) -> None:
        """Note that the client was not allowed to."""
        await self._count(client, deed, "refused", "")

    async def _wait_turn(self, client: Client, role: Role) -> None:
        """Wait until the client may do something, if it has the role for that."""
        if client.role is not None and role <= client.role < Role.ADMIN:
            await self._each.wait(client.who)
            await self._all.wait(client.peer.uid)

    async def _count(self, client: Client, deed: Deed, outcome: str, message: str) -> None:
        """Note what was not done, unless there was much of it lately."""
        others = "strangers" if client.role is None else client.peer.uid
        untold = self._tally.tell(((client.who, outcome), _OF_EACH), ((others, outcome), _OF_ALL))
        if untold is not None:
            await self._note(self._asked, client, deed, outcome, message, untold)

    async def _note(
        self, log: ServiceLog, client: Client, deed: Deed, outcome: str, message: str, untold: int = 0
    ) -> None:
        # Whoever leaves meanwhile has done it all the same.
        with trio.CancelScope(shield=True):
            role = client.role
            entry = {
                "user": _short(await client.user(), _NAME),
                "uid": client.peer.uid,
                "pid": client.peer.pid,
                "person": client.person,
                "role": role.word if role else None,
                "service": _short(deed.service, _NAME),
                "action": _short(deed.action, _NAME),
                "arguments": list(_listed(deed.arguments)),
                "outcome": outcome,
                "message": _short(message.partition("\n")[0], _MESSAGE) or None,
                "untold": untold or None,
            }
            told = {key: value for key, value in entry.items() if value is not None}
            # Nothing but ASCII: no line of it steers a terminal.
            await log.write([json.dumps(told).encode()])


def _listed(arguments: Sequence[str]) -> Iterator[str]:
    """The arguments that there is room for."""
    room = _ARGUMENTS
    for argument in arguments:
        if room <= 0:
            yield "…"
            return
        told = _short(argument, max(room, _size("…")))
        yield told
        # Quotes, a comma and a space.
        room -= _size(told) + 4


def _short(text: str, room: int) -> str:
    """The text, or as much of it as there is room for."""
    text, whole = text[: room + 1], text
    if _size(text) <= room:
        return whole
    end = bisect_right(range(len(text)), room - _size("…"), key=lambda length: _size(text[:length]))
    return f"{text[: end - 1]}…"


def _size(text: str) -> int:
    """Bytes as JSON writes them, without the quotes."""
    return len(json.dumps(text)) - 2
