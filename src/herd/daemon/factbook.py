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
        self._known: dict[tuple[str, bool], tuple[Any, str]] = {}

    def reply(self, snapshots: Iterable[Snapshot], *, sees_people: bool) -> Encoded:
        """The parameters of a reply to Status."""
        texts = [self._text(each, sees_people=sees_people) for each in snapshots]
        return Encoded(f'{{"services":[{",".join(texts)}]}}')

    def _text(self, snapshot: Snapshot, *, sees_people: bool) -> str:
        key, parts = (snapshot.service.name, sees_people), _parts(snapshot)
        known = self._known.get(key)
        if known is None or known[0] != parts:
            # What changes by itself, a time that is left, makes another snapshot.
            self._known[key] = known = parts, to_json(facts(snapshot, sees_people=sees_people))
        return known[1]
