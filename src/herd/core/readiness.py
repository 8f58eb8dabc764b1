"""When a started program is ready, and what a health check asks: values that daemon/probe.py and its like act on.

Started, ready and healthy are three things: executed; first able to serve; still able to. The forms of readiness are
those that dinit, Pebble and systemd have (dinit-service(5), sd_notify(3)).
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen


@frozen
class OutputLine:
    """A line of its output holds this text."""

    text: str


@frozen
class Notification:
    """It sends READY=1 to $NOTIFY_SOCKET (sd_notify(3))."""


@frozen
class PidFile:
    """It forks, its first process ends, and this file then names its main process."""

    path: Path


@frozen
class TcpPort:
    """A process of the service itself listens there: an answer alone might be somebody else's."""

    host: str
    port: int


@frozen
class UnixSocket:
    """A connection to the path is taken."""

    path: Path


@frozen
class HttpStatus:
    """A GET of the URL (http://… or https://…) answers with this status."""

    url: str
    status: int = 200


@frozen
class CommandSuccess:
    """The command, run as the service's user in its environment, ends with 0."""

    command: tuple[str, ...]


# Can be asked at any time, hence for health too.
Probe = TcpPort | UnixSocket | HttpStatus | CommandSuccess
Readiness = OutputLine | Notification | PidFile | Probe
