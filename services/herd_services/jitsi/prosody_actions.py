"""The actions that keep Prosody and those who log in to it together: its certificate, their passwords."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from signal import SIGHUP

from attrs import frozen

from herd.core.action import Access, Action, Invocation, Reply
from herd.core.host import Host
from herd_services.jitsi.certifying import Certificates
from herd_services.jitsi.deployment import BRIDGE, FOCUS
from herd_services.jitsi.meeting import secret_name


@frozen
class _ReloadCertificates:
    certificates: Certificates

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        has_changed = await self.certificates.provide(host)
        host.signal(SIGHUP)
        until = await self.certificates.expires(host)
        said = "is another now" if has_changed else "is the same"
        text = f"The certificate {said}, good until {until:%Y-%m-%d}.\n"
        return Reply({"changed": has_changed, "expires": until.isoformat()}, text)


@frozen
class _RotateSecrets:
    keep: Callable[[Host], Awaitable[None]]
    names: tuple[str, ...] = (FOCUS, BRIDGE)

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        for name in self.names:
            await host.renew_secret(secret_name(name))
        await self.keep(host)
        text = "The services' passwords are others now; let all of them take them: herd restart prosody\n"
        return Reply({"renewed": list(self.names)}, text)


def prosody_actions(certificates: Certificates, keep: Callable[[Host], Awaitable[None]]) -> tuple[Action, ...]:
    """What keeps its parts together; `keep` gives the services' accounts the passwords that herdd keeps."""
    return (
        Action(
            "reload-certificates",
            "Take the certificate over from its files, and let Prosody read it again.",
            _ReloadCertificates(certificates),
            access=Access.CHANGE,
        ),
        Action(
            "rotate-secrets",
            "Give the services' accounts new passwords.",
            _RotateSecrets(keep),
            access=Access.CHANGE,
        ),
    )
