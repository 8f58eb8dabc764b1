"""What runs now of an account: its conferences and who takes part in them; and how that is changed.

Who is there is judged by the calls. The infos of a conference only add what is set of whoever is there: measured with
jamid 13.7.0, they keep people that left, first by name and then as rows of nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from attrs import frozen

from herd.core.errors import HerdError
from herd.core.host import Host
from herd_services.jami import call_manager
from herd_services.jami.accounts import Account
from herd_services.jami.call_manager import CallManager

# jamid takes some milliseconds.
_PATIENCE = 10.0


@frozen
class Participant:
    """One call in a conference; `peer` is the fingerprint of whoever is at its other end."""

    call: str
    peer: str
    # What it calls itself.
    name: str
    # Those of the conference infos that are about this call.
    rows: tuple[Mapping[str, str], ...]

    def has(self, flag: str) -> bool:
        """Whether a flag of the infos is set."""
        return any(row.get(flag) == "true" for row in self.rows)


@frozen
class Conference:
    """One conference, by jamid's id."""

    id: str
    participants: tuple[Participant, ...]

    def of(self, contact: str) -> tuple[Participant, ...]:
        """The calls by which a contact takes part."""
        return tuple(each for each in self.participants if each.peer == contact)


async def conferences(host: Host, account: Account) -> list[Conference]:
    """The conferences that the account hosts now, each with whoever is there."""
    manager = CallManager(host.bus)
    ids = sorted(await manager.conference_ids(account.id))
    return [Conference(each, await _participants(manager, account.id, each)) for each in ids]


async def _participants(manager: CallManager, account: str, conference: str) -> tuple[Participant, ...]:
    ids = await manager.participants(account, conference)
    details = {each: await manager.call_details(account, each) for each in ids}
    infos = await manager.infos(account, conference)
    found = [_participant(call, of_call, infos) for call, of_call in details.items() if of_call]
    return tuple(sorted(found, key=lambda each: (each.peer, each.call)))


def _participant(call: str, details: Mapping[str, str], infos: list[dict[str, str]]) -> Participant:
    # A stream is named after its call: 3358299285517662_audio_0.
    rows = tuple(row for row in infos if row.get(call_manager.STREAM, "").partition("_")[0] == call)
    return Participant(call, _peer(details), details.get(call_manager.PEER_NAME, ""), rows)


def _peer(details: Mapping[str, str]) -> str:
    """Whoever called is FINGERPRINT@ring.dht, whoever was called a bare fingerprint."""
    return details.get(call_manager.PEER, "").removeprefix("jami:").partition("@")[0].lower()


async def mute(host: Host, account: Account, contact: str, state: bool) -> list[str]:
    """Mute or unmute the contact wherever it takes part; the ids of those conferences. Raises HerdError."""

    async def ask(manager: CallManager, conference: str, who: Participant) -> None:
        await manager.mute(account.id, conference, who.rows[0], state=state)

    attempt = f"{'mute' if state else 'unmute'} {contact}"
    return await _have(host, account, contact, (call_manager.MUTED, state, ask), attempt)


async def set_live_moderator(host: Host, account: Account, contact: str, state: bool) -> None:
    """Let the contact moderate what runs now, or no more; nothing where it takes part in nothing. Raises HerdError."""

    async def ask(manager: CallManager, conference: str, who: Participant) -> None:
        await manager.set_moderator(account.id, conference, contact, state=state)

    attempt = f"{'make' if state else 'keep'} {contact} {'a moderator' if state else 'from moderating'} now"
    await _have(host, account, contact, (call_manager.MODERATOR, state, ask), attempt)


_Ask = Callable[[CallManager, str, Participant], Awaitable[None]]


async def _have(host: Host, account: Account, contact: str, wish: tuple[str, bool, _Ask], attempt: str) -> list[str]:
    """Have a flag of the contact as wanted in every conference that it takes part in, whose ids are returned."""
    try:
        return await host.within(_PATIENCE, partial(_settled, host, account, contact, *wish))
    except TimeoutError:
        raise HerdError(f"cannot {attempt}: jamid did not take it; see: herd list-conferences jami") from None


async def _settled(host: Host, account: Account, contact: str, flag: str, state: bool, ask: _Ask) -> list[str]:
    manager = CallManager(host.bus)
    asked: set[str] = set()
    async with manager.changes() as signals:
        while True:
            there = [(each, who) for each in await conferences(host, account) for who in each.of(contact)]
            waiting = [(each, who) for each, who in there if not who.rows or who.has(flag) is not state]
            if not waiting:
                return sorted({each.id for each, _ in there})
            for conference, who in waiting:
                # The infos tell of somebody new a little later than the calls.
                if who.rows and who.call not in asked:
                    asked.add(who.call)
                    await ask(manager, conference.id, who)
            if await anext(signals, None) is None:
                raise HerdError("cannot look at the conferences: the bus is gone")


async def live_moderators(host: Host, account: Account) -> set[str]:
    """The fingerprints of whoever moderates what runs now."""
    held = await conferences(host, account)
    return {who.peer for each in held for who in each.participants if who.has(call_manager.MODERATOR)}


async def callers(host: Host, account: Account) -> set[str]:
    """The fingerprints of whoever has a call with the account, in a conference or not."""
    manager = CallManager(host.bus)
    return {_peer(await manager.call_details(account.id, each)) for each in await manager.call_ids(account.id)}


async def hang_up_contact(host: Host, account: Account, contact: str) -> int:
    """End all calls of the contact with the account, in conferences or not; how many there were. Raises HerdError."""
    manager = CallManager(host.bus)
    async with manager.changes() as signals:
        ids = await manager.call_ids(account.id)
        mine = {each for each in ids if _peer(await manager.call_details(account.id, each)) == contact}
        for call in mine:
            await manager.hang_up(account.id, call)

        async def ended() -> None:
            left = set(mine)
            while left := left & set(await manager.call_ids(account.id)):
                signal = await anext(signals, None)
                if signal is None:
                    raise HerdError("cannot look at the calls: the bus is gone")
                if signal.member == "callStateChanged" and signal.body[2] == "OVER":
                    left.discard(signal.body[1])

        try:
            await host.within(_PATIENCE, ended)
        except TimeoutError:
            raise HerdError(
                f"cannot hang up {contact} on account {account.name}: jamid did not take it; try again"
            ) from None
    return len(mine)
