"""Which services may start, kept beyond the end of herdd."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from herd.core import events
from herd.core.errors import HerdError
from herd.daemon.controller import Controller
from herd.daemon.remembered import DisabledNames


class Enabling:
    """Enables and disables, and remembers it; whom a crash loop disabled, too."""

    def __init__(
        self, controllers: Mapping[str, Controller], disabled: DisabledNames, say: Callable[[str], None]
    ) -> None:
        self._controllers = controllers
        self._disabled = disabled
        self._say = say
        self._changed = trio.Event()
        self._saving = trio.Lock()

    def is_enabled(self, name: str) -> bool:
        """Whether a service that is new to this herdd may start."""
        return name not in self._disabled.names

    def note_change(self) -> None:
        """Somebody was enabled or disabled; it will be remembered soon."""
        self._changed.set()

    async def change(self, name: str, *, enabled: bool) -> None:
        """Enable or disable, for this herdd and those after it. Raises HerdError if that cannot be kept."""
        await self._controllers[name].post(events.Enable() if enabled else events.Disable()).wait()
        try:
            await self._save()
        except OSError as error:
            word = "enabled" if enabled else "disabled"
            raise HerdError(
                f"cannot keep it beyond the end of herdd that {name} is {word}: {error.strerror}; make room"
            ) from error

    async def run(self) -> None:
        """Remember whom a crash loop disabled, until cancelled; whoever is asked remembers by itself."""
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            try:
                await self._save()
            except OSError as error:
                self._say(f"cannot remember who is disabled: {error.strerror}; make room")

    async def _save(self) -> None:
        async with self._saving:
            names = {name for name, controller in self._controllers.items() if not controller.state.enabled}
            if names != self._disabled.names:
                await trio.to_thread.run_sync(self._disabled.save, names)
