"""The methods of the Varlink interface (core/interface.py): parameters checked, work done, replies made.

A method returns its last reply's parameters; those before it go out by `Session.send`, to a call with `more`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import trio
from attrs import asdict, frozen

import herd
from herd.core import interface
from herd.core.action import Reply
from herd.core.errors import INTERFACE, HerdError
from herd.core.events import Status
from herd.core.protocol import Call, Encoded
from herd.core.role import Role
from herd.core.status import facts
from herd.daemon.access import Client
from herd.daemon.bulletin import step_text
from herd.daemon.controller import Controller
from herd.daemon.factbook import Factbook
from herd.daemon.log import ServiceLog, following
from herd.daemon.logstream import MOST_LINES, Entry, batches, history, newest, reply
from herd.daemon.places import Place
from herd.daemon.supervisor import Supervisor
from herd.daemon.verbs import perform

VARLINK = "org.varlink.service"
DESCRIPTIONS = {VARLINK: interface.VARLINK_SERVICE, INTERFACE: interface.SUPERVISOR}

Parameters = dict[str, Any]
# What takes its time, so that whoever asked is told how it goes on.
_WITH_STEPS = ("start", "stop", "restart", "reload")


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
    client: Client
    place: Place
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


async def _represent(session: Session) -> Parameters:
    try:
        role = Role.of(session.required("role"))
    except ValueError:
        raise VarlinkError("InvalidParameter", parameter="role") from None
    person = session.parameter("person", str)
    session.client.represent(role, person)
    if not session.place.settle():
        whom = "somebody else" if person is None else person
        raise HerdError(f"cannot speak for {whom}: too many connections do so already; end one, a watch perhaps")
    return {}


async def _status(session: Session) -> Encoded:
    supervisor, name = session.supervisor, session.parameter("service", str)
    names = supervisor.controllers if name is None else [supervisor.find(name).service.name]
    return session.factbook.reply(map(supervisor.snapshot, names), sees_people=session.client.sees_people)


async def _perform(session: Session) -> Parameters:
    action, service = session.required("action"), session.parameter("service", str, "root")
    arguments = session.parameter("arguments", list, [])
    if not all(isinstance(argument, str) and is_text(argument) for argument in arguments):
        raise VarlinkError("InvalidParameter", parameter="arguments")
    supervisor = session.supervisor
    if not session.call.more or action not in _WITH_STEPS:
        return _final(await perform(supervisor, session.client, action, service, arguments))
    outcome: Reply | HerdError
    async with supervisor.bulletin.watch() as changes:
        progress = _Progress(session, _concerned(supervisor, service))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(progress.begin, changes)
            try:
                outcome = await perform(supervisor, session.client, action, service, arguments)
            except HerdError as error:
                # Raised outside, where no nursery wraps it.
                outcome = error
            nursery.cancel_scope.cancel()
        for _ in range(changes.statistics().current_buffer_used):
            await progress.tell(changes.receive_nowait())
    if isinstance(outcome, HerdError):
        raise outcome
    return _final(outcome)


def _concerned(supervisor: Supervisor, service: str) -> set[str]:
    """Those whose steps are of interest to whoever asks something of the service."""
    graph = supervisor.graph
    if service not in graph.names:
        return set(supervisor.controllers)
    name = graph.names[service]
    return {name, *graph.needs(name), *graph.dependents(name)}


class _Progress:
    """The steps of those concerned, each told once."""

    def __init__(self, session: Session, concerned: set[str]) -> None:
        self._session = session
        self._concerned = concerned
        self._told: dict[str, str] = {}

    async def begin(self, changes: trio.MemoryReceiveChannel[Controller]) -> None:
        """Tell what is under way already, then each change until cancelled."""
        for controller in list(self._session.supervisor.controllers.values()):
            if controller.state.status in (Status.STARTING, Status.STOPPING):
                await self.tell(controller)
        async for controller in changes:
            await self.tell(controller)

    async def tell(self, controller: Controller) -> None:
        """Tell where the service is, if that is of interest and new."""
        name, supervisor = controller.service.name, self._session.supervisor
        if name not in self._concerned:
            return
        is_known = supervisor.controllers.get(name) is controller
        text = step_text(controller, supervisor.unserved(name) if is_known else ())
        if self._told.get(name) != text:
            self._told[name] = text
            await self._session.send({"progress": text})


def _final(reply: Reply) -> Parameters:
    return {
        "result": dict(reply.result),
        "text": reply.text,
        "warnings": list(reply.warnings),
        "exitStatus": reply.exit_status,
        "drawing": reply.drawing,
    }


async def _watch(session: Session) -> Parameters:
    """Ends only with the client, or for one that falls far behind."""
    supervisor, asked = session.supervisor, session.parameter("service", str)
    wanted = None if asked is None else supervisor.find(asked).service.name
    async with supervisor.bulletin.watch() as changes:
        for name in list(supervisor.controllers) if wanted is None else [wanted]:
            # One may be forgotten while the client takes its time.
            if name in supervisor.controllers:
                await session.send(
                    {"service": facts(supervisor.snapshot(name), sees_people=session.client.sees_people)}
                )
        async for controller in changes:
            name = controller.service.name
            # One that was forgotten meanwhile was seen to stop; others have come since.
            if wanted in (None, name) and supervisor.controllers.get(name) is controller:
                await session.send(
                    {"service": facts(supervisor.snapshot(name), sees_people=session.client.sees_people)}
                )
    raise HerdError("cannot go on watching: too many changes were not read; watch again")


async def _log(session: Session) -> Parameters:
    logs, several = _logs(session)
    since_usec, follow = session.parameter("sinceUSec", int), session.parameter("follow", bool, False)
    count = session.parameter("lines", int, 20 if since_usec is None else MOST_LINES)
    if not 0 <= count <= MOST_LINES:
        raise VarlinkError("InvalidParameter", parameter="lines")
    if since_usec is not None and not 0 <= since_usec < 2**63:
        raise VarlinkError("InvalidParameter", parameter="sinceUSec")
    if follow and not session.call.more:
        raise VarlinkError("ExpectedMore")
    with following(logs) as follower:
        since = None if since_usec is None else since_usec / 1e6
        async with session.supervisor.readers.turn(session.client):
            entries = await history(logs, count, since, follower if follow else None)
            if not session.call.more:
                return reply(newest(entries), several=several)
            await _tell(session, entries, several=several)
        while follow:
            await _tell(session, await follower.next(), several=several)
        return reply([], several=several)


async def _tell(session: Session, entries: Sequence[Entry], *, several: bool) -> None:
    for batch in batches(entries):
        await session.send(reply(batch, several=several))


async def _complete(session: Session) -> Parameters:
    from herd.daemon.completing import complete

    words = session.parameter("words", list, [])
    if not all(isinstance(each, str) and is_text(each) for each in words):
        raise VarlinkError("InvalidParameter", parameter="words")
    completion = await complete(session.supervisor, session.client, words)
    return {"candidates": [asdict(each) for each in completion.candidates], "files": completion.files}


def _logs(session: Session) -> tuple[list[ServiceLog], bool]:
    """The logs asked for, and whether as those of several services."""
    supervisor, service = session.supervisor, session.parameter("service", str)
    names, every = session.parameter("services", list, []), session.parameter("all", bool, False)
    if session.parameter("audit", bool, False):
        if service is not None or names or every:
            raise VarlinkError("InvalidParameter", parameter="audit")
        return list(supervisor.audit.logs), True
    if (service is not None and (names or every)) or not all(isinstance(each, str) and is_text(each) for each in names):
        raise VarlinkError("InvalidParameter", parameter="services")
    if every:
        names = ["root", *supervisor.controllers]
    logs = [
        supervisor.bulletin.log if each == "root" else supervisor.find(each).log
        for each in names or [service or "root"]
    ]
    return list(dict.fromkeys(logs)), bool(names)


def _always(supervisor: Supervisor, call: Call) -> bool:
    return True


def _never(supervisor: Supervisor, call: Call) -> bool:
    return False


def _observer(call: Call) -> Role:
    return Role.OBSERVER


def _of_log(call: Call) -> Role:
    return Role.ADMIN if call.parameters.get("audit") is True else Role.MODERATOR


def _if_the_action_does(supervisor: Supervisor, call: Call) -> bool:
    service, name = call.parameters.get("service"), call.parameters.get("action")
    # Whoever wants no answer need not stay for it.
    if call.oneway or not isinstance(service, str) or service not in supervisor.graph.names:
        return False
    action = supervisor.find(service).service.action(str(name))
    return action is not None and action.ends_with_caller


@frozen
class Method:
    """A method, and whether a call of it is broken off when the client leaves.

    One that `waits` for nothing is answered by whoever read the call.
    """

    run: Callable[[Session], Awaitable[Parameters | Encoded]]
    ends_with_caller: Callable[[Supervisor, Call], bool] = _never
    waits: bool = True
    needs_more: bool = False
    # What comes after it counts on it: where it fails, the client has no role any more.
    is_binding: bool = False
    # Who may call it so, None for everybody; what a refusal calls that, if not by the call's own words.
    role: Callable[[Call], Role | None] = lambda call: None
    what: str | None = None

    @property
    def is_stream(self) -> bool:
        """Whether it goes on and on; then the role is checked again for each reply, for a reload may have taken it."""
        return self.ends_with_caller is _always


METHODS = {
    f"{VARLINK}.GetInfo": Method(_get_info, waits=False),
    f"{VARLINK}.GetInterfaceDescription": Method(_get_interface_description, waits=False),
    f"{INTERFACE}.Represent": Method(
        _represent, waits=False, is_binding=True, role=_observer, what="speak for somebody"
    ),
    f"{INTERFACE}.Status": Method(_status, waits=False, role=_observer),
    f"{INTERFACE}.Perform": Method(_perform, _if_the_action_does, role=_observer),
    f"{INTERFACE}.Watch": Method(_watch, _always, needs_more=True, role=_observer),
    f"{INTERFACE}.Log": Method(_log, _always, role=_of_log),
    f"{INTERFACE}.Complete": Method(_complete, _always, role=_observer),
}
