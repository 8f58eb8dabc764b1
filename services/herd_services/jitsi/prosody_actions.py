"""The action that gives those who log in to Prosody other passwords."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.host import Host
from herd.core.role import Role
from herd_services.jitsi.meeting import secret_name
from herd_services.jitsi.relay.announced import SECRET


@frozen
class _RotateSecrets:
    names: tuple[str, ...]
    keep: Callable[[Host], Awaitable[None]]
    rotate_relay: Callable[[Host], Awaitable[None]] | None

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        for name in self.names:
            await host.renew_secret(secret_name(name))
        await self.keep(host)
        text = "The services' passwords are others now; let all of them take them: herd restart prosody\n"
        if self.rotate_relay is not None:
            await self.rotate_relay(host)
            text += "The relay has another secret; it takes that within a minute, or at once: herd restart coturn\n"
        return Reply({"renewed": [*self.names, *([] if self.rotate_relay is None else [SECRET])]}, text)


def prosody_actions(
    names: tuple[str, ...],
    keep: Callable[[Host], Awaitable[None]],
    rotate_relay: Callable[[Host], Awaitable[None]] | None,
) -> tuple[Action, ...]:
    """`keep` gives the accounts of these names the passwords that herdd keeps."""
    return (
        Action(
            "rotate-secrets",
            "Give the services' accounts new passwords, and the relay a new secret.",
            _RotateSecrets(names, keep, rotate_relay),
            role=Role.ADMIN,
        ),
    )
