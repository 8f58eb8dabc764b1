"""A decision carried out: the ledger keeps it, for all accounts or none; jamid is changed and read back.

What jamid does not take is taken back and withdrawn; where jamid is gone and may have kept it, its opposite is decided
with that. Whoever is killed in between leaves a decision in the ledger that the next start carries out (upholding.py),
so nothing is ever half done.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from attrs import evolve, frozen

from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.ledger import Change, Kind
from herd_services.jami.accounts import Account
from herd_services.jami.calls import Jami
from herd_services.jami.judgement import Standing
from herd_services.jami.standing import bring, standing

# The author of what nobody asked for.
HERDD = "herdd"
# Of what the ledger remembers: before a fingerprint, that anyone moderated before what did not take.
ANYONE = "anyone-moderates:"


@frozen
class Step:
    """What the decision changes in one account."""

    account: Account
    present: Standing
    wanted: Standing
    changes: tuple[Change, ...]

    def opposite(self, now: float) -> list[Change]:
        """What takes back the changes of which jamid may have kept something: as it was before, by herdd's word."""
        before = {
            Kind.BAN: self.present.banned,
            Kind.MODERATOR: self.present.moderators,
            Kind.CONTACT: self.present.contacts,
        }
        return [
            evolve(change, holds=not change.holds, author=HERDD, at=now, reason="it did not take", until=None)
            for change in self.changes
            if (change.subject in before[change.kind]) is not change.holds
            # A word about moderators would be the end of that.
            and not (change.kind is Kind.MODERATOR and self.present.anyone_moderates)
        ]


async def carry_out(host: Host, steps: Sequence[Step], attempt: str) -> None:
    """Keep it, change jamid, read back. Raises HerdError ("cannot ATTEMPT account …"), and then nothing of it lasts."""
    numbers = await host.ledger.record([change for step in steps for change in step.changes])
    try:
        await host.gather([partial(_change, host, step, attempt) for step in steps])
    except HerdError:
        # Before it is withdrawn: whoever is killed in between leaves all of it in force.
        left = [step for step in steps if not await _is_taken_back(host, step)]
        for step in left:
            if step.present.anyone_moderates:
                await host.ledger.remember(f"{ANYONE}{step.account.fingerprint}", "")
        await host.ledger.withdraw(numbers, [change for step in left for change in step.opposite(host.now())])
        raise


async def _change(host: Host, step: Step, attempt: str) -> None:
    if await bring(Jami(host.bus), step.account.id, step.present, step.wanted):
        raise HerdError(f"cannot {attempt} account {step.account.name}: jamid did not take it; try again")


async def _is_taken_back(host: Host, step: Step) -> bool:
    """Whether it is as it was. Where jamid does not answer, its next start finds in the ledger what to do."""
    try:
        jami = Jami(host.bus)
        return not await bring(jami, step.account.id, await standing(jami, step.account.id), step.present)
    except HerdError as error:
        host.say(f"account {step.account.name}: what did not take is taken back later: {error.message}")
        return False
