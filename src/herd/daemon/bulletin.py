"""What herdd tells: its own log, and the changes of services to whoever watches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager

import trio

from herd.core.events import Stage, Status
from herd.core.state import State
from herd.daemon.controller import Controller
from herd.daemon.journal import Line, Priority
from herd.daemon.log import ServiceLog

# A watcher this many changes behind is let go.
WATCHER_BUFFER = 4096


class Bulletin:
    """The own log and the watchers. `show` shows lines on standard error, and blocks where nobody reads them."""

    def __init__(self, log: ServiceLog, show: Callable[[Sequence[Line]], None]) -> None:
        self.log = log
        self._show = show
        self._watchers: set[trio.MemorySendChannel[Controller]] = set()
        self._standing: Collection[str] = ()
        # Lines, and events to set once all before them are written.
        self._send, self._receive = trio.open_memory_channel[Line | trio.Event](float("inf"))

    async def run(self) -> None:
        """Write the log until cancelled; what was said until then is shown."""
        try:
            async for line in self._receive:
                lines, events = _sorted_out([line, *self._waiting()])
                if lines:
                    with trio.CancelScope(shield=True):
                        await self.log.write([each.text.encode() for each in lines])
                        await trio.to_thread.run_sync(self._show, lines)
                for event in events:
                    event.set()
        finally:
            self._show(_sorted_out(self._waiting())[0])

    def _waiting(self) -> list[Line | trio.Event]:
        return [self._receive.receive_nowait() for _ in range(self._receive.statistics().current_buffer_used)]

    def say(self, text: str, priority: Priority = Priority.INFO) -> None:
        """One line in the log and on standard error."""
        self._send.send_nowait(Line(text, priority))

    def warn_of(self, standing: Collection[str]) -> None:
        """Warn of what should be otherwise from now on, but for what was so at the last call."""
        for text in standing:
            if text not in self._standing:
                self.say(text, Priority.WARNING)
        self._standing = standing

    async def flush(self) -> None:
        """Wait until all that was said is in the log."""
        written = trio.Event()
        self._send.send_nowait(written)
        await written.wait()

    def publish(self, controller: Controller) -> None:
        """Show the service, as it is now, to every watcher."""
        for watcher in list(self._watchers):
            try:
                watcher.send_nowait(controller)
            except trio.WouldBlock:
                self._watchers.discard(watcher)
                watcher.close()

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[trio.MemoryReceiveChannel[Controller]]:
        """The controllers that change, from now on."""
        send, receive = trio.open_memory_channel[Controller](WATCHER_BUFFER)
        self._watchers.add(send)
        try:
            # Not async: between its end and the next line no other task may send to it.
            with receive:
                yield receive
        finally:
            self._watchers.discard(send)
            send.close()


def _sorted_out(items: list[Line | trio.Event]) -> tuple[list[Line], list[trio.Event]]:
    return [each for each in items if isinstance(each, Line)], [each for each in items if isinstance(each, trio.Event)]


def announcement(controller: Controller) -> str:
    """What is said of a service that has come to another status."""
    name, state = controller.service.name, controller.state
    match state.status:
        case Status.RUNNING:
            return f"Service {name} is running{'' if state.pid is None else f' (pid {state.pid})'}."
        case Status.STARTING:
            return f"Service {name} is being started."
        case Status.STOPPING:
            if state.done:
                return f"Service {name} is done."
            if state.failure is not None:
                return f"Service {name} could not be started: {state.failure.reason}."
            return f"Service {name} is being stopped{f': {state.cause}' if state.cause else ''}."
        case Status.STOPPED:
            due = " It will be respawned." if state.respawn_at is not None else ""
            disabled = "" if state.enabled else " It is disabled."
            return f"Service {name} has been stopped.{due}{disabled}"


def urgency(state: State) -> Priority:
    """How much the announcement of this state concerns whoever looks after the host."""
    if state.failure is not None and state.status in (Status.STOPPING, Status.STOPPED):
        return Priority.ERROR
    if state.status in (Status.STOPPING, Status.STOPPED) and (state.cause is not None or state.respawn_at is not None):
        return Priority.WARNING
    return Priority.INFO


_STEPS = {
    Stage.READINESS: "is not ready yet",
    Stage.SETUP: "is being set up",
}
_STATUSES = {
    Status.STARTING: "is being started",
    Status.RUNNING: "is running",
    Status.STOPPING: "is being stopped",
    Status.STOPPED: "has been stopped",
}


def step_text(controller: Controller, waits_for: Sequence[str]) -> str:
    """Where a service is on its way, for whoever waits for it; `waits_for` are requirements that do not serve yet."""
    name, state, stage = controller.service.name, controller.state, controller.runner.stage
    if state.status is Status.STARTING and stage is Stage.REQUIREMENT and waits_for:
        return f"{name} waits for {', '.join(waits_for)}"
    if state.status is Status.STARTING and stage in _STEPS:
        return f"{name} {_STEPS[stage]}"
    return f"{name} {'is done' if state.done else _STATUSES[state.status]}"
