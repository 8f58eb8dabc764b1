"""Where herdd keeps what: the system's places for root, the XDG counterparts for a user.

What services' own users must reach, a bus's socket for one, lies beside the control socket's directory, in
`/run/herd-services`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen


@frozen
class Paths:
    """Every place herdd uses."""

    config: Path
    runtime_dir: Path
    state_dir: Path
    log_dir: Path
    socket: Path

    @property
    def processes_dir(self) -> Path:
        """What the next herdd is to know of the processes that run."""
        return self.runtime_dir / "processes"

    @property
    def services_dir(self) -> Path:
        """Where services' users find their sockets and generated files."""
        return self.runtime_dir.with_name(f"{self.runtime_dir.name}-services")


def default_paths(environment: Mapping[str, str]) -> Paths:
    """The places for whoever runs this."""
    if os.geteuid() == 0:
        run = Path("/run/herd")
        return Paths(Path("/etc/herd/herd.toml"), run, Path("/var/lib/herd"), Path("/var/log/herd"), run / "socket")
    home = Path(environment.get("HOME", "/"))
    run = Path(environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}") / "herd"
    state = Path(environment.get("XDG_STATE_HOME") or home / ".local/state") / "herd"
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "herd/herd.toml"
    return Paths(config, run, state, state / "log", run / "socket")
