"""What the last word of a command line could become, for those who press the tabulator key.

Nothing is changed for it: listings of services are asked, as the caller could ask them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import trio
from attrs import frozen

from herd.core.action import Action
from herd.core.completion import Candidate, found, wanted
from herd.core.errors import HerdError
from herd.daemon.access import Client
from herd.daemon.root import ROOT
from herd.daemon.supervisor import Supervisor
from herd.daemon.verb import Verb
from herd.daemon.verbs import VERBS, perform

# What herd does by itself with the log and the changes of a service.
_STREAMS = {
    "log": "Print the last lines of its log, those of several services merged.",
    "watch": "Print how the service is, then each change, until interrupted.",
    "audit": "Print who did what, who did not succeed, and who was refused.",
}
_FILES = frozenset({"FILE", "DIRECTORY"})
# Seconds. Nobody waits longer for a word.
_PATIENCE = 2.0


@frozen
class Completion:
    """The words that fit; `files`: the caller's files do."""

    candidates: tuple[Candidate, ...] = ()
    files: bool = False


async def complete(supervisor: Supervisor, client: Client, words: Sequence[str]) -> Completion:
    """What `herd WORDS…` could have for its last word, which may be empty. Where nothing is known there is nothing."""
    if len(words) < 2:
        return Completion(tuple(_actions(supervisor)))
    if words[0] == "audit":
        return Completion()
    if len(words) == 2 or words[0] == "log":
        return Completion(tuple(_services(supervisor, words[0])))
    action, name = words[0], supervisor.graph.names.get(words[1], "root" if words[1] == "shepherd" else words[1])
    known = _found(supervisor, action, name)
    if known is None:
        return Completion()
    at = wanted(known.usage, words[2:])
    if _FILES & set(at.names):
        return Completion(files=True)
    named = [each for argument in at.names for each in await _named(supervisor, client, action, name, argument)]
    return Completion((*named, *(Candidate(option) for option in at.options)))


def _actions(supervisor: Supervisor) -> Iterator[Candidate]:
    """Each once, those of herdd first."""
    known = {name: verb.documentation for name, verb in (*ROOT.items(), *VERBS.items())} | _STREAMS
    for controller in supervisor.controllers.values():
        for action in controller.service.actions:
            known.setdefault(action.name, action.documentation)
    for name, documentation in known.items():
        yield Candidate(name, documentation)


def _services(supervisor: Supervisor, action: str) -> Iterator[Candidate]:
    """Those that have the action."""
    if action in ROOT or action in _STREAMS:
        yield Candidate("root", "herdd itself")
    for name, controller in supervisor.controllers.items():
        service = controller.service
        if action in VERBS or action in _STREAMS or service.action(action) is not None:
            yield Candidate(name, service.documentation)


def _found(supervisor: Supervisor, action: str, name: str) -> Action | Verb | None:
    """The action of the service, where both are there."""
    if name == "root":
        return ROOT.get(action)
    if name not in supervisor.controllers:
        return None
    return supervisor.controllers[name].service.action(action) or VERBS.get(action)


def _may(client: Client, action: Action | Verb | None) -> bool:
    return action is not None and client.role is not None and client.role >= action.role


async def _named(supervisor: Supervisor, client: Client, action: str, name: str, argument: str) -> list[Candidate]:
    """What can stand for an argument of the usage; people are named to whoever may do something with them alone."""
    if not _may(client, _found(supervisor, action, name)):
        return []
    if name == "root" and argument == "NAME":
        return [Candidate(each.name) for each in supervisor.people]
    if action == "doc":
        return _documented(supervisor, name)
    listings = supervisor.controllers[name].service.listings if name != "root" else {}
    listing = listings.get(f"{action} {argument}") or listings.get(argument)
    # Nothing is asked that would be refused: refusals are noted.
    if listing is None or not _may(client, _found(supervisor, listing.action, name)):
        return []
    with trio.move_on_after(_PATIENCE):
        try:
            return found(listing, (await perform(supervisor, client, listing.action, name, ())).result)
        except HerdError:
            # It does not run, for example.
            return []
    return []


def _documented(supervisor: Supervisor, name: str) -> list[Candidate]:
    own = supervisor.controllers[name].service.actions if name != "root" else ()
    known = {each.name: each.documentation for each in own}
    known |= {each: verb.documentation for each, verb in (ROOT if name == "root" else VERBS).items()}
    return [Candidate("list-actions", "Its actions."), *(Candidate(*each) for each in known.items())]
