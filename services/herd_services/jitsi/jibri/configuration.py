"""The keys of `[jibri]` (reference.conf of jibri)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import field, frozen, validators

from herd_services.jitsi import values


@frozen
class JibriConfiguration:
    """One that records or streams one conference at a time."""

    # The package's launch.sh reads files in /etc alone: what it executes is executed without it.
    program: Path = Path("/usr/bin/java")
    jar: Path = Path("/opt/jitsi/jibri/jibri.jar")
    user: str = "jibri"
    group: str | None = None
    # Of the devices that it takes sound and pictures from.
    supplementary_groups: tuple[str, ...] = ("audio", "video")
    display: str = ":0"
    # Its name in its room. Without it: the host's name.
    nickname: str | None = field(default=None, validator=values.nickname)
    # Where recordings are put, which its user has to be able to write. Without it: in its state.
    recordings: Path | None = None
    # What is run for each recording, with its directory as the only word.
    finalize_script: Path | None = None
    # By what browsers reach the conferences. Without it: https and the domain.
    base_url: str | None = None
    # Minutes that a recording may last; 0: as long as there is somebody.
    usage_timeout: int = field(default=0, validator=validators.ge(0))
    memory: int | None = field(default=None, validator=validators.optional(validators.ge(64)))
    # Its HTTP interfaces, on the loopback address alone.
    http_port: int = field(default=2222, validator=values.port)
    internal_http_port: int = field(default=3333, validator=values.port)
    log_level: values.JavaLevel = "INFO"
    # Further keys of jibri.conf, nested as there: { jibri = { … } }.
    extra: dict[str, Any] = field(factory=dict, validator=values.keys)
    auto_start: bool = True
