"""Why a service does not run though nobody stopped it, and what would mend it.

What the daemon found (core/diagnosis.py) is said before what the failed stage said, for it names the thing itself: the
path, the user, the process that has the port.
"""

from __future__ import annotations

from attrs import frozen

from herd.core.diagnosis import Denied, Diagnosis, Holder, Missing, Part
from herd.core.events import Ending, Stage
from herd.core.service import Service
from herd.core.standing import awaited, standing
from herd.core.status import Snapshot
from herd.core.words import ago, count, due

# As many lines of output as an explanation quotes.
QUOTED = 5
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
    service, again = snapshot.service, retry(snapshot, asked)
    # Behind a semicolon stands what to do, or what came of it.
    reason, _, advice = (snapshot.problem or "its program ended").partition("; ")
    notes: list[str] = []
    if _is_about_files(snapshot):
        reason, remedy = _refused(snapshot, diagnosis, reason) or (reason, advice)
    else:
        taken, remedy = _taken(service, diagnosis)
        notes = [*taken, *_circumstances(snapshot, diagnosis, now, reason)]
    what = f"{service.name} {standing(snapshot)}: {reason}"
    remedy = remedy or f"see: herd log {service.name}"
    if snapshot.respawn_in is None:
        return Reason(what, tuple(notes), f"{remedy}, then: {again}")
    back = f"It comes back {due(now + snapshot.respawn_in, now)}."
    return Reason(what, (back, *notes), f"{remedy}; to start it at once: {again}")


def retry(snapshot: Snapshot, asked: str) -> str:
    """The command that starts it, or what it was started for."""
    return (
        f"herd start {asked}"
        if snapshot.state.enabled
        else f"herd enable {snapshot.service.name} && herd start {asked}"
    )


def _is_about_files(snapshot: Snapshot) -> bool:
    failure = snapshot.state.failure
    return failure is not None and failure.stage in (Stage.PREPARATION, Stage.EXECUTION)


def _refused(snapshot: Snapshot, diagnosis: Diagnosis, reason: str) -> tuple[str, str] | None:
    """What of the files is wrong, and what to do about it; None where the failed stage was about something else."""
    failure, package = snapshot.state.failure, snapshot.service.program.package
    found = [each for each in (diagnosis.missing, diagnosis.denied) if each is not None]
    for each in found:
        if each.path in reason or (failure is not None and failure.stage is Stage.EXECUTION):
            match each:
                case Missing(Part.PROGRAM, path):
                    mend = f"install the package {package}" if package else "correct its command"
                    return f"there is no program {path}", mend
                case Missing(part, path):
                    return f"there is no {part.value} {path}", "make it, or correct the definition"
                case Denied(user, deed, path):
                    return f"user {user} may not {deed} {path}", f"let {user} {deed} it (see: namei -l {path})"
    return None


def _taken(service: Service, diagnosis: Diagnosis) -> tuple[list[str], str]:
    """Who is in its place, a line each, and what to do about the first."""
    places = [f"{holder.address} is taken by {_who(holder)}." for holder in diagnosis.holders]
    if not places:
        return [], ""
    first = diagnosis.holders[0].service
    return places, f"{f'herd stop {first}' if first else 'end that process'}, or give {service.name} another port"


def _who(holder: Holder) -> str:
    if holder.service is not None:
        return f"the service {holder.service} (pid {holder.pid})"
    if holder.pid is None:
        return f"a process of user {holder.user}"
    return f"{holder.program} (pid {holder.pid}, user {holder.user})"


def _circumstances(snapshot: Snapshot, diagnosis: Diagnosis, now: float, reason: str) -> list[str]:
    """How its program ended, what that may mean, its last words."""
    ending, failure, cause = snapshot.state.ending, snapshot.state.failure, snapshot.state.cause
    notes: list[str] = []
    is_own_end = ending is not None and (ending.words in reason or ending.words in (cause or ""))
    if cause and failure is not None:
        notes.append(f"The last time {cause}.")
    elif ending is not None and failure is not None and failure.stage is Stage.RESPAWN:
        notes.append(f"Its program {ending.words} {ago(ending.at, now)}.")
    elif failure is not None and failure.stage is Stage.READINESS and not is_own_end:
        notes.append(f"It is ready once {awaited(snapshot.service)}.")
    if ending is not None and ending.took_too_much:
        notes.append(f"It may have {snapshot.service.program.limits.words}: [limits.{snapshot.service.name}].")
    elif ending is not None and (meaning := _meaning(ending, diagnosis, is_own_end)):
        notes.append(meaning)
    if diagnosis.output:
        notes += ["Its last output:", *(f"  {line}" for line in diagnosis.output[-QUOTED:])]
    return notes


def _meaning(ending: Ending, diagnosis: Diagnosis, is_own: bool) -> str:
    """What such an ending is known to mean; a signal that herdd may have sent itself means nothing."""
    code, signal = ending.code, ending.signal
    if code in _SHELL_CODES:
        return f"With {code} a shell says that it {_SHELL_CODES[code]}."
    if signal in _CRASHES:
        return "That is a fault in the program itself: its makers will want to know."
    if signal in _LIMITS:
        return f"It came to its resource limit of {_LIMITS[signal]}."
    if signal in _FROM_OUTSIDE and is_own:
        return "Somebody else than herdd sent the signal."
    if signal == _KILL and is_own:
        killed = count(diagnosis.out_of_memory, "time") if diagnosis.out_of_memory else "never"
        return f"Somebody sent it, or the kernel for want of memory, as it did {killed} since the machine started."
    return ""
