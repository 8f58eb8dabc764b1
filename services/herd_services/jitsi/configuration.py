"""The keys of `[jitsi]`, `[prosody]`, `[jicofo]` and `[[jvb]]`; further tables have theirs beside their services.

`[jitsi] domain` is enough for all three services; the tables of their own change what one of them is given. Names of
the keys: the programs' own, shortened (Prosody's manual; reference.conf of jicofo and of jitsi-videobridge).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen, validators

from herd_services.jitsi import values
from herd_services.jitsi.jibri.configuration import JibriConfiguration
from herd_services.jitsi.jigasi.configuration import JigasiConfiguration
from herd_services.jitsi.relay.configuration import CoturnConfiguration
from herd_services.jitsi.web.configuration import NginxConfiguration

ProsodyLevel = Literal["debug", "info", "warn", "error"]


@frozen
class JitsiConfiguration:
    """What all services of one Jitsi Meet share."""

    domain: str = field(converter=values.lower, validator=values.domain)
    # The room of the internal MUC where Jicofo finds the bridges.
    brewery: str = field(default="jvbbrewery", validator=values.room)
    # For all names of the deployment, in PEM; without them herdd makes a certificate that it trusts.
    certificate: Path | None = None
    key: Path | None = None
    auto_start: bool = True


@frozen
class ProsodyConfiguration:
    """The XMPP server that all others meet on."""

    program: Path = Path("/usr/bin/prosody")
    prosodyctl: Path = Path("/usr/bin/prosodyctl")
    # Under root.
    user: str = "prosody"
    group: str | None = None
    # Those it listens on; bridges of other hosts need one they can reach.
    interfaces: tuple[str, ...] = ("127.0.0.1", "::1")
    port: int = field(default=5222, validator=values.port)
    # For browsers, behind a web server: BOSH and WebSocket.
    http_port: int = field(default=5280, validator=values.port)
    # Beside focus and jvb.
    admins: tuple[str, ...] = field(default=(), validator=values.addresses)
    log_level: ProsodyLevel = "info"
    # Further options of its configuration file, by their names there.
    extra: dict[str, Any] = field(factory=dict, validator=values.options)


@frozen
class JicofoConfiguration:
    """The focus, which shares conferences out over the bridges."""

    program: Path = Path("/usr/share/jicofo/jicofo.sh")
    user: str = "jicofo"
    group: str | None = None
    # Of its heap, mebibytes. Without it: 3072, the program's own, or a quarter of the machine's memory if that is less.
    memory: int | None = field(default=None, validator=validators.optional(validators.ge(64)))
    # Its HTTP interface, on the loopback address alone.
    http_port: int = field(default=8888, validator=values.port)
    log_level: values.JavaLevel = "INFO"
    # Further keys of jicofo.conf, nested as there: { jicofo = { … } }.
    extra: dict[str, Any] = field(factory=dict, validator=values.keys)


@frozen
class JvbConfiguration:
    """One bridge. The keys from `address` on are for one whose Prosody is on another host."""

    # Its name in the brewery, unlike that of every other bridge there. Without it: made of the host's name.
    nickname: str | None = field(default=None, validator=values.nickname)
    program: Path = Path("/usr/share/jitsi-videobridge/jvb.sh")
    user: str = "jvb"
    group: str | None = None
    memory: int | None = field(default=None, validator=validators.optional(validators.ge(64)))
    # Of media. Without it: 10000 for the first bridge, one more for each other.
    udp_port: int | None = field(default=None, validator=validators.optional(values.port))
    # Its HTTP interface, on the loopback address alone. Without it: 8080 for the first, one more for each other.
    http_port: int | None = field(default=None, validator=validators.optional(values.port))
    # For browsers that come by [nginx]. Without it: 9090 for the first, one more for each other.
    websocket_port: int | None = field(default=None, validator=validators.optional(values.port))
    # The address by which others reach it, where a router stands in between.
    public_address: str | None = None
    local_address: str | None = None
    stun: tuple[str, ...] = ()
    log_level: values.JavaLevel = "INFO"
    # Further keys of jvb.conf, nested as there: { videobridge = { … } }.
    extra: dict[str, Any] = field(factory=dict, validator=values.keys)
    # Prosody, on another host.
    address: str | None = None
    port: int = field(default=5222, validator=values.port)
    domain: str | None = field(default=None, validator=values.domain)
    room: str = field(default="jvbbrewery", validator=values.room)
    # Its first line is the password of the bridges.
    password_file: Path | None = None
    # That of Prosody, or of who signed it, in PEM.
    certificate: Path | None = None
    auto_start: bool = True


@frozen
class Tables:
    """All tables of one Jitsi Meet, as far as they are there."""

    jitsi: JitsiConfiguration | None = None
    prosody: ProsodyConfiguration | None = None
    jicofo: JicofoConfiguration | None = None
    jvb: tuple[JvbConfiguration, ...] | None = None
    coturn: CoturnConfiguration | None = None
    jibri: JibriConfiguration | None = None
    jigasi: JigasiConfiguration | None = None
    nginx: NginxConfiguration | None = None
