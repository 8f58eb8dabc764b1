"""Bans on Prosody: who may not enter rooms, decided in herd's ledger and kept by a module of Prosody's.

A room of Jitsi Meet lives no longer than its conference, and a ban of its own with it. So the module looks at everybody
who is about to enter, in a file that is written anew with each decision; a ban whose time is up counts no longer there,
too. Module API: prosody.im/doc/developers/moduleapi.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from attrs import frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.errors import HerdError, WrongUsage
from herd.core.host import Host
from herd.core.ledger import Change, Entry, Kind, latest
from herd.core.words import clock
from herd_services.jitsi import lua
from herd_services.jitsi.console import Console
from herd_services.jitsi.deployment import Deployment
from herd_services.method import Method
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
        await self._decide(host, decision)
        until = "" if decision.until is None else f" until {clock(decision.until)}"
        text = f"{decision.subject} is banned from {_place(decision.place)}{until}.\n"
        return Reply({"address": decision.subject, "room": decision.place}, text)

    async def unban(self, host: Host, call: Invocation) -> Reply:
        """ADDRESS [ROOM]: may enter again."""
        decision = self._change(host, call, holds=False)
        if not any(each.change.what == decision.what for each in await self._holding(host)):
            where = _place(decision.place)
            raise HerdError(
                f"cannot unban {decision.subject}: it is not banned from {where}; see: herd list-bans prosody"
            )
        await self._decide(host, decision)
        text = f"{decision.subject} is no longer banned from {_place(decision.place)}.\n"
        return Reply({"address": decision.subject, "room": decision.place}, text)

    async def list_bans(self, host: Host, call: Invocation) -> Reply:
        """Every ban that counts, with who decided it, and why."""
        found = [each.change for each in await self._holding(host)]
        return Reply({"bans": [_facts(each) for each in found]}, "".join(map(_line, found)) or "Nobody is banned.\n")

    def _change(self, host: Host, call: Invocation, *, holds: bool) -> Change:
        address, room = call.arguments[0].lower(), call.arguments.optional(1)
        attempt = "ban" if holds else "unban"
        if not _ADDRESS.fullmatch(address):
            raise WrongUsage(
                f"cannot {attempt} {address[:80]!r}: write an address, see: herd list-occupants prosody ROOM"
            )
        if address.partition("@")[2] == self.deployment.auth_domain:
            raise HerdError(f"cannot {attempt} {address}: it is an account of a service; see: herd delete-user prosody")
        place = EVERYWHERE if room is None else self._room(room)
        return terms(host, call).change(place, address, Kind.BAN, holds=holds)

    def _room(self, name: str) -> str:
        room = name.lower() if "@" in name else f"{name.lower()}@{self.deployment.conference_muc}"
        if not _ADDRESS.fullmatch(room) or room.partition("@")[2] != self.deployment.conference_muc:
            raise HerdError(f"cannot ban from {name[:80]}: people meet in rooms of {self.deployment.conference_muc}")
        return room

    async def _holding(self, host: Host) -> list[Entry]:
        entries = latest(await host.ledger.counting()).values()
        return [each for each in entries if each.change.holds and not each.change.is_over(host.now())]

    async def _decide(self, host: Host, change: Change) -> None:
        """Keep it, and have Prosody keep it. Raises HerdError, and then nothing of it lasts."""
        numbers = await host.ledger.record([change])
        try:
            await self.apply(host)
            if change.holds:
                await self._put_out(host, change)
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


def _line(change: Change) -> str:
    until = "" if change.until is None else f" until {clock(change.until)}"
    reason = f": {' '.join(change.reason.split())}" if change.reason else ""
    return f"  - {change.subject}, from {_place(change.place)}, by {change.author}{until}{reason}\n"


def _facts(change: Change) -> dict[str, Any]:
    return {
        "address": change.subject,
        "room": None if change.place == EVERYWHERE else change.place,
        "author": change.author,
        "atUSec": int(change.at * 1e6),
        "reason": change.reason,
        "untilUSec": None if change.until is None else int(change.until * 1e6),
    }


def ban_actions(bans: Bans) -> tuple[Action, ...]:
    """Those of the service. Changes have their turns, for all of them write one file."""
    return (
        change(
            "ban-jid",
            "Put somebody out of a room, or of all where people meet, and let that one in no more.",
            Method(bans, Bans.ban),
            "ADDRESS [ROOM] [--reason TEXT] [--for DURATION]",
        ),
        change("unban-jid", "Let somebody enter again.", Method(bans, Bans.unban), "ADDRESS [ROOM] [--reason TEXT]"),
        Action("list-bans", "List who is banned from where, by whom and why.", Method(bans, Bans.list_bans)),
    )
