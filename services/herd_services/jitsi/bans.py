"""Bans on Prosody: who may not enter rooms, decided in herd's ledger and kept by a module of Prosody's.

A room of Jitsi Meet lives no longer than its conference, and a ban of its own with it. So the module looks at everybody
who is about to enter, in a file that is written anew with each decision; a ban whose time is up counts no longer there,
too. Module API: prosody.im/doc/developers/moduleapi.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.errors import HerdError, WrongUsage
from herd.core.host import Host
from herd.core.ledger import Change, Entry, Kind, latest
from herd.core.role import Role
from herd.core.words import clock
from herd_services.jitsi import lua
from herd_services.jitsi.console import Console
from herd_services.jitsi.deployment import Deployment
from herd_services.method import Method
from herd_services.moderation.ban import Ban, Words, records
from herd_services.moderation.banfile import MAX_FILE, Judge, wishes
from herd_services.moderation.files import ban_file_actions, imported
from herd_services.moderation.history import history
from herd_services.terms import terms
from herd_services.turn import change

MODULE = "herd_bans"
# Of a change in the ledger: wherever people meet.
EVERYWHERE = "*"
_ADDRESS = re.compile(r"[^@/\s\"&'<>:]{1,200}@[A-Za-z0-9.-]{1,200}")

_SOURCE = """\
-- Written by herdd: keeps whom it has banned out of rooms.
local st, jid = require "util.stanza", require "util.jid";
local banned = dofile({file});

local function ban_of(from, room)
    local one = banned[jid.bare(from)];
    local ban = one and (one["*"] or one[room]);
    if ban and (ban["until"] == 0 or ban["until"] > os.time()) then return ban; end
end

module:hook("muc-occupant-pre-join", function (event)
    local ban = ban_of(event.stanza.attr.from, event.room.jid);
    if ban then
        event.origin.send(st.error_reply(event.stanza, "auth", "forbidden", ban.reason ~= "" and ban.reason or nil));
        return true;
    end
end, 1000);
"""


def address(text: str) -> str:
    """The one form of somebody's. Raises ValueError, a clause."""
    if not _ADDRESS.fullmatch(text.lower()):
        raise ValueError("an address is like ann@meet.example.org")
    return text.lower()


@frozen
class Bans:
    """Those of one Prosody: the module's file, and the one that it reads."""

    console: Console
    deployment: Deployment
    modules: Path
    file: Path

    async def provide(self, host: Host) -> None:
        """The module, and what it reads, as the ledger has it."""
        source = _SOURCE.format(file=lua.text(str(self.file)))
        await host.write_file(self.modules / f"mod_{MODULE}.lua", source.encode(), 0o600)
        await self._write(host)

    async def ban(self, host: Host, call: Invocation) -> Reply:
        """ADDRESS [ROOM]: out at once, and in no more."""
        decision = self._change(host, call, holds=True)
        await self._decide(host, [decision])
        until = "" if decision.until is None else f" until {clock(decision.until)}"
        text = f"{decision.subject} is banned from {_place(decision.place)}{until}.\n"
        return Reply({"address": decision.subject, "room": decision.place}, text)

    async def unban(self, host: Host, call: Invocation) -> Reply:
        """ADDRESS [ROOM]: may enter again; without a room, wherever it is banned from."""
        wanted = self._change(host, call, holds=False)
        is_everything = call.arguments.optional(1) is None
        decisions = [
            evolve(wanted, place=each.change.place)
            for each in await self._holding(host)
            if each.change.subject == wanted.subject and (is_everything or each.change.place == wanted.place)
        ]
        if not decisions:
            where = "anywhere" if is_everything else f"from {_place(wanted.place)}"
            raise HerdError(f"cannot unban {wanted.subject}: it is not banned {where}; see: herd list-bans prosody")
        await self._decide(host, decisions)
        text = "".join(f"{each.subject} is no longer banned from {_place(each.place)}.\n" for each in decisions)
        return Reply({"address": wanted.subject, "rooms": [each.place for each in decisions]}, text)

    async def list_bans(self, host: Host, call: Invocation) -> Reply:
        """Every ban that counts, with who decided it, and why."""
        found = await self._in_force(host)
        facts = {"bans": [each.facts(WORDS) for each in found]}
        if "--records" in call.arguments.options:
            return Reply(facts, records(found, WORDS))
        return Reply(facts, "".join(each.line(WORDS) for each in found) or "Nobody is banned.\n")

    async def export(self, host: Host, call: Invocation) -> Reply:
        """All bans, as import-bans reads them."""
        found = await self._in_force(host)
        return Reply({"bans": [each.facts(WORDS) for each in found]}, records(found, WORDS))

    async def import_bans(self, host: Host, call: Invocation) -> Reply:
        """FILE: what export-bans prints, carried out all or not at all; with --dry-run only told."""
        name, is_trial = call.arguments[0], "--dry-run" in call.arguments.options
        judge = Judge(self._address, self._room)
        asked = wishes(await call.caller.read_file(name, MAX_FILE), name, host.now(), WORDS, judge)
        on, known = terms(host, call), {each.change.what for each in await self._holding(host)}
        changes = [
            evolve(on, reason=each.reason, until=each.until).change(
                each.place or EVERYWHERE, each.subject, Kind.BAN, holds=True
            )
            for each in asked
        ]
        new = [each for each in changes if each.what not in known]
        if new and not is_trial:
            await self._decide(host, new)
        return imported(new, len(changes) - len(new), WORDS, is_trial=is_trial)

    async def history(self, host: Host, call: Invocation) -> Reply:
        """Every decision, or those about somebody."""
        entries = await host.ledger.history()
        if (wanted := call.arguments.optional(0)) is not None:
            entries = [each for each in entries if each.change.subject == wanted.lower()]
            if not entries:
                raise HerdError(f"cannot find {wanted} in the ledger; see: herd history prosody")
        return history(entries, _deed, "address", "room")

    async def _in_force(self, host: Host) -> list[Ban]:
        return [Ban(each.change.place, each.change.subject, each.change) for each in await self._holding(host)]

    def _change(self, host: Host, call: Invocation, *, holds: bool) -> Change:
        given, room = call.arguments[0], call.arguments.optional(1)
        attempt = "ban" if holds else "unban"
        try:
            whom = self._address(given)
            place = EVERYWHERE if room is None else self._room(room)
        except ValueError as error:
            raise WrongUsage(
                f"cannot {attempt} {given[:80]}: {error}; see: herd list-occupants prosody ROOM"
            ) from error
        return terms(host, call).change(place, whom, Kind.BAN, holds=holds)

    def _address(self, text: str) -> str:
        """The one form of somebody's. Raises ValueError, a clause."""
        found = address(text)
        if found.partition("@")[2] == self.deployment.auth_domain:
            raise ValueError("it is an account of a service, to be ended with: herd delete-user prosody")
        return found

    def _room(self, name: str) -> str:
        """The one form of a room's. Raises ValueError, a clause."""
        if name == EVERYWHERE:
            return name
        room = name.lower() if "@" in name else f"{name.lower()}@{self.deployment.conference_muc}"
        if not _ADDRESS.fullmatch(room) or room.partition("@")[2] != self.deployment.conference_muc:
            raise ValueError(f"people meet in rooms of {self.deployment.conference_muc}")
        return room

    async def _holding(self, host: Host) -> list[Entry]:
        entries = latest(await host.ledger.counting()).values()
        return [each for each in entries if each.change.holds and not each.change.is_over(host.now())]

    async def _decide(self, host: Host, changes: Sequence[Change]) -> None:
        """Keep it, and have Prosody keep it. Raises HerdError, and then nothing of it lasts."""
        numbers = await host.ledger.record(changes)
        try:
            await self.apply(host)
            for each in changes:
                if each.holds:
                    await self._put_out(host, each)
        except HerdError:
            await host.ledger.withdraw(numbers)
            await self._write(host)
            raise

    async def _write(self, host: Host) -> None:
        banned: dict[str, dict[str, Any]] = {}
        for each in await self._holding(host):
            change = each.change
            facts = {"until": math.ceil(change.until or 0), "reason": change.reason or ""}
            banned.setdefault(change.subject, {})[change.place] = facts
        await host.write_file(self.file, f"return {lua.literal(banned)};\n".encode(), 0o600)

    async def apply(self, host: Host) -> None:
        """Have the Prosody that runs keep the bans as the ledger has them. Raises HerdError."""
        await self._write(host)
        place = lua.text(self.deployment.conference_muc)
        order = (
            f"local done, problem = require('core.modulemanager').reload({place}, '{MODULE}');"
            " if not done then say('refused', problem) end"
        )
        if found := await self.console.told(host, order):
            raise HerdError(f"cannot have prosody keep its bans: {found[0][1]}; see: herd log prosody")

    async def _put_out(self, host: Host, change: Change) -> None:
        place, address, reason = (
            lua.text(each) for each in (self.deployment.conference_muc, change.subject, change.reason or "")
        )
        only = "true" if change.place == EVERYWHERE else f"room.jid == {lua.text(change.place)}"
        order = (
            f"local muc = require('core.modulemanager').get_module({place}, 'muc');"
            f" for room in muc.each_room() do if {only} then local gone = {{}};"
            f" for nick, who in room:each_occupant() do"
            f" if who.bare_jid == {address} then gone[#gone + 1] = nick end end;"
            f" for _, nick in ipairs(gone) do room:set_role(true, nick, nil, {reason}) end end end"
        )
        await self.console.told(host, order)


def _place(place: str) -> str:
    return "every room" if place == EVERYWHERE else place


def _where(place: str) -> str:
    return f" from {_place(place)}"


WORDS = Words("prosody", "Address", "Room", "line", "line", _where)


def _deed(change: Change) -> str:
    return f"{'banned' if change.holds else 'unbanned'} {change.subject} from {_place(change.place)}"


def ban_actions(bans: Bans) -> tuple[Action, ...]:
    """Those of the service. Changes have their turns, for all of them write one file."""
    return (
        change(
            "ban-jid",
            "Put somebody out of a room, or of all where people meet, and let that one in no more.",
            Method(bans, Bans.ban),
            "ADDRESS [ROOM] [--reason TEXT] [--for DURATION]",
            role=Role.MODERATOR,
        ),
        change(
            "unban-jid",
            "Let somebody enter again.",
            Method(bans, Bans.unban),
            "ADDRESS [ROOM] [--reason TEXT]",
            role=Role.MODERATOR,
        ),
        *ban_file_actions(Method(bans, Bans.list_bans), Method(bans, Bans.export), Method(bans, Bans.import_bans)),
        Action(
            "history",
            "Tell who banned whom from where, when and why.",
            Method(bans, Bans.history),
            "[ADDRESS]",
            role=Role.MODERATOR,
        ),
    )
