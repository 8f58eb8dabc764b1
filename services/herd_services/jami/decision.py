"""A decision carried out: the ledger keeps it, for all accounts or none; jamid is changed and read back.

What jamid does not take is withdrawn. Whoever is killed in between leaves a decision in the ledger that the next start
carries out (upholding.py), so nothing is ever half done.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from attrs import frozen

from herd.core.duration import parse_duration
from herd.core.errors import HerdError, WrongUsage
from herd.core.ledger import Change, Kind
from herd.core.service import Host, Invocation
from herd_services.jami.accounts import Account
from herd_services.jami.calls import Jami
from herd_services.jami.judgement import Standing
from herd_services.jami.standing import bring, standing

_MAX_REASON = 500


@frozen
class Terms:
    """What is the same for every change of a decision. Times in wall-clock seconds."""

    author: str
    at: float
    reason: str | None = None
    until: float | None = None

    def change(self, account: Account, contact: str, kind: Kind, *, holds: bool) -> Change:
        """One change on these terms."""
        return Change(account.fingerprint, contact, kind, holds, self.author, self.at, self.reason, self.until)


def terms(host: Host, call: Invocation) -> Terms:
    """What the options --reason and --for say. Raises WrongUsage."""
    reason, duration = call.arguments.options.get("--reason"), call.arguments.options.get("--for")
    if reason is not None and len(reason) > _MAX_REASON:
        raise WrongUsage(f"cannot keep the reason: it has more than {_MAX_REASON} characters; say it in fewer")
    try:
        until = None if duration is None else host.now() + parse_duration(duration)
    except ValueError as error:
        raise WrongUsage(f"cannot take --for: {error}") from error
    return Terms(call.caller.name, host.now(), reason or None, until)


@frozen
class Step:
    """What the decision changes in one account."""

    account: Account
    present: Standing
    wanted: Standing
    changes: tuple[Change, ...]


async def carry_out(host: Host, steps: Sequence[Step], attempt: str) -> None:
    """Keep it, change jamid, read back. Raises HerdError ("cannot ATTEMPT account …"), and then nothing of it lasts."""
    numbers = await host.ledger.record([change for step in steps for change in step.changes])
    try:
        await host.gather([partial(_change, host, step, attempt) for step in steps])
    except HerdError:
        await host.ledger.withdraw(numbers)
        await _take_back(host, steps)
        raise


async def _change(host: Host, step: Step, attempt: str) -> None:
    if await bring(Jami(host.bus), step.account.id, step.present, step.wanted):
        raise HerdError(f"cannot {attempt} account {step.account.name}: jamid did not take it; try again")


async def _take_back(host: Host, steps: Sequence[Step]) -> None:
    """As it was, where jamid still answers; where not, its next start does it."""
    for step in steps:
        try:
            jami = Jami(host.bus)
            await bring(jami, step.account.id, await standing(jami, step.account.id), step.present)
        except HerdError as error:
            host.say(f"account {step.account.name}: what did not take is taken back later: {error.message}")
