"""Real calls between real jamids: whom one can ask, who can be called, and who calls.

jamid 13.7.0 breaks now and then where a call ends while its sound begins (a core shows it asking a decoder that is not
there), and loses a call now and then right after it began. So whoever is asked may have to come back first, and a call
is repeated until it stands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio
from attrs import frozen

from herd.core.bus import Bus, BusCall, BusSignal
from herd.daemon.dbus import BusError, connected
from herd_services.jami import call_manager, calls
from herd_services.jami.call_manager import CallManager
from herd_services.jami.calls import Jami
from herd_services.jami.waiting import await_jamid
from jami import tools
from support import PATIENCE

T = TypeVar("T")
_BUS = "org.freedesktop.DBus"
_SOUND = {"MEDIA_TYPE": "MEDIA_TYPE_AUDIO", "ENABLED": "true", "MUTED": "false", "SOURCE": "", "LABEL": "audio_0"}
# A call takes seconds; a machine under load may need several attempts, of up to 30 seconds each by jamid's clock.
_PATIENCE = 4 * PATIENCE


def ask(socket: Path, question: Callable[[Jami], Awaitable[T]]) -> T:
    """What the jamid at a bus answers to a connection of our own; one that ends meanwhile is asked again."""

    async def run() -> T:
        with trio.fail_after(_PATIENCE):
            while True:
                try:
                    async with connected(socket) as bus, bus.signals(_BUS, "NameOwnerChanged") as owners:
                        await await_jamid(tools().Reach(bus))
                        async with trio.open_nursery() as nursery:
                            nursery.start_soon(_cancel_once_gone, owners, nursery.cancel_scope)
                            answer = await question(Jami(bus))
                            nursery.cancel_scope.cancel()
                            return answer
                except* BusError:
                    pass

    return trio.run(run)


async def _cancel_once_gone(owners: AsyncIterator[BusSignal], scope: trio.CancelScope) -> None:
    async for signal in owners:
        if signal.body[0] == calls.NAME and not signal.body[2]:
            scope.cancel()


async def registered(jami: Jami, fingerprint: str) -> str:
    """jamid's id of an account, once others can find that."""
    async with jami.bus.signals(calls.INTERFACE, "registrationStateChanged", "knownDevicesChanged") as signals:
        while True:
            for account in await jami.account_ids():
                state = (await jami.volatile_details(account)).get("Account.registrationStatus")
                if (await jami.details(account)).get(calls.USERNAME) == fingerprint and state == "REGISTERED":
                    return account
            await anext(signals)


@frozen
class Party:
    """An account in the network: its fingerprint, and the bus of its jamid."""

    fingerprint: str
    socket: Path

    def ask(self, question: Callable[[CallManager, str], Awaitable[T]]) -> T:
        """What its jamid answers, which is told its own id of the account."""

        async def run(jami: Jami) -> T:
            return await question(CallManager(jami.bus), await registered(jami, self.fingerprint))

        return ask(self.socket, run)

    def until(self, question: Callable[[CallManager, str], Awaitable[T]], satisfied: Callable[[T], object]) -> T:
        """The answer once it is satisfying: now, or after a change of calls or conferences."""
        last: list[T] = []

        async def run(manager: CallManager, account: str) -> T:
            async with manager.changes() as signals:
                while True:
                    last[:] = [await question(manager, account)]
                    if satisfied(last[0]):
                        return last[0]
                    await anext(signals)

        try:
            return self.ask(run)
        except trio.TooSlowError:
            raise AssertionError(f"jamid did not come to be as wanted; its last answer was {last}") from None

    def calls(self) -> list[str]:
        """Its calls."""
        return self.ask(CallManager.call_ids)

    def hang_up(self) -> None:
        """End all its calls."""

        async def question(manager: CallManager, account: str) -> None:
            for call in await manager.call_ids(account):
                await manager.hang_up(account, call)

        self.ask(question)
        self.until_alone()

    def until_alone(self) -> None:
        """Return once it has no call."""
        self.until(CallManager.call_ids, lambda ids: not ids)

    def accept(self) -> None:
        """Take the call that rings, or is about to."""

        async def states(manager: CallManager, account: str) -> list[str]:
            found = []
            for call in await manager.call_ids(account):
                found.append((await manager.call_details(account, call)).get("CALL_STATE", ""))
                if found[-1] == "INCOMING":
                    await manager.bus.call(_call("accept", "ss", account, call))
            return found

        self.until(states, lambda found: found == ["CURRENT"])

    def rows(self) -> list[Mapping[str, str]]:
        """The infos of its conferences, which tell of people who left, too."""
        return self.ask(_rows)


@frozen
class Caller(Party):
    """Somebody with an account on a jamid of his own."""

    name: str

    def join(self, meeting: Party) -> str:
        """Take part in the conference of all who call; the id of the call once the conference tells of it."""
        return self.ask(partial(_joined, meeting))

    def ring(self, party: Party) -> None:
        """Begin to call somebody."""
        self.ask(lambda manager, account: _place(manager.bus, account, party))

    def raise_hand(self, call: str) -> None:
        """Ask to speak."""

        async def question(manager: CallManager, account: str) -> None:
            device = (await Jami(manager.bus).volatile_details(account))["Account.deviceID"]
            await manager.bus.call(_call("raiseHand", "ssssb", account, call, self.fingerprint, device, True))

        self.ask(question)

    def until_told(self, call: str, flag: str, value: bool) -> None:
        """Return once the conference that he called tells him so of himself."""

        async def flags(manager: CallManager, account: str) -> set[str]:
            rows = await manager.infos(account, call)
            return {row[flag] for row in rows if row[call_manager.URI].startswith(self.fingerprint)}

        self.until(flags, lambda told: told == {str(value).lower()})


def _call(member: str, signature: str, *body: object) -> BusCall:
    return BusCall(calls.NAME, "/cx/ring/Ring/CallManager", call_manager.INTERFACE, member, signature, body)


async def _rows(manager: CallManager, account: str) -> list[Mapping[str, str]]:
    ids = await manager.conference_ids(account)
    return [row for conference in ids for row in await manager.infos(account, conference)]


async def _known(manager: CallManager, account: str) -> set[str]:
    """The calls of whom the conference tells."""
    told = {row[call_manager.STREAM].partition("_")[0] for row in await _rows(manager, account)}
    return told & set(await manager.call_ids(account))


async def _place(bus: Bus, account: str, party: Party) -> str:
    return str((await bus.call(_call("placeCallWithMedia", "ssaa{ss}", account, party.fingerprint, [_SOUND])))[0])


async def _joined(meeting: Party, manager: CallManager, account: str) -> str:
    async with connected(meeting.socket) as bus, manager.changes() as signals:
        host, hosting = CallManager(bus), await registered(Jami(bus), meeting.fingerprint)
        before = await _known(host, hosting)
        while True:
            call = await _standing(manager, account, meeting, signals)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_once_over, call, signals, nursery.cancel_scope)
                async with host.changes() as changes:
                    while not await _known(host, hosting) - before:
                        await anext(changes)
                nursery.cancel_scope.cancel()
                return call


async def _standing(manager: CallManager, account: str, party: Party, signals: AsyncIterator[BusSignal]) -> str:
    while True:
        call = await _place(manager.bus, account, party)
        async for signal in signals:
            if signal.member == "callStateChanged" and signal.body[1] == call:
                if signal.body[2] == "CURRENT":
                    return call
                if signal.body[2] == "OVER":
                    break


async def _cancel_once_over(call: str, signals: AsyncIterator[BusSignal], scope: trio.CancelScope) -> None:
    async for signal in signals:
        if signal.member == "callStateChanged" and signal.body[1:3] == (call, "OVER"):
            scope.cancel()
