"""A person banned, and let in again, on every server at once: each by its own action, with an answer of each.

What a server does not do is told, and the others do it all the same; whoever asks again asks those that did not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import frozen

from herd.core.action import Reply
from herd.core.errors import HerdError
from herd.core.events import Status
from herd.core.person import Moderation, Person
from herd.core.suggest import did_you_mean
from herd.core.words import clock
from herd.daemon.access import Client
from herd.daemon.actions import perform_action
from herd.daemon.controller import Controller
from herd.daemon.supervisor import Supervisor
from herd.daemon.verb import Asked


@frozen
class _Court:
    """A server, and how people are banned from it."""

    controller: Controller
    moderation: Moderation

    @property
    def name(self) -> str:
        return self.controller.service.name

    async def do(self, client: Client, action: str, words: Sequence[str]) -> Reply:
        found = self.controller.service.action(action)
        assert found is not None, "a definition names actions of its own"
        return await perform_action(self.controller, found, client, words)

    async def bans(self, client: Client) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = list((await self.do(client, self.moderation.export, ())).result["bans"])
        return found


@frozen
class _Answer:
    """What one server did, or why not."""

    service: str
    text: str
    is_done: bool
    is_failure: bool = False


async def ban(supervisor: Supervisor, asked: Asked) -> Reply:
    """NAME [--reason TEXT] [--for DURATION] [--dry-run]."""
    person, is_trial = _find(supervisor, asked), "--dry-run" in asked.arguments.options
    terms = _terms(asked, ("--reason", "--for"))
    answers = []
    for court, identity in _concerned(supervisor, person):
        if is_trial:
            answers.append(_Answer(court.name, f"{identity} would be banned.\n", is_done=False))
        else:
            answers.append(await _asked(court, asked.client, court.moderation.ban, (identity, *terms)))
    return _reply(supervisor, person, answers, "banned", is_trial=is_trial)


async def unban(supervisor: Supervisor, asked: Asked) -> Reply:
    """NAME [--reason TEXT] [--dry-run]."""
    person, is_trial = _find(supervisor, asked), "--dry-run" in asked.arguments.options
    answers = [
        await _unbanned(court, identity, asked, is_trial=is_trial) for court, identity in _concerned(supervisor, person)
    ]
    reply = _reply(supervisor, person, answers, "unbanned", is_trial=is_trial)
    if not is_trial and not reply.exit_status and not any(each.is_done for each in answers):
        raise HerdError(f"cannot unban {person.name}: no server that runs here bans that one; see: herd bans")
    return reply


async def _unbanned(court: _Court, identity: str, asked: Asked, *, is_trial: bool) -> _Answer:
    try:
        is_banned = any(identity in _known_as(each, court.moderation) for each in await court.bans(asked.client))
    except HerdError as error:
        return _Answer(court.name, error.message, is_done=False, is_failure=True)
    if not is_banned:
        return _Answer(court.name, f"{identity} is not banned.\n", is_done=False)
    if is_trial:
        return _Answer(court.name, f"{identity} would be banned no longer.\n", is_done=False)
    return await _asked(court, asked.client, court.moderation.unban, (identity, *_terms(asked, ("--reason",))))


def _known_as(ban: dict[str, Any], moderation: Moderation) -> tuple[Any, ...]:
    """Whom it is about, and by what name the server knows that one."""
    return ban[moderation.subject], ban.get("name")


async def bans(supervisor: Supervisor, asked: Asked) -> Reply:
    """Those of every server that runs here."""
    names = {(kind, each): person.name for person in supervisor.people for kind, each in person.identities.items()}
    found, warnings = [], []
    for court in _courts(supervisor):
        if court.controller.state.status is not Status.RUNNING:
            warnings.append(f"{court.name} does not run: its bans are not told")
            continue
        try:
            for each in await court.bans(asked.client):
                known = (names.get((court.moderation.kind, one)) for one in _known_as(each, court.moderation))
                name = next(filter(None, known), None)
                found.append({"service": court.name, "person": name, **each})
        except HerdError as error:
            warnings.append(f"{court.name}: {error.message}")
    subjects = {court.name: court.moderation.subject for court in _courts(supervisor)}
    text = "".join(_line(each, subjects[each["service"]]) for each in found) or "Nobody is banned.\n"
    return Reply({"bans": found}, text, tuple(warnings))


def _line(ban: dict[str, Any], subject: str) -> str:
    told = {"service", "person", "name", "author", "reason", "sinceUSec", "untilUSec", subject}
    places = [f" from {key} {value}" for key, value in ban.items() if key not in told and value != "*"]
    name = ban["person"] or ban.get("name")
    until = f" until {clock(ban['untilUSec'] / 1e6)}" if ban["untilUSec"] else ""
    reason = f": {' '.join(ban['reason'].split())}" if ban["reason"] else ""
    by = f", by {ban['author']}" if ban["author"] else ", not by herd"
    whom = f"{ban[subject]}{f' ({name})' if name else ''}{''.join(places)}"
    return f"{ban['service']}: {whom}{by}{until}{reason}\n"


async def _asked(court: _Court, client: Client, action: str, words: Sequence[str]) -> _Answer:
    try:
        reply = await court.do(client, action, words)
    except HerdError as error:
        return _Answer(court.name, error.message, is_done=False, is_failure=True)
    return _Answer(court.name, reply.text, is_done=True)


def _reply(supervisor: Supervisor, person: Person, answers: Sequence[_Answer], word: str, *, is_trial: bool) -> Reply:
    """Done where at least one server is concerned and none failed; those that do not run are warned of."""
    silent = [each.name for each in _courts(supervisor) if _is_silent(each, person)]
    if not answers:
        where = f"{', '.join(silent)} does not run" if silent else "no server here knows that one"
        raise HerdError(f"cannot find {person.name} on a server: {where}; see: herd status")
    lines = [f"{each.service}: {line}\n" for each in answers if not each.is_failure for line in each.text.splitlines()]
    warnings = [f"{each.service}: {each.text}" for each in answers if each.is_failure]
    warnings += [f"{name} does not run: {person.name} is not {word} there; start it and ask again" for name in silent]
    servers = [{"service": each.service, "done": each.is_done, "text": each.text.strip()} for each in answers]
    result = {"person": person.name, "servers": servers, "done": not is_trial}
    return Reply(result, "".join(lines), tuple(warnings), exit_status=int(any(each.is_failure for each in answers)))


def _is_silent(court: _Court, person: Person) -> bool:
    return court.moderation.kind in person.identities and court.controller.state.status is not Status.RUNNING


def _terms(asked: Asked, names: Sequence[str]) -> list[str]:
    given = asked.arguments.options
    return [word for name in names if name in given for word in (name, given[name])]


def _find(supervisor: Supervisor, asked: Asked) -> Person:
    wanted = asked.arguments[0]
    found = next((each for each in supervisor.people if each.name == wanted), None)
    if found is None:
        names = [each.name for each in supervisor.people]
        remedy = did_you_mean(wanted, names) or f"add [person.{wanted}] to the configuration, and: herd reload root"
        raise HerdError(f"cannot find a person {wanted}; {remedy}")
    return found


def _courts(supervisor: Supervisor) -> Iterator[_Court]:
    for controller in supervisor.controllers.values():
        if (moderation := controller.service.moderation) is not None:
            yield _Court(controller, moderation)


def _concerned(supervisor: Supervisor, person: Person) -> Iterator[tuple[_Court, str]]:
    """The servers that run and know the person, and as whom."""
    for court in _courts(supervisor):
        identity = person.identities.get(court.moderation.kind)
        if identity is not None and court.controller.state.status is Status.RUNNING:
            yield court, identity
