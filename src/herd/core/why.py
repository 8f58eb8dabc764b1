"""`herd why`: the chain of services that leads to how one is, down to where it can be mended.

A service that hangs on what it requires is explained by that, and so on; the last in the chain is explained by itself
(core/reasons.py) and says what to do. All of it is computed on snapshots of one moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import asdict, field, frozen

from herd.core.diagnosis import Diagnosis
from herd.core.events import Stage, Status
from herd.core.faults import Reason
from herd.core.reasons import explain
from herd.core.standing import is_well, standing
from herd.core.status import Snapshot
from herd.core.symptom import recognised

_INDENT = "  "


@frozen
class Cause:
    """One link, `depth` from the first: a sentence about a service, lines that bear it out, what would mend it."""

    service: str
    what: str
    notes: tuple[str, ...]
    remedy: str
    depth: int


@frozen
class _Inquiry:
    """One question about one moment."""

    snapshots: Mapping[str, Snapshot]
    diagnoses: Mapping[str, Diagnosis]
    now: float
    asked: str
    # A service that several require is explained once.
    seen: set[str] = field(factory=set)

    def chain(self, name: str, depth: int = 0) -> Iterator[Cause]:
        """The service's link, and below it those of what it hangs on."""
        self.seen.add(name)
        snapshot = self.snapshots[name]
        needs = self._hangs_on(snapshot)
        if not needs:
            diagnosis = self.diagnoses.get(name, Diagnosis())
            reason = explain(snapshot, diagnosis, self.now, self.asked)
            notes, remedy = _with_symptoms(snapshot, diagnosis, reason)
            yield Cause(name, f"{reason.what}.", notes, remedy, depth)
            return
        verb = "waits for" if snapshot.state.status is Status.STARTING else "requires"
        which = " and ".join(f"{need}, which {standing(self.snapshots[need])}" for need in needs)
        yield Cause(name, f"{name} {standing(snapshot)}: it {verb} {which}.", (), "", depth)
        for need in needs:
            if need not in self.seen:
                yield from self.chain(need, depth + 1)

    def _hangs_on(self, snapshot: Snapshot) -> list[str]:
        """What it requires that is not up, where that is what keeps it."""
        names = {alias: name for name, each in self.snapshots.items() for alias in each.service.provision}
        needs = dict.fromkeys(names[need] for need in snapshot.service.requirement if need in names)
        down = [need for need in needs if not _is_up(self.snapshots[need])]
        return down if _waits_for_others(snapshot, self.snapshots) else []


def _with_symptoms(snapshot: Snapshot, diagnosis: Diagnosis, reason: Reason) -> tuple[tuple[str, ...], str]:
    """The notes and the remedy, with those of troubles that the program itself tells of."""
    said = [snapshot.problem or "", snapshot.health or "", *snapshot.warnings, *diagnosis.output]
    found = () if is_well(snapshot) else recognised(snapshot.service.symptoms, said)
    if not found:
        return reason.notes, reason.remedy
    return (*reason.notes, *(f"Likely: {each.cause}." for each in found)), found[0].remedy


def _is_up(snapshot: Snapshot) -> bool:
    return snapshot.state.status is Status.RUNNING or snapshot.is_done


def _waits_for_others(snapshot: Snapshot, names: Iterable[str]) -> bool:
    """Its start is at, or failed at, what it requires; or it was stopped because that ended."""
    state = snapshot.state
    if state.status is Status.STARTING:
        return snapshot.stage in (Stage.REQUIREMENT, None)
    if state.status is not Status.STOPPED or not state.enabled or snapshot.respawn_in is not None:
        return False
    if state.failure is not None:
        return state.failure.stage is Stage.REQUIREMENT
    return state.cause is not None and any(state.cause.startswith(f"{name}, ") for name in names)


def causes(
    name: str, snapshots: Mapping[str, Snapshot], diagnoses: Mapping[str, Diagnosis], now: float
) -> tuple[Cause, ...]:
    """The chain that leads to how the service is."""
    return tuple(_Inquiry(snapshots, diagnoses, now, name).chain(name))


def all_causes(snapshots: Mapping[str, Snapshot], diagnoses: Mapping[str, Diagnosis], now: float) -> tuple[Cause, ...]:
    """The chain of every service that is not as it should be, unless it is a link of another's."""
    chains = {name: causes(name, snapshots, diagnoses, now) for name, each in snapshots.items() if not is_well(each)}
    links = {cause.service for chain in chains.values() for cause in chain if cause.depth}
    return tuple(cause for name, chain in chains.items() if name not in links for cause in chain)


def text(causes: Iterable[Cause]) -> str:
    """For people: each link below the one that it explains, what would mend it below itself."""
    lines = []
    for cause in causes:
        lines.append(_INDENT * cause.depth + cause.what)
        lines += [_INDENT * (cause.depth + 1) + line for line in (*cause.notes, cause.remedy) if line]
    return "".join(f"{line}\n" for line in lines) or "Every service is as it should be.\n"


def result(causes: Iterable[Cause]) -> dict[str, Any]:
    """For programs."""
    return {"causes": [{**asdict(cause), "notes": list(cause.notes)} for cause in causes]}
