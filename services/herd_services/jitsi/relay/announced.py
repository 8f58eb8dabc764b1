"""What Prosody tells browsers of the relay (XEP-0215), and the secret that both make passwords of.

By the module external_services and not by turn_external, which is a shorter way to write the same: that of Prosody 0.12
gives no password for `turns`. The secret is in a file of its own, so that prosody.cfg.lua has none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import frozen

from herd.core.host import Host
from herd_services.jitsi import lua
from herd_services.jitsi.console import Console

MODULE = "external_services"
# By what name herdd keeps it.
SECRET = "turn"
# How long a password of a browser is good, seconds.
_LASTING = 86400


@frozen
class Announced:
    """Where browsers find the relay, and the file that Prosody reads the secret from."""

    host: str
    port: int
    # None: a browser would not trust what is there.
    tls_port: int | None
    secret_file: Path

    def options(self) -> dict[str, Any]:
        """Of the host where people are."""
        ways = [("stun", "udp", self.port), ("turn", "udp", self.port), ("turn", "tcp", self.port)]
        if self.tls_port is not None:
            ways.append(("turns", "tcp", self.tls_port))
        # The algorithm has its name of `turn`, for `turns` too.
        credentials = {"secret": True, "algorithm": "turn", "ttl": _LASTING}
        return {
            MODULE: [
                {"type": kind, "transport": transport, "host": self.host, "port": port}
                | ({} if kind == "stun" else credentials)
                for kind, transport, port in ways
            ]
        }

    async def provide(self, host: Host) -> None:
        """Have the secret in its file."""
        secret = await host.secret(SECRET)
        content = f"-- Written by herdd at each start.\nexternal_service_secret = {lua.text(secret)}\n"
        await host.write_file(self.secret_file, content.encode(), 0o600)


@frozen
class Rotation:
    """Another secret, which Prosody takes at once; the relay, when its health finds that its own is an old one."""

    announced: Announced
    console: Console

    async def __call__(self, host: Host) -> None:
        await host.renew_secret(SECRET)
        await self.announced.provide(host)
        place = lua.text(self.announced.host)
        again = f"require('core.modulemanager').reload({place}, {lua.text(MODULE)})"
        await self.console.told(host, f"prosody.reload_config(); assert({again})")
