"""What is the same for every decision of moderation, on every server: who took it, why, and until when."""

from __future__ import annotations

from attrs import frozen

from herd.core.action import Invocation
from herd.core.duration import parse_duration
from herd.core.errors import WrongUsage
from herd.core.host import Host
from herd.core.ledger import Change, Kind

_MAX_REASON = 500


@frozen
class Terms:
    """What is the same for every change of a decision. Times in wall-clock seconds."""

    author: str
    at: float
    reason: str | None = None
    until: float | None = None

    def change(self, place: str, subject: str, kind: Kind, *, holds: bool) -> Change:
        """One change on these terms."""
        return Change(place, subject, kind, holds, self.author, self.at, self.reason, self.until)


def terms(host: Host, call: Invocation) -> Terms:
    """What the options --reason and --for say. Raises WrongUsage."""
    reason, duration = call.arguments.options.get("--reason"), call.arguments.options.get("--for")
    if reason is not None and len(reason) > _MAX_REASON:
        raise WrongUsage(f"cannot keep the reason: it has more than {_MAX_REASON} characters; say it in fewer")
    try:
        until = None if duration is None else host.now() + parse_duration(duration)
    except ValueError as error:
        raise WrongUsage(f"cannot take --for: {error}") from error
    return Terms(call.caller.name, host.now(), reason or None, until)
