"""What happens to a service and what the daemon does about it: the words core/lifecycle.py's table is written in."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from herd.core.words import signal_name


class Status(Enum):
    """What a service is."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class Stage(Enum):
    """Where a start failed, in the order in which a start goes."""

    REQUIREMENT = "requirement"
    PREPARATION = "preparation"
    EXECUTION = "execution"
    READINESS = "readiness"
    SETUP = "setup"
    # Not stages of one start: it started too often; it must not start.
    RESPAWN = "respawn"
    DISABLED = "disabled"


@frozen
class Failure:
    """Why a start failed: the stage, and the end of a sentence for people."""

    stage: Stage
    reason: str
    # Lines that bear it out, of the services that it requires.
    notes: tuple[str, ...] = ()
    # The reason says itself what to try.
    has_remedy: bool = False

    def sentence(self, name: str) -> str:
        """What a user reads of the service of that name."""
        remedy = f"; see: herd status {name}"
        if self.stage in (Stage.RESPAWN, Stage.DISABLED):
            remedy = f"; enable it with: herd enable {name}"
        return f"cannot start {name}: {self.reason}{'' if self.has_remedy else remedy}"


@frozen
class Ending:
    """How a process ended: one of exit code and signal number, at a wall-clock time (seconds).

    Neither, where the process was not herdd's child: only its parent is told.
    """

    code: int | None
    signal: int | None
    at: float
    # Ended by the kernel: the service would have had more memory than it may.
    took_too_much: bool = False

    @property
    def words(self) -> str:
        """The ending as the end of a sentence."""
        if self.signal is not None:
            why = ", for it took more memory than it may" if self.took_too_much else ""
            return f"was ended by {signal_name(self.signal)}{why}"
        if self.code is not None:
            return f"exited with {self.code}"
        return "ended, nobody knows how" + (", maybe for it took more memory than it may" if self.took_too_much else "")


class Timer(Enum):
    """The one timer a service may have running, by what it is for."""

    START = "start"
    GRACE = "grace"
    RESPAWN = "respawn"


class _Word:
    """What its type says whole: one is like the other. attrs would make a dozen such classes at every start."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


# Events: what happened.


@frozen
class Start:
    """Somebody asked for a start. `asked` is False for the daemon's own starts at boot."""

    asked: bool = True


class Adopt(_Word):
    """The service's process runs already: an earlier herdd started it."""


class Stop(_Word):
    """Somebody asked for a stop."""


class Hurry(_Word):
    """Whatever is still there is to end at once."""


class Enable(_Word):
    """The service may start again."""


class Disable(_Word):
    """The service must not start until it is enabled."""


@frozen
class Spawned:
    """The program was executed."""

    pid: int


class Ready(_Word):
    """Every stage of the start is done."""


@frozen
class Failed:
    """A stage of the start failed."""

    failure: Failure


@frozen
class Exited:
    """The main process ended."""

    ending: Ending


class Cleared(_Word):
    """No process of the service is left."""


@frozen
class TimerFired:
    """The service's timer ran out; `detail` says what a start still waited for, as the end of a sentence."""

    timer: Timer
    detail: str = ""


@frozen
class Unhealthy:
    """The health check failed."""

    reason: str


@frozen
class RequirementLost:
    """A requirement ended; `returns` when it will be respawned."""

    requirement: str
    returns: bool


class RequirementBack(_Word):
    """A requirement, perhaps of one that it requires, serves again."""


Event = (
    Start
    | Adopt
    | Stop
    | Hurry
    | Enable
    | Disable
    | Spawned
    | Ready
    | Failed
    | Exited
    | Cleared
    | TimerFired
    | Unhealthy
    | RequirementLost
    | RequirementBack
)
EVENTS: tuple[type[Event], ...] = (
    Start, Adopt, Stop, Hurry, Enable, Disable, Spawned, Ready, Failed, Exited, Cleared, TimerFired,
    Unhealthy, RequirementLost, RequirementBack,
)  # fmt: skip


# Effects: what the daemon has to do.


class BeginStart(_Word):
    """Go through the stages; answer with Spawned and Ready, or Failed."""


class BeginAdoption(_Word):
    """Take the process over; answer as to BeginStart."""


class CancelStart(_Word):
    """Break the stages off, if they are under way, and wait until they have ended."""


class Terminate(_Word):
    """TERM to every process of the service; Cleared once none is left."""


class Kill(_Word):
    """KILL to every process of the service; Cleared once none is left."""


@frozen
class SetTimer:
    """Let the service's one timer fire after `delay` seconds, in place of any other."""

    timer: Timer
    delay: float


class ClearTimer(_Word):
    """Let the timer never fire."""


@frozen
class AnswerStart:
    """Tell those who wait for a start: done, or why not."""

    failure: Failure | None


@frozen
class RefuseStart:
    """Tell whoever asked for this start, and nobody else, why there is none."""

    failure: Failure


class AnswerStop(_Word):
    """Tell those who wait for a stop."""


@frozen
class LoseDependents:
    """Tell the dependents that their requirement has gone."""

    returns: bool


Effect = (
    BeginStart
    | BeginAdoption
    | CancelStart
    | Terminate
    | Kill
    | SetTimer
    | ClearTimer
    | AnswerStart
    | RefuseStart
    | AnswerStop
    | LoseDependents
)
