"""Decisions carried out on the server: its list of bans changed, and whom they are about put out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_network

from attrs import evolve

from herd.core.errors import HerdError
from herd.core.ledger import Change
from herd_services.mumble import banlist
from herd_services.mumble.banlist import NOBODY, ServerBan, is_certificate
from herd_services.mumble.messages import BadMessage, Type
from herd_services.mumble.people import address, people
from herd_services.mumble.session import Refused, Session, User


async def bring(
    at: Session, changes: Collection[Change], names: Mapping[str, str], *, spares_newer: bool = False
) -> bool:
    """Have what these say; whether anything had to be changed for that. Raises HerdError, OSError, BadMessage.

    With `spares_newer` a ban that somebody set since is not lifted: people may ban in their clients whom the ledger
    let in again long ago.
    """
    present = await banlist.bans(at)
    wanted = [banlist.made(each, names.get(each.subject, "")) for each in changes if each.holds]
    more = [each for each in wanted if not _is_there(each, present)]
    new = {each for ban in more for each in ban.subjects}
    lifted = {each.subject: banlist.started(each) for each in changes if not each.holds}
    kept, gone = [], set[str]()
    for ban in present:
        doomed = {each for each in ban.subjects if each in lifted and not (spares_newer and ban.start > lifted[each])}
        gone |= doomed
        # Of a ban of certificate and address at once, one may go and the other stay.
        if (rest := _without(ban, doomed | new)) is not None:
            kept.append(rest)
    if more or gone:
        await banlist.replace(at, [*kept, *more], more, gone)
    return bool(more or gone)


def _without(ban: ServerBan, subjects: Collection[str]) -> ServerBan | None:
    left = [each for each in ban.subjects if each not in subjects]
    if not left:
        return None
    if len(left) == len(ban.subjects):
        return ban
    return evolve(ban, certificate="") if ban.certificate in subjects else evolve(ban, network=NOBODY)


def _is_there(wanted: ServerBan, present: Collection[ServerBan]) -> bool:
    """Whether there is that ban; or one of a client's, about more than that, for ever."""
    about = set(wanted.subjects)
    return any(
        (each.start, each.duration) == (wanted.start, wanted.duration) or (wanted.duration == 0 == each.duration)
        if set(each.subjects) == about
        else about < set(each.subjects) and each.duration == 0
        for each in present
    )


async def put_out(at: Session, changes: Sequence[Change]) -> tuple[str, ...]:
    """Whoever is connected and banned, for a ban alone puts nobody out; a sentence for each who could not be."""
    reasons = {each.subject: each.reason or "" for each in changes}
    warnings = []
    for user in people(at):
        try:
            if (found := await _subject(at, user, reasons)) is not None:
                await at.ask(Type.USER_REMOVE, {1: user.session, 3: reasons[found]})
                if user.session in at.users:
                    raise Refused("the server does not do it")
        except (HerdError, OSError, BadMessage) as error:
            warnings.append(f"cannot put {user.name} out: {error}; see: herd list-users mumble-server")
    return tuple(warnings)


async def _subject(at: Session, user: User, banned: Collection[str]) -> str | None:
    """By what of these somebody is banned."""
    if user.certificate in banned:
        return user.certificate
    networks = [ip_network(each) for each in banned if not is_certificate(each)]
    if not networks or (known := await address(at, user)) is None:
        return None
    own = ip_network(banlist.shown(known))
    return next((str(each) for each in networks if each.version == own.version and own.network_address in each), None)
