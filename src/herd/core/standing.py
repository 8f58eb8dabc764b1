"""How a service stands, in a few words, and whether that is as somebody wants it to be."""

from __future__ import annotations

from herd.core.events import Stage, Status
from herd.core.readiness import CommandSuccess, HttpStatus, Notification, OutputLine, PidFile, TcpPort, UnixSocket
from herd.core.service import Service
from herd.core.status import Snapshot


def standing(snapshot: Snapshot) -> str:
    """How a service is, as a verb: fits both "web …" and "it requires web, which …"."""
    state = snapshot.state
    if state.status is not Status.STOPPED:
        return {Status.RUNNING: "is running", Status.STARTING: "is being started"}.get(state.status, "is being stopped")
    if not state.enabled:
        return "is disabled"
    if snapshot.respawn_in is not None:
        return "waits to be respawned"
    if state.failure is not None and state.failure.stage is not Stage.REQUIREMENT:
        return "has failed" if snapshot.service.one_shot else "could not be started"
    return "is done" if snapshot.is_done else "is stopped"


def is_well(snapshot: Snapshot) -> bool:
    """It is as somebody wants it to be."""
    state = snapshot.state
    if state.status is Status.RUNNING:
        return not snapshot.warnings and snapshot.health is None and not last_run_failed(snapshot)
    wanted = state.enabled and state.failure is None and state.cause is None and snapshot.respawn_in is None
    return state.status is Status.STOPPED and (wanted or snapshot.is_done)


def last_run_failed(snapshot: Snapshot) -> bool:
    """A timer whose program ended badly; it waits for its next run all the same."""
    ending = snapshot.state.ending
    return snapshot.service.schedule is not None and ending is not None and bool(ending.code or ending.signal)


def awaited(service: Service) -> str:
    """What makes it ready, as a clause."""
    match service.readiness:
        case OutputLine(text):
            return f'its output has a line with "{text}"'
        case Notification():
            return "it says READY=1 to $NOTIFY_SOCKET"
        case PidFile(path):
            return f"it writes {path}"
        case TcpPort(host, port):
            return f"it listens on {host}:{port}"
        case UnixSocket(path):
            return f"it takes connections at {path}"
        case HttpStatus(url, status):
            return f"{url} answers with {status}"
        case CommandSuccess(command):
            return f"{' '.join(command)} ends with 0"
    if service.one_shot:
        return "its program ends"
    return f"its bus answers at {service.bus_path}" if service.bus_path else "its program runs"
