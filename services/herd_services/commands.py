"""Actions that are commands: `[service.NAME.action.X]`.

Whoever may ask for one chooses the words that follow its command. They are words of the program's, never a shell's, but
a word may look like an option: a command that others may use ends with `--`, or with a program that takes no options.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import Attribute, field, frozen, validators

from herd.core.action import TAKEN_NAMES, Action, Invocation, Reply
from herd.core.errors import HerdError
from herd.core.host import Host, Output
from herd.core.role import WORDS, Role

# As much as a command may print, in bytes: what becomes of it in JSON fits into one reply.
MOST_OUTPUT = 1024 * 1024
# Of its output, that many lines tell of a failure.
_MOST_LINES = 20


def _usage(instance: object, attribute: Attribute[str], value: str) -> None:
    if not re.fullmatch(r"([^\s\[\]]+ )*(\[[^\s\[\]]+\] )*", f"{value} " if value else ""):
        raise ValueError(
            f"{value!r} is no usage; one is a word for each argument, optional ones last: CONTACT [ACCOUNT]"
        )


@frozen
class ActionConfiguration:
    """The keys of `[service.NAME.action.X]`. Seconds throughout."""

    command: tuple[str, ...] = field(validator=validators.min_len(1))
    documentation: str = "[No description]."
    usage: str = field(default="", validator=_usage)
    # A command that nobody was thought of for is the admins' alone.
    role: str = field(default=Role.ADMIN.word, validator=validators.in_(WORDS))
    timeout: float = field(default=60.0, validator=validators.gt(0))


def check_names(instance: object, attribute: Attribute[Any], value: Mapping[str, ActionConfiguration]) -> None:
    """Raise ValueError for names that no action can have."""
    for name in value:
        if name in TAKEN_NAMES:
            raise ValueError(f"{name!r} is what herd itself does; choose another name")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise ValueError(f"{name!r} is no name; one has small letters, digits and - in it, a letter first")


@frozen
class _Command:
    """What an action does. A value, so that a reload can tell whether it is another one now."""

    service: str
    action: str
    words: tuple[str, ...]
    timeout: float

    async def __call__(self, host: Host, call: Invocation) -> Reply:
        output = await host.run((*self.words, *call.arguments.words), timeout=self.timeout, limit=MOST_OUTPUT)
        if output.failure is not None:
            text = f"cannot {self.action} {self.service}: {output.failure}; see: herd doc {self.service} {self.action}"
            raise HerdError(text + _last_words(output))
        result: dict[str, Any] = {"output": output.text}
        return Reply(result, output.text, output.messages)


def _last_words(output: Output) -> str:
    """What it said of the failure, or else printed last."""
    lines = output.messages or output.text.splitlines()[-_MOST_LINES:]
    return "\nits last output:\n" + "\n".join(f"  {line}" for line in lines) if lines else ""


def actions(service: str, read: Mapping[str, ActionConfiguration]) -> tuple[Action, ...]:
    """The actions of a service, in the order of their tables."""
    return tuple(
        Action(
            name=name,
            documentation=each.documentation,
            handler=_Command(service, name, each.command, each.timeout),
            usage=each.usage,
            role=Role.of(each.role),
            ends_with_caller=True,
        )
        for name, each in read.items()
    )
