"""The methods of the Varlink interface (core/interface.py): parameters checked, work done, replies made.

A method returns its last reply's parameters; those before it go out by `Session.send`, to a call with `more`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio
from attrs import frozen

import herd
from herd.core import interface
from herd.core.errors import INTERFACE, HerdError
from herd.core.protocol import Call, Encoded
from herd.core.service import Reply
from herd.core.status import facts
from herd.daemon.access import Peer
from herd.daemon.controller import Controller
from herd.daemon.factbook import Factbook
from herd.daemon.supervisor import Supervisor
from herd.daemon.verbs import perform

VARLINK = "org.varlink.service"
DESCRIPTIONS = {VARLINK: interface.VARLINK_SERVICE, INTERFACE: interface.SUPERVISOR}
# As many lines as one `log` may ask for; each comes in replies of at most LOG_BATCH lines.
MOST_LINES = 100_000
LOG_BATCH = 500

Parameters = dict[str, Any]


class VarlinkError(Exception):
    """One of the protocol's own errors; `name` without its interface."""

    def __init__(self, name: str, **parameters: str) -> None:
        super().__init__(name)
        self.name = f"{VARLINK}.{name}"
        self.parameters = parameters


@frozen
class Session:
    """What a method works with."""

    supervisor: Supervisor
    factbook: Factbook
    peer: Peer
    call: Call
    # One reply that others follow.
    send: Callable[[Parameters], Awaitable[None]]

    def parameter(self, name: str, kind: type[Any], default: Any = None) -> Any:
        """An optional parameter. Raises VarlinkError for one of another type."""
        value = self.call.parameters.get(name)
        if value is None:
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise VarlinkError("InvalidParameter", parameter=name)
        if isinstance(value, str) and not is_text(value):
            raise VarlinkError("InvalidParameter", parameter=name)
        return value

    def required(self, name: str) -> str:
        """A string that has to be there."""
        value = self.parameter(name, str)
        if value is None:
            raise VarlinkError("InvalidParameter", parameter=name)
        return str(value)


def is_text(value: str) -> bool:
    """Whether files, programs and D-Bus can have it: neither a NUL nor half a surrogate pair in it."""
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


async def _get_info(session: Session) -> Parameters:
    return {
        "vendor": "herdctl",
        "product": "herdd",
        "version": herd.__version__,
        "url": "https://pypi.org/project/herdctl/",
        "interfaces": list(DESCRIPTIONS),
    }


async def _get_interface_description(session: Session) -> Parameters:
    name = session.required("interface")
    if name not in DESCRIPTIONS:
        raise VarlinkError("InterfaceNotFound", interface=name)
    return {"description": DESCRIPTIONS[name]}


async def _status(session: Session) -> Encoded:
    supervisor, name = session.supervisor, session.parameter("service", str)
    names = supervisor.controllers if name is None else [supervisor.find(name).service.name]
    return session.factbook.reply(map(supervisor.snapshot, names))


async def _perform(session: Session) -> Parameters:
    action, service = session.required("action"), session.parameter("service", str, "root")
    arguments = session.parameter("arguments", list, [])
    if not all(isinstance(argument, str) and is_text(argument) for argument in arguments):
        raise VarlinkError("InvalidParameter", parameter="arguments")
    supervisor = session.supervisor
    if not session.call.more:
        return _final(await perform(supervisor, session.peer, action, service, arguments))
    outcome: Reply | HerdError
    async with supervisor.watch() as changes, trio.open_nursery() as nursery:
        nursery.start_soon(_send_progress, session, changes)
        try:
            outcome = await perform(supervisor, session.peer, action, service, arguments)
        except HerdError as error:
            # Raised outside, where no nursery wraps it.
            outcome = error
        nursery.cancel_scope.cancel()
    if isinstance(outcome, HerdError):
        raise outcome
    return _final(outcome)


async def _send_progress(session: Session, changes: trio.MemoryReceiveChannel[Controller]) -> None:
    async for controller in changes:
        stage = f" ({controller.stage.value})" if controller.stage else ""
        await session.send({"progress": f"{controller.service.name}: {controller.state.status.value}{stage}"})


def _final(reply: Reply) -> Parameters:
    return {
        "result": dict(reply.result),
        "text": reply.text,
        "warnings": list(reply.warnings),
        "exitStatus": reply.exit_status,
    }


async def _watch(session: Session) -> Parameters:
    """Ends only with the client, or for one that falls far behind."""
    supervisor, name = session.supervisor, session.parameter("service", str)
    wanted = list(supervisor.controllers) if name is None else [supervisor.find(name).service.name]
    async with supervisor.watch() as changes:
        for each in wanted:
            await session.send({"service": facts(supervisor.snapshot(each))})
        async for controller in changes:
            if controller.service.name in wanted:
                await session.send({"service": facts(supervisor.snapshot(controller.service.name))})
    raise HerdError("cannot go on watching: too many changes were not read; watch again")


async def _log(session: Session) -> Parameters:
    supervisor, name = session.supervisor, session.parameter("service", str, "root")
    count, follow = session.parameter("lines", int, 20), session.parameter("follow", bool, False)
    log = supervisor.log if name == "root" else supervisor.find(name).log
    if not 0 <= count <= MOST_LINES:
        raise VarlinkError("InvalidParameter", parameter="lines")
    if follow and not session.call.more:
        raise VarlinkError("ExpectedMore")
    async with log.follow() as coming:
        lines = await log.tail(count)
        if not session.call.more:
            return {"lines": lines}
        for start in range(0, len(lines), LOG_BATCH):
            await session.send({"lines": lines[start : start + LOG_BATCH]})
        if follow:
            async for line in coming:
                await session.send({"lines": [line]})
    return {"lines": []}


@frozen
class Method:
    """A method; `streams` when it lives until the client leaves, so that the client's leaving ends it.

    One that `waits` for nothing is answered by whoever read the call.
    """

    run: Callable[[Session], Awaitable[Parameters | Encoded]]
    streams: bool = False
    waits: bool = True
    needs_more: bool = False


METHODS = {
    f"{VARLINK}.GetInfo": Method(_get_info, waits=False),
    f"{VARLINK}.GetInterfaceDescription": Method(_get_interface_description, waits=False),
    f"{INTERFACE}.Status": Method(_status, waits=False),
    f"{INTERFACE}.Perform": Method(_perform),
    f"{INTERFACE}.Watch": Method(_watch, streams=True, needs_more=True),
    f"{INTERFACE}.Log": Method(_log, streams=True),
}
