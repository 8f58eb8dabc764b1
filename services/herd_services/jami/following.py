"""Calls that run follow what was decided: whoever is banned is hung up, whoever moderates no more does so at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from herd.core.errors import HerdError
from herd.core.host import Host
from herd_services.jami.accounts import Account
from herd_services.jami.conferences import callers, hang_up_contact, live_moderators, set_live_moderator
from herd_services.jami.decision import Step
from herd_services.jami.judgement import Standing


async def follow(host: Host, account: Account, before: Standing, now: Standing) -> tuple[str, ...]:
    """Have what runs as it is `now`. What was decided holds whatever becomes of that; what does not follow is told."""
    problems = []
    try:
        # One after the other, for whoever was hung up moderates nothing.
        for task in await _tasks(host, account, before, now):
            try:
                await task()
            except HerdError as error:
                problems.append(error.message)
    except HerdError as error:
        problems.append(error.message)
    return tuple(problems)


async def _tasks(
    host: Host, account: Account, before: Standing, now: Standing
) -> list[Callable[[], Awaitable[object]]]:
    tasks: list[Callable[[], Awaitable[object]]] = []
    if now.banned:
        gone = now.banned & await callers(host, account)
        tasks += [partial(hang_up_contact, host, account, each) for each in sorted(gone)]
    for each in sorted(await _affected(host, account, before, now)):
        tasks.append(partial(set_live_moderator, host, account, each, each in now.moderators))
    return tasks


async def follow_all(host: Host, steps: Sequence[Step]) -> tuple[str, ...]:
    """The same for each account of a decision."""
    problems: list[str] = []
    for step in steps:
        problems += await follow(host, step.account, step.present, step.wanted)
    return tuple(problems)


async def _affected(host: Host, account: Account, before: Standing, now: Standing) -> set[str]:
    """Who moderates and shall not, or shall and does not."""
    affected = set(before.moderators ^ now.moderators)
    if before.anyone_moderates and not now.anyone_moderates:
        affected |= await live_moderators(host, account) - now.moderators
    return affected
