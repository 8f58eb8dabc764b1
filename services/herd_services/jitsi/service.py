"""The services of `[jitsi]` and all tables that belong to it, in the order in which they require each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from herd.core.errors import ConfigurationError
from herd.core.person import Identity
from herd.core.service import Section, Service, Surroundings
from herd_services.jitsi.bans import address
from herd_services.jitsi.bridge_export import export_action
from herd_services.jitsi.checks import Fits
from herd_services.jitsi.configuration import (
    JicofoConfiguration,
    JitsiConfiguration,
    JvbConfiguration,
    ProsodyConfiguration,
    Tables,
)
from herd_services.jitsi.deployment import JIBRI, JIGASI, Deployment
from herd_services.jitsi.jibri.jibri import jibri
from herd_services.jitsi.jicofo import heap, jicofo
from herd_services.jitsi.jigasi.jigasi import jigasi
from herd_services.jitsi.jvb import Definition, jvb
from herd_services.jitsi.jvb_file import Bridge
from herd_services.jitsi.meeting import Prosody
from herd_services.jitsi.prosody import prosody
from herd_services.jitsi.relay.coturn import announced, coturn
from herd_services.jitsi.web.page import authority
from herd_services.jitsi.web.service import web

_FIRST_UDP, _FIRST_HTTP, _FIRST_WEBSOCKET = 10000, 8080, 9090


def build(read: Tables, surroundings: Surroundings) -> tuple[Service, ...]:
    """With `[jitsi]` all of them; without it, bridges whose Prosody is on another host. Raises ConfigurationError."""
    if problems := list(_problems(read, surroundings)):
        raise ConfigurationError(problems)
    if read.jitsi is None:
        return tuple(_bridges(read, surroundings, None, auto_start=True))
    further = tuple(name for name, table in ((JIBRI, read.jibri), (JIGASI, read.jigasi)) if table is not None)
    deployment = Deployment(read.jitsi.domain, read.jitsi.brewery, further)
    relay = None
    if read.coturn is not None:
        relay = announced(read.jitsi, read.coturn, surroundings.services_dir / "prosody" / "relay.cfg.lua")
    first, it = prosody(deployment, read.jitsi, read.prosody or ProsodyConfiguration(), surroundings, relay)
    export = export_action(it.server, it.read)
    heaps = [heap((read.jicofo or JicofoConfiguration()).memory, surroundings)]
    heaps += [heap(each.memory, surroundings) for each in _tables(read)]
    heaps += [heap(each.memory, surroundings) for each in (read.jibri, read.jigasi) if each is not None]
    fits = Fits(sum(heaps), surroundings.memory)
    second = jicofo(read.jitsi, read.jicofo or JicofoConfiguration(), it.server, surroundings, (export,), fits)
    return (
        first,
        second,
        *_bridges(read, surroundings, it.server, auto_start=read.jitsi.auto_start),
        *_further(read, read.jitsi, surroundings, it.server),
    )


def _further(read: Tables, jitsi: JitsiConfiguration, surroundings: Surroundings, server: Prosody) -> Iterator[Service]:
    """What is there only where its table is."""
    if read.nginx is not None:
        yield web(server.deployment, read, _each(read, surroundings), surroundings)
    if read.coturn is not None:
        yield coturn(jitsi, read.coturn, surroundings)
    if read.jibri is not None:
        yield jibri(jitsi, read.jibri, server, surroundings)
    if read.jigasi is not None:
        yield jigasi(jitsi, read.jigasi, server, surroundings)


def _bridges(
    read: Tables, surroundings: Surroundings, prosody: Prosody | None, *, auto_start: bool
) -> Iterator[Service]:
    tables = _tables(read)
    for bridge, each in zip(_each(read, surroundings), tables, strict=True):
        name = "jvb" if len(tables) == 1 else f"jvb-{bridge.nickname}"
        it = Definition(name, each, bridge, prosody or _remote(each))
        yield jvb(it, surroundings, is_alone=prosody is None, auto_start=auto_start and each.auto_start)


def _tables(read: Tables) -> Sequence[JvbConfiguration]:
    return read.jvb or (JvbConfiguration(),)


def _each(read: Tables, surroundings: Surroundings) -> list[Bridge]:
    """What they differ in, where nothing is said of it."""
    where = authority(read.jitsi.domain, read.nginx.port) if read.jitsi and read.nginx else None
    return [
        Bridge(
            each.nickname or f"{surroundings.host_name}-{number + 1}",
            each.udp_port or _FIRST_UDP + number,
            each.http_port or _FIRST_HTTP + number,
            each.websocket_port or _FIRST_WEBSOCKET + number,
            where,
        )
        for number, each in enumerate(_tables(read))
    ]


def _remote(read: JvbConfiguration) -> Prosody:
    assert read.domain is not None
    assert read.address is not None
    assert read.certificate is not None
    deployment = Deployment(read.domain, read.room)
    return Prosody(deployment, read.address, read.port, read.certificate, False, read.password_file)


def _problems(read: Tables, surroundings: Surroundings) -> Iterator[str]:
    if read.jitsi is None:
        yield from _without_domain(read)
    for name, table in (("jitsi", read.jitsi), ("coturn", read.coturn), ("nginx", read.nginx)):
        if table is not None and (table.certificate is None) is not (table.key is None):
            yield f"cannot read [{name}]: certificate and key belong together; give both or neither"
    if read.nginx is not None and read.nginx.http_port == read.nginx.port:
        yield f"cannot read [nginx] http-port: {read.nginx.port} is port as well; choose another, or 0 for none"
    for place, ports in (("coturn", read.coturn), ("jigasi", read.jigasi)):
        if ports is not None and ports.min_port > ports.max_port:
            yield f"cannot read [{place}] min-port: it is above max-port; exchange them"
    for number, each in enumerate(read.jvb or (), 1):
        if each.public_address is not None and each.local_address is None:
            yield (
                f"cannot read [[jvb]] {number} public-address: it needs local-address beside it, "
                "to which the router passes on what comes for it"
            )
        if each.websocket_port is not None and read.nginx is None:
            yield f"cannot read [[jvb]] {number} websocket-port: browsers reach it by [nginx]; add that, or remove it"
    yield from _doubles(_each(read, surroundings))
    yield from _too_much(read, surroundings)


def _without_domain(read: Tables) -> Iterator[str]:
    for name in ("prosody", "jicofo", "nginx", "coturn", "jibri", "jigasi"):
        table = getattr(read, name)
        if table is not None:
            yield f'cannot read [{name}]: it belongs to [jitsi]; add that: domain = "meet.example.org"'
    for number, each in enumerate(read.jvb or (), 1):
        missing = [key for key in ("address", "domain", "password_file", "certificate") if getattr(each, key) is None]
        if missing:
            words = ", ".join(key.replace("_", "-") for key in missing)
            yield f"cannot read [[jvb]] {number}: without [jitsi] its Prosody is elsewhere; add {words}, or [jitsi]"


def _doubles(bridges: Sequence[Bridge]) -> Iterator[str]:
    kinds = {
        "nickname": Counter(each.nickname for each in bridges),
        "udp-port": Counter(str(each.udp_port) for each in bridges),
        "http-port": Counter(str(each.http_port) for each in bridges),
        "websocket-port": Counter(str(each.websocket_port) for each in bridges),
    }
    for key, counts in kinds.items():
        for value, number in counts.items():
            if number > 1:
                yield f"cannot read [[jvb]]: {number} of them have the {key} {value}; give each its own"


def _too_much(read: Tables, surroundings: Surroundings) -> Iterator[str]:
    heaps = {"[jicofo]": read.jicofo.memory if read.jicofo else None}
    heaps |= {f"[[jvb]] {number}": each.memory for number, each in enumerate(read.jvb or (), 1)}
    heaps |= {f"[{name}]": table.memory for name, table in ((JIBRI, read.jibri), (JIGASI, read.jigasi)) if table}
    for place, wanted in heaps.items():
        if heap(wanted, surroundings) > surroundings.memory:
            yield (
                f"cannot read {place} memory: a heap of {wanted} MiB is more than this machine has, "
                f"{surroundings.memory} MiB; choose less, or leave it out"
            )


SECTION = Section("jitsi", Tables, build, shape="several", identity=Identity("xmpp", address))
