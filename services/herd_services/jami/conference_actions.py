"""The actions for what runs now: who takes part in an account's conferences, muted, unmuted and hung up."""

from __future__ import annotations

from typing import Any

from herd.core.action import Action, Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.role import Role
from herd.core.words import count
from herd_services.jami import call_manager
from herd_services.jami.accounts import Account, all_accounts, find
from herd_services.jami.conferences import Conference, Participant, conferences, hang_up_contact, mute
from herd_services.jami.people import contact as contact_of
from herd_services.turn import change

_MAX_NAME = 60
# What the infos call it, the key for programs, the mark for people.
_FLAGS = (
    (call_manager.MODERATOR, "moderator", "moderator"),
    (call_manager.MUTED, "muted", "muted"),
    (call_manager.MUTED_BY_ITSELF, "mutedByItself", "muted by itself"),
    (call_manager.HAND_RAISED, "handRaised", "hand raised"),
    (call_manager.RECORDING, "recording", "recording"),
)


async def list_conferences(host: Host, call: Invocation) -> Reply:
    """[ACCOUNT]: who takes part in which conference; accounts without any are left out."""
    found = [(each, await conferences(host, each)) for each in await _accounts(host, call.arguments.optional(0))]
    running = [(account, held) for account, held in found if held]
    blocks = [_block(account, held) for account, held in running]
    return Reply({"accounts": [_told(*each) for each in running]}, "".join(blocks) or "There is no conference.\n")


async def _accounts(host: Host, name: str | None) -> list[Account]:
    return await all_accounts(host) if name is None else [await find(host, name)]


def _block(account: Account, held: list[Conference]) -> str:
    lines = [f"Conferences of account {account.name}:"]
    for conference in held:
        lines += [f"  - {conference.id}", *(f"    - {_line(each)}" for each in conference.participants)]
    return "\n".join(lines) + "\n\n"


def _line(who: Participant) -> str:
    name = _one_line(who.name)
    marks = "".join(f" [{mark}]" for flag, _, mark in _FLAGS if who.has(flag))
    return f"{_one_line(who.peer)}{f' ({name})' if name else ''}{marks}"


def _one_line(text: str) -> str:
    """A name that any caller gives itself must neither break the listing nor steer a terminal."""
    printable = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(printable.split())[:_MAX_NAME]


def _told(account: Account, held: list[Conference]) -> dict[str, Any]:
    listed = [{"id": each.id, "participants": [_facts(who) for who in each.participants]} for each in held]
    return {"fingerprint": account.fingerprint, "name": account.name, "conferences": listed}


def _facts(who: Participant) -> dict[str, Any]:
    known = {"fingerprint": who.peer, "displayName": who.name, "call": who.call}
    return known | {key: who.has(flag) for flag, key, _ in _FLAGS}


async def mute_participant(host: Host, call: Invocation) -> Reply:
    """CONTACT ACCOUNT: heard no more, until it is unmuted or calls anew."""
    return await _set_muted(host, call, state=True)


async def unmute_participant(host: Host, call: Invocation) -> Reply:
    """CONTACT ACCOUNT: heard again."""
    return await _set_muted(host, call, state=False)


async def _set_muted(host: Host, call: Invocation, *, state: bool) -> Reply:
    word = "mute" if state else "unmute"
    contact = await contact_of(host, call.arguments[0])
    account = await find(host, call.arguments[1])
    ids = await mute(host, account, contact, state)
    if not ids:
        raise HerdError(
            f"cannot {word} {contact}: it is in no conference of account {account.name}; "
            "see: herd list-conferences jami"
        )
    how = "muted" if state else "no longer muted"
    text = "".join(f"{contact} is {how} in conference {each} of account {account.name}.\n" for each in ids)
    return Reply({"account": account.fingerprint, "contact": contact, "conferences": ids, "muted": state}, text)


async def hang_up(host: Host, call: Invocation) -> Reply:
    """CONTACT [ACCOUNT]: its calls with one account or with all; it may call again."""
    contact = await contact_of(host, call.arguments[0])
    name = call.arguments.optional(1)
    accounts = await _accounts(host, name)
    ended = [(each, number) for each in accounts if (number := await hang_up_contact(host, each, contact))]
    if not ended:
        where = "any account" if name is None else f"account {accounts[0].name}"
        raise HerdError(f"cannot hang up {contact}: it has no call with {where}; see: herd list-conferences jami")
    text = "".join(
        f"{count(number, 'call')} of {contact} with account {each.name} {'has' if number == 1 else 'have'} ended.\n"
        for each, number in ended
    )
    told = [{"fingerprint": each.fingerprint, "name": each.name, "calls": number} for each, number in ended]
    return Reply({"contact": contact, "accounts": told}, text)


ACTIONS = (
    Action(
        "list-conferences",
        "List who takes part in the conferences of an account, or of all, and who of them moderates or is muted.",
        list_conferences,
        "[ACCOUNT]",
        role=Role.MODERATOR,
    ),
    change(
        "mute-participant",
        "Let a contact be heard no more in an account's conferences, until it is unmuted or calls anew.",
        mute_participant,
        "CONTACT ACCOUNT",
        role=Role.MODERATOR,
    ),
    change(
        "unmute-participant",
        "Let a contact that was muted be heard again in an account's conferences.",
        unmute_participant,
        "CONTACT ACCOUNT",
        role=Role.MODERATOR,
    ),
    change(
        "hang-up",
        "End the calls of a contact with an account, or with all; unless it is banned it may call again.",
        hang_up,
        "CONTACT [ACCOUNT]",
        role=Role.MODERATOR,
    ),
)
