"""`check`: what has to be so for a service to be of use, asked one by one, and the classic troubles recognised."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.role import Role
from herd.core.symptom import Symptom, recognised


@frozen
class Check:
    """`what` should be so, a clause; `ask` returns why it is not, or None."""

    what: str
    ask: Callable[[Host], Awaitable[str | None]]


@frozen
class Checker:
    """All of one service."""

    checks: tuple[Check, ...]
    symptoms: tuple[Symptom, ...]

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        """Exit status 1 if anything is not as it should be."""
        found = [(each.what, await _asked(host, each)) for each in self.checks]
        problems = [problem for _, problem in found if problem is not None]
        known = recognised(self.symptoms, [*problems, *host.output()])
        text = "".join(_line(what, problem) for what, problem in found) + _troubles(known)
        result = {
            "checks": [{"what": what, "problem": problem} for what, problem in found],
            "troubles": [{"cause": each.cause, "remedy": each.remedy} for each in known],
        }
        return Reply(result, text, exit_status=1 if problems or known else 0)


async def _asked(host: Host, check: Check) -> str | None:
    try:
        return await check.ask(host)
    except HerdError as error:
        return error.message


def _line(what: str, problem: str | None) -> str:
    return f"  + {what}\n" if problem is None else f"  - {what}: not so: {problem}\n"


def _troubles(known: Sequence[Symptom]) -> str:
    return "".join(f"Likely: {each.cause}; {each.remedy}.\n" for each in known)


def check_action(checks: tuple[Check, ...], symptoms: tuple[Symptom, ...]) -> Action:
    """The action of a service."""
    return Action(
        "check",
        "Look for what keeps it from being of use, and say what mends it.",
        Checker(checks, symptoms),
        role=Role.OBSERVER,
    )
