"""The action that gives those who log in to Prosody other passwords."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen

from herd.core.action import Access, Action, Invocation, Reply
from herd.core.host import Host
from herd_services.jitsi.deployment import BRIDGE, FOCUS
from herd_services.jitsi.meeting import secret_name


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


def prosody_actions(keep: Callable[[Host], Awaitable[None]]) -> tuple[Action, ...]:
    """`keep` gives the services' accounts the passwords that herdd keeps."""
    return (
        Action(
            "rotate-secrets",
            "Give the services' accounts new passwords.",
            _RotateSecrets(keep),
            access=Access.CHANGE,
        ),
    )
