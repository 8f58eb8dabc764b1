"""Why a service does not run though nobody stopped it, and what would mend it.

What the daemon found (core/diagnosis.py) is said before what the failed stage said, for it names the thing itself: the
path, the user, the process that has the port.
"""

from __future__ import annotations

from attrs import frozen

from herd.core.diagnosis import Denied, Diagnosis, Missing, Part
from herd.core.events import Ending, Stage
from herd.core.service import Service
from herd.core.standing import awaited, standing
from herd.core.status import Snapshot
from herd.core.words import count, due, since

# As many lines of output as an explanation quotes.
QUOTED = 5
_ABOUT_FILES = (Stage.PREPARATION, Stage.EXECUTION)
# Signals by which a program's own fault shows: ILL, ABRT, BUS, FPE, SEGV.
_CRASHES = (4, 6, 7, 8, 11)
_KILL = 9
_LIMITS = {24: "CPU time (cpu)", 25: "file size (fsize)"}
_FROM_OUTSIDE = (1, 2, 3, 15)
# What a shell, env and nohup answer for what they were to execute.
_SHELL_CODES = {126: "found no right to execute a command", 127: "did not find a command"}


@frozen
class Reason:
    """A sentence without its full stop, lines that bear it out, and what to do."""

    what: str
    notes: tuple[str, ...] = ()
    remedy: str = ""


def failed(snapshot: Snapshot, diagnosis: Diagnosis, now: float, asked: str) -> Reason:
    """`asked` is the service that is to be started once this is mended."""
    service, failure, again = snapshot.service, snapshot.state.failure, retry(snapshot, asked)
    about_files = failure is not None and failure.stage in _ABOUT_FILES
    # Behind a semicolon stands what to do, or what came of it.
    reason, _, advice = (snapshot.problem or "its program ended").partition("; ")
    found = _found(service, diagnosis) if about_files else _taken(service, diagnosis)
    notes = _circumstances(snapshot, diagnosis, now, reason)
    remedy = advice if about_files else ""
    if found and about_files:
        reason, remedy = found
    elif found:
        notes, remedy = [f"{found[0]}.", *notes], found[1]
    what = f"{service.name} {standing(snapshot)}: {reason}"
    remedy = remedy or f"see: herd log {service.name}"
    if snapshot.respawn_in is None:
        return Reason(what, tuple(notes), f"{remedy}, then: {again}")
    often = f"it did {count(snapshot.respawns, 'time')} since it was last stopped"
    back = f"It comes back {due(now + snapshot.respawn_in, now)}; {often}."
    return Reason(what, (back, *notes), f"{remedy}; to start it at once: {again}")


def retry(snapshot: Snapshot, asked: str) -> str:
    """The command that starts it, or what it was started for."""
    return (
        f"herd start {asked}"
        if snapshot.state.enabled
        else f"herd enable {snapshot.service.name} && herd start {asked}"
    )


def _found(service: Service, diagnosis: Diagnosis) -> tuple[str, str] | None:
    """What of the files is wrong, and what to do about it."""
    match diagnosis:
        case Diagnosis(missing=Missing(Part.PROGRAM, path)):
            package = service.program.package
            return f"there is no program {path}", f"install the package {package}" if package else "correct its command"
        case Diagnosis(missing=Missing(part, path)):
            return f"there is no {part.value} {path}", "make it, or correct the definition"
        case Diagnosis(denied=Denied(user, deed, path)):
            return f"user {user} may not {deed} {path}", "give the right to it"
    return None


def _taken(service: Service, diagnosis: Diagnosis) -> tuple[str, str] | None:
    """Who is in its place, and what to do about it."""
    if not diagnosis.holders:
        return None
    holder = diagnosis.holders[0]
    other = f"give {service.name} another port"
    if holder.service is not None:
        return f"{holder.address} is taken by the service {holder.service}", f"herd stop {holder.service}, or {other}"
    if holder.pid is None:
        return f"{holder.address} is taken by a process of user {holder.user}", f"end that process, or {other}"
    who = f"{holder.program} (pid {holder.pid}, user {holder.user})"
    return f"{holder.address} is taken by {who}", f"end that process, or {other}"


def _circumstances(snapshot: Snapshot, diagnosis: Diagnosis, now: float, reason: str) -> list[str]:
    """How its program ended, what that may mean, its last words."""
    ending, failure = snapshot.state.ending, snapshot.state.failure
    notes: list[str] = []
    if failure is not None and failure.stage in _ABOUT_FILES:
        return notes
    if ending is not None and ending.words not in reason:
        notes.append(f"Its program {ending.words} {since(ending.at, now).removeprefix('since ')}.")
    if failure is not None and failure.stage is Stage.READINESS and (ending is None or ending.words not in reason):
        notes.append(f"It is ready once {awaited(snapshot.service)}.")
    if ending is not None and (meaning := _meaning(ending, diagnosis)):
        notes.append(meaning)
    if diagnosis.output:
        notes += ["Its last output:", *(f"  {line}" for line in diagnosis.output[-QUOTED:])]
    return notes


def _meaning(ending: Ending, diagnosis: Diagnosis) -> str:
    """What such an ending is known to mean."""
    code, signal = ending.code, ending.signal
    if code in _SHELL_CODES:
        return f"With {code} a shell says that it {_SHELL_CODES[code]}."
    if signal in _CRASHES:
        return "That is a fault in the program itself: its makers will want to know."
    if signal in _LIMITS:
        return f"It came to its resource limit of {_LIMITS[signal]}."
    if signal in _FROM_OUTSIDE:
        return "Somebody else than herdd sent the signal."
    if signal == _KILL:
        killed = diagnosis.out_of_memory
        kernel = (
            f"it did {count(killed, 'time')} since the machine started" if killed else "it never did on this machine"
        )
        return f"Somebody sent the signal, or the kernel did for want of memory: {kernel}."
    return ""
