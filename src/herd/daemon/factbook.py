"""The facts of services as a reply has them, encoded anew only where they have changed."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import attrs

from herd.core.protocol import Encoded, to_json
from herd.core.status import Snapshot, facts

# In a tuple, what is the same object is equal at once.
_parts = attrgetter(*(each.name for each in attrs.fields(Snapshot)))


class Factbook:
    """What was last said of each service; shared by all connections."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, str]] = {}

    def reply(self, snapshots: Iterable[Snapshot]) -> Encoded:
        """The parameters of a reply to Status."""
        return Encoded(f'{{"services":[{",".join(map(self._text, snapshots))}]}}')

    def _text(self, snapshot: Snapshot) -> str:
        name, parts = snapshot.service.name, _parts(snapshot)
        known = self._known.get(name)
        if known is None or known[0] != parts:
            # What changes by itself, a time that is left, makes another snapshot.
            self._known[name] = known = parts, to_json(facts(snapshot))
        return known[1]
