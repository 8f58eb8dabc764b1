"""What an action of the daemon's own is: a verb of every service, or of root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from attrs import field, frozen

from herd.core.action import Action, Reply
from herd.core.arguments import Arguments
from herd.core.errors import NoSuchAction
from herd.core.role import Role
from herd.core.suggest import did_you_mean
from herd.daemon.access import Client
from herd.daemon.supervisor import Supervisor


@frozen
class Asked:
    """Of which service, with what, and by whom."""

    name: str
    arguments: Arguments
    client: Client


@frozen
class Verb:
    """An action of the daemon's own; `usage` as core/arguments.py reads it."""

    documentation: str
    handler: Callable[[Supervisor, Asked], Awaitable[Reply]]
    usage: str = ""
    role: Role = field(kw_only=True)
    # What ends herdd: done once all else is, the note of who did it included, so that the answer still goes out.
    then: Callable[[Supervisor], None] | None = None


def document(
    documentation: str, actions: Sequence[Action], verbs: dict[str, Verb], name: str, words: Sequence[str]
) -> Reply:
    # `doc SERVICE action NAME` is how Shepherd says it.
    words = words[1:] if words[:1] == ("action",) else words
    if not words:
        return Reply({"documentation": documentation}, f"{documentation}\n")
    if words[0] == "list-actions":
        names = [action.name for action in actions] or list(verbs)
        return Reply({"actions": names}, "(" + "\n ".join(names) + ")\n")
    known: dict[str, Action | Verb] = {**verbs, **{action.name: action for action in actions}}
    if words[0] not in known:
        remedy = did_you_mean(words[0], known) or f"see: herd doc {name} list-actions"
        raise NoSuchAction(f"cannot find an action {words[0]} of {name}; {remedy}")
    usage, text, role = known[words[0]].usage, known[words[0]].documentation, known[words[0]].role.word
    result = {"action": words[0], "usage": usage, "documentation": text, "role": role}
    return Reply(result, f"{words[0]}{f' {usage}' if usage else ''}: {text}\nIt needs the role {role}.\n")
