"""Moderators and contacts: named, removed. What is asked is checked against what jamid has first."""

from __future__ import annotations

from attrs import evolve, frozen

from herd.core.action import Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.ledger import Kind
from herd.core.words import clock
from herd_services.jami.accounts import Account, find
from herd_services.jami.calls import Jami
from herd_services.jami.decision import Step, carry_out
from herd_services.jami.following import follow
from herd_services.jami.judgement import Standing
from herd_services.jami.people import contact as contact_of
from herd_services.jami.standing import standing
from herd_services.terms import terms


@frozen
class _Case:
    """A contact and an account, as they are before the decision."""

    account: Account
    contact: str
    present: Standing


async def _case(host: Host, call: Invocation, attempt: str) -> _Case:
    """CONTACT ACCOUNT. Raises HerdError ("cannot ATTEMPT") where they are the same."""
    contact = await contact_of(host, call.arguments[0])
    account = await find(host, call.arguments[1])
    if contact == account.fingerprint:
        raise HerdError(f"cannot {attempt.format(contact)}: it is the account's own fingerprint; name a contact")
    return _Case(account, contact, await standing(Jami(host.bus), account.id))


def _refuse_banned(case: _Case, attempt: str) -> None:
    if case.contact in case.present.banned:
        raise HerdError(
            f"cannot {attempt}: it is banned from account {case.account.name}; "
            f"unban it first: herd unban-contact jami {case.contact}"
        )


async def add_moderator(host: Host, call: Invocation) -> Reply:
    """CONTACT ACCOUNT: from now on only those who are named moderate."""
    case = await _case(host, call, "make {} a moderator")
    contact, account, present, on = case.contact, case.account, case.present, terms(host, call)
    _refuse_banned(case, f"make {contact} a moderator")
    wanted = evolve(present, moderators=present.moderators | {contact}, anyone_moderates=False)
    change = on.change(account.fingerprint, contact, Kind.MODERATOR, holds=True)
    await carry_out(host, [Step(account, present, wanted, (change,))], f"make {contact} a moderator for")
    until = "" if on.until is None else f" until {clock(on.until)}"
    text = f"{contact} is a moderator for account {account.name}{until}.\n"
    warnings = await follow(host, account, present, wanted)
    return Reply({"account": account.fingerprint, "moderator": contact}, text, warnings)


async def remove_moderator(host: Host, call: Invocation) -> Reply:
    """CONTACT ACCOUNT: not the last one, unless that is what is wanted."""
    case = await _case(host, call, "remove the moderator {}")
    contact, account, present = case.contact, case.account, case.present
    if problem := _keeps_moderator(case, forced="--force" in call.arguments.options):
        raise HerdError(f"cannot remove the moderator {contact}: {problem}")
    wanted = evolve(present, moderators=present.moderators - {contact})
    change = terms(host, call).change(account.fingerprint, contact, Kind.MODERATOR, holds=False)
    await carry_out(host, [Step(account, present, wanted, (change,))], f"remove the moderator {contact} of")
    text = f"{contact} is no longer a moderator for account {account.name}.\n"
    warnings = await follow(host, account, present, wanted)
    return Reply({"account": account.fingerprint, "moderator": contact}, text, warnings)


def _keeps_moderator(case: _Case, *, forced: bool) -> str | None:
    name = case.account.name
    if case.present.anyone_moderates:
        return f"anyone can moderate for account {name}; name one first: herd add-moderator jami CONTACT {name}"
    if case.contact not in case.present.moderators:
        return f"it is none of account {name}; see: herd list-moderators jami"
    if len(case.present.moderators) == 1 and not forced:
        return f"it is the last one of account {name}; add another first, or say --force"
    return None


async def add_contact(host: Host, call: Invocation) -> Reply:
    """CONTACT ACCOUNT: whoever is banned is unbanned first."""
    case = await _case(host, call, "add the contact {}")
    _refuse_banned(case, f"add the contact {case.contact}")
    wanted = evolve(case.present, contacts=case.present.contacts | {case.contact})
    return await _decide_contact(host, call, case, wanted)


async def remove_contact(host: Host, call: Invocation) -> Reply:
    """CONTACT ACCOUNT: forgotten, not banned."""
    case = await _case(host, call, "remove the contact {}")
    if case.contact not in case.present.contacts:
        where = f"it is none of account {case.account.name}; see: herd list-contacts jami"
        raise HerdError(f"cannot remove the contact {case.contact}: {where}")
    wanted = evolve(case.present, contacts=case.present.contacts - {case.contact})
    return await _decide_contact(host, call, case, wanted)


async def _decide_contact(host: Host, call: Invocation, case: _Case, wanted: Standing) -> Reply:
    contact, account = case.contact, case.account
    holds = contact in wanted.contacts
    change = terms(host, call).change(account.fingerprint, contact, Kind.CONTACT, holds=holds)
    attempt = f"{'add' if holds else 'remove'} the contact {contact} of"
    await carry_out(host, [Step(account, case.present, wanted, (change,))], attempt)
    text = f"{contact} is {'a' if holds else 'no longer a'} contact of account {account.name}.\n"
    return Reply({"account": account.fingerprint, "contact": contact}, text)
