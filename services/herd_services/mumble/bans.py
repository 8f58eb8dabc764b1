"""Bans on a Mumble server: decided in herd's ledger, kept by the server, read back.

Of a certificate, unless an address is asked for: an address may be that of a whole school, or of this host itself. The
server goes on counting a ban's time while herdd does not run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from attrs import evolve, frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host
from herd.core.ledger import Change, Kind, latest, next_end
from herd.core.role import Role
from herd.core.words import clock
from herd_services.method import Method
from herd_services.moderation.ban import Ban, Words, records
from herd_services.moderation.banfile import MAX_FILE, Judge, wishes
from herd_services.moderation.ending import HERDD, closed
from herd_services.moderation.files import ban_file_actions, imported
from herd_services.moderation.history import history
from herd_services.mumble import banlist
from herd_services.mumble.applying import bring, put_out
from herd_services.mumble.banlist import ServerBan, subject
from herd_services.mumble.listening import Place
from herd_services.mumble.messages import BadMessage
from herd_services.mumble.people import known_names, meant, refuse_own
from herd_services.mumble.session import Session, session
from herd_services.terms import terms
from herd_services.turn import change

# Of a change in the ledger: a server is one place.
HERE = "*"
# Seconds until what did not succeed is tried again.
_SOON = 60.0


def _nowhere(place: str) -> str:
    return ""


def _here(text: str) -> str:
    return HERE


WORDS = Words("mumble-server", "Who", None, "line", "line", _nowhere)
_JUDGE = Judge(subject, _here)


@frozen
class Bans:
    """Those of one server."""

    place: Place

    async def ban(self, host: Host, call: Invocation) -> Reply:
        """WHO [--address]: out at once, and in no more."""
        who, on = call.arguments[0], terms(host, call)
        async with session(host, self.place, f"ban {who}") as at:
            whom = await meant(host, at, who, by_address="--address" in call.arguments.options)
            names = await known_names(host, at)
            warnings = await self._decide(host, at, [on.change(HERE, each, Kind.BAN, holds=True) for each in whom])
        until = "" if on.until is None else f" until {clock(on.until)}"
        text = "".join(f"{_label(each, names)} is banned{until}.\n" for each in whom)
        return Reply({"who": list(whom)}, text, warnings)

    async def unban(self, host: Host, call: Invocation) -> Reply:
        """WHO: a certificate, an address, or the name that a ban was made for."""
        who, on = call.arguments[0], terms(host, call)
        async with session(host, self.place, f"unban {who}") as at:
            whom = _banned(await banlist.bans(at), who, await known_names(host, at))
            if not whom:
                raise HerdError(f"cannot unban {who}: it is not banned; see: herd list-bans mumble-server")
            await self._decide(host, at, [on.change(HERE, each, Kind.BAN, holds=False) for each in whom])
        return Reply({"who": list(whom)}, "".join(f"{each} is no longer banned.\n" for each in whom))

    async def list_bans(self, host: Host, call: Invocation) -> Reply:
        """Every ban that the server has, with what the ledger knows of it."""
        found = await self._told(host)
        if "--records" in call.arguments.options:
            return Reply({"bans": [each.facts(WORDS) for each in found]}, records(found, WORDS))
        text = "".join(each.line(WORDS) for each in found) or "Nobody is banned.\n"
        return Reply({"bans": [each.facts(WORDS) for each in found]}, text)

    async def export(self, host: Host, call: Invocation) -> Reply:
        """All bans, as import-bans reads them."""
        found = await self._told(host)
        return Reply({"bans": [each.facts(WORDS) for each in found]}, records(found, WORDS))

    async def import_bans(self, host: Host, call: Invocation) -> Reply:
        """FILE: what export-bans prints, carried out all or not at all; with --dry-run only told."""
        name, is_trial = call.arguments[0], "--dry-run" in call.arguments.options
        asked = wishes(await call.caller.read_file(name, MAX_FILE), name, host.now(), WORDS, _JUDGE)
        for each in asked:
            refuse_own(each.subject)
        on = terms(host, call)
        async with session(host, self.place, "import the bans") as at:
            known = {each for ban in await banlist.bans(at) for each in ban.subjects}
            new = {each.subject: evolve(on, reason=each.reason, until=each.until) for each in asked}
            changes = [one.change(HERE, each, Kind.BAN, holds=True) for each, one in new.items() if each not in known]
            warnings: tuple[str, ...] = ()
            if changes and not is_trial:
                warnings = await self._decide(host, at, changes)
        return evolve(imported(changes, len(new.keys() & known), WORDS, is_trial=is_trial), warnings=warnings)

    async def history(self, host: Host, call: Invocation) -> Reply:
        """Every decision, or those about somebody."""
        wanted, entries = call.arguments.optional(0), await host.ledger.history()
        if wanted is not None:
            entries = [each for each in entries if each.change.subject == _canonical(wanted)]
            if not entries:
                raise HerdError(f"cannot find {wanted} in the ledger; see: herd history mumble-server")
        return history(entries, _deed, "who")

    async def uphold(self, host: Host) -> None:
        """Have the server keep what the ledger says. Raises HerdError."""
        async with host.alone():
            entries = latest(await closed(host)).values()
            if not entries:
                return
            async with session(host, self.place, "uphold the bans") as at:
                names = await known_names(host, at)
                if await bring(at, [each.change for each in entries], names, spares_newer=True):
                    host.say("its bans were brought to what was decided.")

    async def keep(self, host: Host) -> None:
        """Lift each ban on its time."""
        while True:
            version = host.ledger.version
            end = next_end(await host.ledger.counting(), host.now())
            await host.ledger.wait(version, end)
            while end is not None and end <= host.now():
                try:
                    await self.uphold(host)
                    # Said here: the server may have lifted it a moment earlier, for it counts whole seconds.
                    host.say("the time of a ban was up.")
                    break
                except HerdError as error:
                    # The server itself counts, too; those who talk there go on.
                    host.say(error.message)
                    await host.pause(_SOON)

    async def _told(self, host: Host) -> list[Ban]:
        # Another session of ours would end this one.
        async with host.alone():
            known = latest(await host.ledger.counting())
            async with session(host, self.place, "list the bans") as at:
                present, names = await banlist.bans(at), await known_names(host, at)
        found = []
        for ban in present:
            for each in ban.subjects:
                entry = known.get((HERE, each, Kind.BAN))
                change = entry.change if entry and entry.change.holds else None
                found.append(Ban(HERE, each, change, ban.name or names.get(each, "")))
        return found

    async def _decide(self, host: Host, at: Session, changes: Sequence[Change]) -> tuple[str, ...]:
        """Keep it, have the server keep it; put out whom it is about, and say who stayed.

        Raises HerdError, OSError, BadMessage where the server does not keep it; then nothing of it lasts.
        """
        before = {each for ban in await banlist.bans(at) for each in ban.subjects}
        known = latest(await host.ledger.counting())
        numbers = await host.ledger.record(changes)
        try:
            await bring(at, changes, await known_names(host, at))
        except (HerdError, OSError, BadMessage):
            # The server may have kept it, and may be gone: its next start finds the opposite.
            silent = [each for each in changes if each.what not in known]
            await host.ledger.withdraw(numbers, [_opposite(each, before, host.now()) for each in silent])
            raise
        return await put_out(at, [each for each in changes if each.holds])


def _opposite(change: Change, before: Collection[str], now: float) -> Change:
    held = change.subject in before
    return evolve(change, holds=held, author=HERDD, at=now, reason="it did not take", until=None)


def _banned(present: Collection[ServerBan], who: str, names: Mapping[str, str]) -> list[str]:
    """What there is a ban about, of a certificate, an address, or a name that bans were made for."""
    there = [({ban.name, names.get(each)}, each) for ban in present for each in ban.subjects]
    wanted = _canonical(who)
    return list(dict.fromkeys(each for known, each in there if each == wanted or who in known))


def _canonical(text: str) -> str:
    try:
        return subject(text)
    except ValueError:
        return text


def _label(whom: str, names: Mapping[str, str]) -> str:
    return f"{whom} ({names[whom]})" if whom in names else whom


def _deed(change: Change) -> str:
    return f"{'banned' if change.holds else 'unbanned'} {change.subject}"


def ban_actions(bans: Bans) -> tuple[Action, ...]:
    """Those of the service. Changes have their turns, for the server takes the whole list at once."""
    return (
        change(
            "ban",
            "Put somebody out and let that certificate in no more; with --address, the address too.",
            Method(bans, Bans.ban),
            "WHO [--address] [--reason TEXT] [--for DURATION]",
            role=Role.MODERATOR,
        ),
        change(
            "unban",
            "Lift the ban of a certificate, an address, or whoever had that name.",
            Method(bans, Bans.unban),
            "WHO [--reason TEXT]",
            role=Role.MODERATOR,
        ),
        *ban_file_actions(Method(bans, Bans.list_bans), Method(bans, Bans.export), Method(bans, Bans.import_bans)),
        Action(
            "history",
            "Tell who banned and unbanned whom, when and why.",
            Method(bans, Bans.history),
            "[WHO]",
            role=Role.MODERATOR,
        ),
    )
