"""Every way in which a request can fail, with what a user and a program are told.

Rules: the text begins with "cannot", names the thing and ends with what to try. The class says how it
travels on the socket (`name`, a Varlink error of the interface) and which exit status `herd` ends with.
This file is imported by the command at every start, so it imports nothing.
"""

from __future__ import annotations

INTERFACE = "org.herdctl.Supervisor"


class HerdError(Exception):
    """A request that could not be done: exit status 1. Subclasses say more exactly why."""

    name = "CannotDo"
    exit_status = 1

    @property
    def message(self) -> str:
        """The sentence a user reads."""
        return str(self.args[0]) if self.args else "cannot do that"

    @property
    def parameters(self) -> dict[str, str]:
        """What travels with its name."""
        return {"message": self.message}


class WrongUsage(HerdError):
    """Arguments that an action does not take: exit status 2."""

    name = "WrongUsage"
    exit_status = 2


class NoSuchService(HerdError):
    """No service provides that name: exit status 4."""

    name = "NoSuchService"
    exit_status = 4


class NoSuchAction(HerdError):
    """The service has no action of that name: exit status 4."""

    name = "NoSuchAction"
    exit_status = 4


class Unreachable(HerdError):
    """No daemon answers on the socket: exit status 5. Made by the command, never sent."""

    name = "Unreachable"
    exit_status = 5


class NotAllowed(HerdError):
    """The peer may not do that: exit status 6."""

    name = "NotAllowed"
    exit_status = 6


class SecretWanted(HerdError):
    """A password is missing: whoever sits at a terminal is asked for it, under `prompt`.

    It is given as a file that `option` names; the message says so to all others.
    """

    name = "SecretWanted"

    def __init__(self, message: str, prompt: str = "Password", option: str = "--password-file") -> None:
        super().__init__(message)
        self.prompt, self.option = prompt, option

    @property
    def parameters(self) -> dict[str, str]:
        """What travels with its name."""
        return {"message": self.message, "prompt": self.prompt, "option": self.option}


class StartFailed(HerdError):
    """A service did not come up; the sentence names the reason, `notes` are lines that bear it out."""

    name = "StartFailed"

    def __init__(self, sentence: str, notes: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join((sentence, *notes)))
        self.sentence, self.notes = sentence, notes


class ConfigurationError(HerdError):
    """One or more mistakes in the configuration; `problems` holds each, one a line."""

    name = "ConfigurationError"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


# What the socket may carry, by the last word of the error's name.
KINDS = {
    kind.name: kind
    for kind in (HerdError, WrongUsage, NoSuchService, NoSuchAction, NotAllowed, SecretWanted, StartFailed)
}
