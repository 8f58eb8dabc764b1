"""Bans: decided for a contact on one account or on all, lifted, and taken over from a file, all or none of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import evolve

from herd.core.action import Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.ledger import Kind
from herd.core.words import clock
from herd_services.jami.accounts import Account, all_accounts, find
from herd_services.jami.bans import WORDS
from herd_services.jami.calls import Jami
from herd_services.jami.decision import Step, carry_out
from herd_services.jami.fingerprint import fingerprint
from herd_services.jami.following import follow_all
from herd_services.jami.judgement import Standing
from herd_services.jami.people import contact as contact_of
from herd_services.jami.standing import standing
from herd_services.moderation.banfile import MAX_FILE, Judge, Wish, wishes
from herd_services.moderation.files import imported
from herd_services.terms import Terms, terms

_JUDGE = Judge(fingerprint, fingerprint)


async def ban_contact(host: Host, call: Invocation) -> Reply:
    """CONTACT [ACCOUNT]: on one account or on all; whoever is banned moderates no more."""
    contact = await contact_of(host, call.arguments[0])
    present = await all_accounts(host)
    name = call.arguments.optional(1)
    accounts = present if name is None else [await find(host, name)]
    _refuse_own(contact, present)
    if not accounts:
        raise HerdError(f"cannot ban {contact}: there is no account; see: herd status jami")
    on = terms(host, call)
    steps = [_ban(each, await _standing(host, each), {contact: on}) for each in accounts]
    await carry_out(host, steps, f"ban {contact} from")
    warnings = await follow_all(host, steps)
    until = "" if on.until is None else f" until {clock(on.until)}"
    text = "".join(f"{contact} is banned from account {account.name}{until}.\n" for account in accounts)
    result = {"contact": contact, "accounts": [account.fingerprint for account in accounts]}
    return Reply(result, text, warnings)


def _refuse_own(contact: str, accounts: Collection[Account]) -> None:
    if contact in {account.fingerprint for account in accounts}:
        raise HerdError(
            f"cannot ban {contact}: it is an account of this host; disable it with: herd disable-account jami"
        )


async def _standing(host: Host, account: Account) -> Standing:
    return await standing(Jami(host.bus), account.id)


def _ban(account: Account, present: Standing, contacts: dict[str, Terms]) -> Step:
    gone = frozenset(contacts)
    wanted = evolve(
        present,
        banned=present.banned | gone,
        contacts=present.contacts - gone,
        moderators=present.moderators - gone,
    )
    changes = [on.change(account.fingerprint, each, Kind.BAN, holds=True) for each, on in contacts.items()]
    # Moderation is lost with the ban and does not come back when that ends.
    lost = [
        evolve(on, until=None).change(account.fingerprint, each, Kind.MODERATOR, holds=False)
        for each, on in contacts.items()
        if each in present.moderators
    ]
    return Step(account, present, wanted, (*changes, *lost))


async def unban_contact(host: Host, call: Invocation) -> Reply:
    """CONTACT [ACCOUNT]: on one account, or on all where there is a ban."""
    contact = await contact_of(host, call.arguments[0])
    name, on = call.arguments.optional(1), terms(host, call)
    accounts = await all_accounts(host) if name is None else [await find(host, name)]
    standings = [(each, await _standing(host, each)) for each in accounts]
    steps = [
        Step(
            account,
            present,
            evolve(present, banned=present.banned - {contact}),
            (on.change(account.fingerprint, contact, Kind.BAN, holds=False),),
        )
        for account, present in standings
        if contact in present.banned
    ]
    if not steps:
        where = "any account" if name is None else f"account {accounts[0].name}"
        raise HerdError(f"cannot unban {contact}: it is not banned from {where}; see: herd list-banned-contacts jami")
    await carry_out(host, steps, f"unban {contact} from")
    text = "".join(f"{contact} is no longer banned from account {step.account.name}.\n" for step in steps)
    return Reply({"contact": contact, "accounts": [step.account.fingerprint for step in steps]}, text)


async def import_bans(host: Host, call: Invocation) -> Reply:
    """FILE: what export-bans prints, carried out all or not at all; with --dry-run only told."""
    name, is_trial = call.arguments[0], "--dry-run" in call.arguments.options
    asked = wishes(await call.caller.read_file(name, MAX_FILE), name, host.now(), WORDS, _JUDGE)
    accounts = await all_accounts(host)
    for wish in asked:
        _refuse_own(wish.subject, accounts)
    steps, known = [], 0
    for account in accounts:
        present = await _standing(host, account)
        of_account = [each for each in asked if each.place in (None, account.fingerprint)]
        new = {each.subject: _terms(host, call, each) for each in of_account if each.subject not in present.banned}
        known += len({each.subject for each in of_account} & present.banned)
        if new:
            steps.append(_ban(account, present, new))
    _refuse_unknown(asked, accounts)
    warnings: tuple[str, ...] = ()
    if steps and not is_trial:
        await carry_out(host, steps, f"import the bans of {name} for")
        warnings = await follow_all(host, steps)
    names = {account.fingerprint: account.name for account in accounts}
    bans = [change for step in steps for change in step.changes if change.kind is Kind.BAN]
    words = evolve(WORDS, where=lambda place: f" from account {names[place]}")
    return evolve(imported(bans, known, words, is_trial=is_trial), warnings=warnings)


def _terms(host: Host, call: Invocation, wish: Wish) -> Terms:
    return evolve(terms(host, call), reason=wish.reason, until=wish.until)


def _refuse_unknown(asked: Sequence[Wish], accounts: Collection[Account]) -> None:
    here = {None, *(account.fingerprint for account in accounts)}
    if missing := sorted({each.place for each in asked if each.place not in here and each.place is not None}):
        raise HerdError(
            f"cannot import the bans: there is no account {', '.join(missing)}; "
            "without the field Account a ban is for all accounts"
        )
    if not accounts:
        raise HerdError("cannot import the bans: there is no account; see: herd status jami")
