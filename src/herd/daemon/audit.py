"""LOG-DIR/audit.log: who did what, and who was refused what; a time stamp and a JSON object a line.

What only looks leaves no trace; every action that needs more than the role observer does, and every refusal. The line
is written, in a thread, before the answer goes out. A user who is refused again and again must not push out of the log
what others did: after some refusals a while they are only counted, and the next one that is told says how many.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Sequence

import trio
from attrs import define, frozen

from herd.core.action import Reply
from herd.core.errors import HerdError, NotAllowed
from herd.core.protocol import Call
from herd.core.role import Role
from herd.daemon.access import Client
from herd.daemon.log import ServiceLog

AUDIT = "audit"
# Seconds, and how many refusals of one user are told in them.
_WHILE, _TOLD = 60.0, 20
# Characters of each argument and message, and how many arguments.
_LONGEST, _MOST = 256, 16
# Users whose refusals are counted; whoever comes when there are so many makes the oldest be forgotten.
_USERS = 1024


@frozen
class Deed:
    """What was asked for."""

    service: str
    action: str
    arguments: Sequence[str] = ()

    @property
    def what(self) -> str:
        """As it is said."""
        return f"{_short(self.action)} {_short(self.service)}"


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


@define
class _Refusals:
    """Of one user, since a moment."""

    since: float
    told: int = 0
    untold: int = 0


class Audit:
    """The log, and who was refused lately."""

    def __init__(self, log: ServiceLog) -> None:
        self.log = log
        self._refused: dict[int, _Refusals] = {}

    async def observe(self, client: Client, deed: Deed, role: Role, work: Awaitable[Reply]) -> Reply:
        """Await the work and note how it ended; a refusal, and what needs more than to look. Raises what it raises."""
        outcome, message = "broken off", ""
        is_noted = role > Role.OBSERVER
        try:
            reply = await work
            outcome = "failed" if reply.exit_status else "done"
            message = "; ".join(reply.warnings) if reply.exit_status else ""
            return reply
        except NotAllowed:
            # Noted by whoever answers (server.py), as every refusal.
            is_noted = False
            raise
        except HerdError as error:
            outcome, message = "failed", error.message
            raise
        except Exception as error:
            outcome, message = "failed", repr(error)
            raise
        finally:
            if is_noted:
                await self._note(client, deed, outcome, message)

    async def refuse(self, client: Client, deed: Deed) -> None:
        """Note that the client was not allowed to."""
        count = self._count(client.peer.uid)
        if count.told >= _TOLD:
            count.untold += 1
            return
        count.told += 1
        await self._note(client, deed, "refused", "", count.untold)
        count.untold = 0

    def _count(self, uid: int) -> _Refusals:
        now = time.monotonic()
        count = self._refused.pop(uid, None) or _Refusals(now)
        if now - count.since > _WHILE:
            count.since, count.told = now, 0
        self._refused[uid] = count
        if len(self._refused) > _USERS:
            del self._refused[next(iter(self._refused))]
        return count

    async def _note(self, client: Client, deed: Deed, outcome: str, message: str, untold: int = 0) -> None:
        # Whoever leaves meanwhile has done it all the same.
        with trio.CancelScope(shield=True):
            role = client.role
            entry = {
                "user": await client.user(),
                "uid": client.peer.uid,
                "pid": client.peer.pid,
                "person": client.person,
                "role": role.word if role else None,
                "service": _short(deed.service),
                "action": _short(deed.action),
                "arguments": [_short(each) for each in deed.arguments[:_MOST]],
                "outcome": outcome,
                "message": _short(message.partition("\n")[0]) or None,
                "untold": untold or None,
            }
            told = {key: value for key, value in entry.items() if value is not None}
            # Nothing but ASCII: no line of it steers a terminal.
            await self.log.write([json.dumps(told).encode()])


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
