"""What can be asked of a bridge: what it counts, and to take no more conferences."""

from __future__ import annotations

from attrs import frozen

from herd.core.service import Access, Action, Host, Invocation, Reply
from herd_services.jitsi.jicofo_actions import Stats, asked


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


def jvb_actions(service: str, port: int) -> tuple[Action, ...]:
    """Those of one bridge."""
    return (
        Action("stats", "Tell what the bridge counts.", Stats(service, port, "/colibri/stats")),
        Action(
            "drain",
            "Let the bridge take no further conferences; those that it has go on.",
            _Drain(service, port, state=True),
            access=Access.CHANGE,
        ),
        Action(
            "undrain",
            "Let the bridge take conferences again.",
            _Drain(service, port, state=False),
            access=Access.CHANGE,
        ),
    )
