"""What ends by itself: a change whose time is up is followed by its opposite, by herdd's word."""

from __future__ import annotations

from attrs import evolve

from herd.core.host import Host
from herd.core.ledger import Entry

# The author of what nobody asked for.
HERDD = "herdd"


async def closed(host: Host) -> list[Entry]:
    """What counts, once every change whose time is up was followed by its opposite. Raises HerdError."""
    entries = await host.ledger.counting()
    over = [each.change for each in entries if each.change.is_over(host.now())]
    if not over:
        return entries
    await host.ledger.record(
        [
            evolve(change, holds=not change.holds, author=HERDD, at=host.now(), reason="its time was up", until=None)
            for change in over
        ]
    )
    return await host.ledger.counting()
