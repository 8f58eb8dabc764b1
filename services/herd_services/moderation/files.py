"""What every server has to do with files of bans: the actions, and how an import is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from herd.core.action import Action, Invocation, Reply
from herd.core.host import Host
from herd.core.ledger import Change
from herd.core.role import Role
from herd.core.words import count
from herd_services.moderation.ban import Words
from herd_services.turn import change

_Handler = Callable[[Host, Invocation], Awaitable[Reply]]


def imported(new: Sequence[Change], known: int, words: Words, *, is_trial: bool) -> Reply:
    """What became of a file of bans; `known` of it were in force before."""
    mood = "would be" if is_trial else "is"
    text = "".join(f"{each.subject} {mood} banned{words.where(each.place)}.\n" for each in new)
    if known:
        text += f"{count(known, 'ban')} of the file {'is' if known == 1 else 'are'} in force already.\n"
    named = [words.named(each.place, each.subject) for each in new]
    found = [{field.lower(): value for field, value in each.items()} for each in named]
    return Reply({"bans": found, "known": known, "done": not is_trial}, text)


def ban_file_actions(listing: _Handler, export: _Handler, take: _Handler) -> tuple[Action, ...]:
    """list-bans, export-bans, import-bans."""
    return (
        Action("list-bans", "List who is banned, by whom and why.", listing, "[--records]", role=Role.MODERATOR),
        Action("export-bans", "Print the bans as records that import-bans reads.", export, role=Role.MODERATOR),
        change(
            "import-bans",
            "Ban whom a file of records names, all or nobody; with --dry-run only say who that would be.",
            take,
            "FILE [--dry-run]",
            role=Role.MODERATOR,
        ),
    )
