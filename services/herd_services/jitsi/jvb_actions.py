"""What can be asked of a bridge: what it counts, and to take no more conferences."""

from __future__ import annotations

from attrs import frozen

from herd.core.action import Action, Invocation, Reply
from herd.core.host import Host, Note
from herd.core.role import Role
from herd.core.words import count
from herd_services.jitsi.jicofo_actions import Stats, asked, told

# Seconds between two looks at its conferences, and for its last answer.
_PAUSE, _PATIENCE = 1.0, 10.0


@frozen
class _Drain:
    service: str
    port: int
    state: bool

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        word = "enable" if self.state else "disable"
        await asked(host, self.service, self.port, f"/colibri/drain/{word}", method="POST")
        said = "takes no further conferences; those that it has go on" if self.state else "takes conferences again"
        return Reply({"draining": self.state}, f"{self.service} {said}.\n")


@frozen
class _GracefulStop:
    """Not the bridge's own way to go gracefully: it would end by itself, and come back for that."""

    service: str
    port: int

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        drain = _Drain(self.service, self.port, state=True)
        await drain(host, call)
        is_over = False
        try:
            # Nobody tells when a conference ends. What a bridge counts is some seconds old; this is not.
            while left := len((await told(host, self.service, self.port, "/debug")).get("conferences", ())):
                word = f"{count(left, 'conference')} {'is' if left == 1 else 'are'} not over"
                text = f"It takes no further conferences, and stops later: {word}."
                host.publish("stopping", [Note("graceful-stop.conferences", str(left), text)])
                await host.pause(_PAUSE)
            is_over = True
        finally:
            if not is_over:
                # Whoever asked for it has left, or it cannot be asked.
                undrain = _Drain(self.service, self.port, state=False)
                await host.unbroken(lambda: host.within(_PATIENCE, lambda: undrain(host, call)))
            host.publish("stopping", [])
        host.stop()
        return Reply({"stopped": self.service}, f"The last conference of {self.service} is over; it stops.\n")


def jvb_actions(service: str, port: int) -> tuple[Action, ...]:
    """Those of one bridge."""
    return (
        Action("stats", "Tell what the bridge counts.", Stats(service, port, "/colibri/stats"), role=Role.OBSERVER),
        Action(
            "drain",
            "Let the bridge take no further conferences; those that it has go on.",
            _Drain(service, port, state=True),
            role=Role.ADMIN,
        ),
        Action(
            "graceful-stop",
            "Stop the bridge once its last conference is over; whoever breaks this off lets it take conferences again.",
            _GracefulStop(service, port),
            ends_with_caller=True,
            role=Role.ADMIN,
        ),
        Action(
            "undrain", "Let the bridge take conferences again.", _Drain(service, port, state=False), role=Role.ADMIN
        ),
    )
