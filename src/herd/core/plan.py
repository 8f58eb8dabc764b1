"""What a new reading of the configuration changes: decided on definitions alone, before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from herd.core.service import Service


@frozen
class Plan:
    """Canonical names, each in one of the four; whether logs are kept otherwise, people or roles are others."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    log: bool = False
    people: bool = False
    access: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.added or self.changed or self.removed or self.log or self.people or self.access)


def plan(
    old: Mapping[str, Service],
    new: Iterable[Service],
    *,
    log: bool = False,
    people: bool = False,
    access: bool = False,
) -> Plan:
    """Compare the definitions in force with those read."""
    read = {service.name: service for service in new}
    return Plan(
        added=tuple(name for name in read if name not in old),
        changed=tuple(name for name in read if name in old and read[name] != old[name]),
        removed=tuple(name for name in old if name not in read),
        unchanged=tuple(name for name in read if name in old and read[name] == old[name]),
        log=log,
        people=people,
        access=access,
    )
