"""A certificate that somebody else renews: whoever does need not know of the services that have copies of it."""

from __future__ import annotations

from datetime import timedelta

from attrs import frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host, Note
from herd.core.role import Role
from herd_services.certifying import Certificates

_SOON = timedelta(days=14)


@frozen
class Renewal:
    """What goes on beside a service: its copy is kept as its source is, and its program told of that by a signal."""

    certificates: Certificates
    signal: int

    async def __call__(self, host: Host) -> None:
        async with host.watching(self.certificates.sources) as changes:
            await _tell_expiry(host, self.certificates)
            async for _ in changes:
                try:
                    if await self.certificates.provide(host):
                        host.signal(self.signal)
                        host.say("its certificate was renewed.")
                        await _tell_expiry(host, self.certificates)
                except HerdError as error:
                    # What is served goes on; whoever writes two files writes one after the other.
                    host.say(error.message)


async def _tell_expiry(host: Host, certificates: Certificates) -> None:
    moment = await certificates.expires(host)
    left = moment.timestamp() - host.now()
    word = "expires soon, on" if left < _SOON.total_seconds() else "is good until"
    text = f"Its certificate {word} {moment:%Y-%m-%d}."
    host.publish("certificate", [Note("certificate.expires", moment.isoformat(), text)])


@frozen
class _Reload:
    certificates: Certificates
    signal: int

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        has_changed = await self.certificates.provide(host)
        host.signal(self.signal)
        until = await self.certificates.expires(host)
        said = "is another now" if has_changed else "is the same"
        text = f"The certificate {said}, good until {until:%Y-%m-%d}.\n"
        return Reply({"changed": has_changed, "expires": until.isoformat()}, text)


def reload_action(certificates: Certificates, signal: int) -> Action:
    """The same for whoever does not wait for it."""
    return Action(
        "reload-certificates",
        "Take the certificate over from its files, and have it read again.",
        _Reload(certificates, signal),
        role=Role.ADMIN,
    )
