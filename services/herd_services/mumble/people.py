"""Who is meant on a Mumble server, and where: names, certificates, addresses, rooms."""

from __future__ import annotations

from ipaddress import IPv6Network, ip_network

from herd.core.errors import HerdError, WrongUsage
from herd.core.host import Host
from herd_services.mumble.banlist import is_certificate, network_of, shown, subject
from herd_services.mumble.messages import Type
from herd_services.mumble.session import Channel, Refused, Session, User

# Of what the ledger remembers: before a registered name, whose certificate it is.
_CERTIFICATE = "certificate:"
# Where herd itself comes from.
_OWN = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def identity(text: str) -> str:
    """The one form of a certificate, or a registered name. Raises ValueError, a clause."""
    if not text.strip() or is_address(text):
        raise ValueError("a person is a certificate, 40 hexadecimal digits, or a registered name")
    return text.lower() if is_certificate(text) else text


def people(session: Session) -> list[User]:
    """Who is connected, but for us, by name."""
    return sorted((each for each in session.users.values() if each.session != session.own), key=lambda each: each.name)


def connected(session: Session, name: str, attempt: str) -> User:
    """Whoever has that name. Raises HerdError."""
    if found := next((each for each in people(session) if each.name == name), None):
        return found
    raise HerdError(f"cannot {attempt} {name}: nobody of that name is connected; see: herd list-users mumble-server")


def path(session: Session, channel: Channel | None) -> str:
    """Its name behind those of the rooms that it is in; the root's own is left out. Raises Refused."""
    names: list[str] = []
    while channel is not None and channel.parent is not None:
        names.append(channel.name)
        channel = session.channels.get(channel.parent)
        if len(names) > len(session.channels):
            raise Refused("the server tells of rooms that are in each other")
    return "/".join(reversed(names)) or (channel.name if channel is not None else "?")


def channel(session: Session, name: str, attempt: str) -> Channel:
    """The room of that name, or of that path where several have the name. Raises HerdError."""
    every = session.channels.values()
    found = [each for each in every if path(session, each) == name] or [each for each in every if each.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(sorted(path(session, each) for each in found))
        raise HerdError(f"cannot {attempt}: {len(found)} rooms are called {name}; write one of {paths}")
    raise HerdError(f"cannot {attempt}: there is no room {name}; see: herd list-channels mumble-server")


async def remember_registered(host: Host, session: Session) -> None:
    """Keep whose certificates those of registered users are, for when they are not connected."""
    seen = {each.name: each.certificate for each in people(session) if each.registration and each.certificate}
    known = await host.ledger.recall(_CERTIFICATE)
    for name, certificate in seen.items():
        if known.get(f"{_CERTIFICATE}{name}") != certificate:
            await host.ledger.remember(f"{_CERTIFICATE}{name}", certificate)


async def known_names(host: Host, session: Session) -> dict[str, str]:
    """Whose certificates those are, of everybody who is connected or was seen while registered."""
    kept = await host.ledger.recall(_CERTIFICATE)
    names = {certificate: name.removeprefix(_CERTIFICATE) for name, certificate in kept.items()}
    return names | {each.certificate: each.name for each in people(session) if each.certificate}


async def meant(host: Host, session: Session, who: str, *, by_address: bool) -> list[str]:
    """What a ban of somebody is about: the certificate; if that is wanted, the address too. Raises HerdError."""
    if is_certificate(who):
        return [who.lower()]
    if is_address(who):
        if not by_address:
            raise WrongUsage(
                f"cannot ban {who}: others may have that address too; if all of them are meant, add --address"
            )
        refuse_own(subject(who))
        return [subject(who)]
    user = next((each for each in people(session) if each.name == who), None)
    if user is None:
        known = await host.ledger.recall(f"{_CERTIFICATE}{who}")
        if certificate := known.get(f"{_CERTIFICATE}{who}"):
            return [certificate]
        connected(session, who, "ban")
    assert user is not None
    found = [user.certificate] if user.certificate else []
    if by_address:
        if (network := await address(session, user)) is None:
            raise Refused(f"the server does not tell the address of {who}")
        refuse_own(shown(network))
        found.append(shown(network))
    if not found:
        raise HerdError(
            f"cannot ban {who}: it has no certificate; to ban its address, and who shares it, add --address"
        )
    return found


def is_address(text: str) -> bool:
    """Whether it is an address or a network."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def refuse_own(whom: str) -> None:
    """Raises HerdError for a ban that this host itself would fall under."""
    if is_certificate(whom):
        return
    network = ip_network(whom)
    own = [each for each in _OWN if each.version == network.version and each.overlaps(network)]
    if own:
        raise HerdError(f"cannot ban {whom}: {own[0]} is this host itself; ban certificates")


async def address(session: Session, user: User) -> IPv6Network | None:
    """Where a user comes from; None for one who has left. Raises Refused."""
    answer = await session.ask(Type.USER_STATS, {1: user.session}, Type.USER_STATS)
    if user.session not in session.users:
        return None
    found = b"" if answer is None else answer.content(14)
    if len(found) != 16:
        raise Refused(f"the server does not tell the address of {user.name}")
    return network_of(found)
