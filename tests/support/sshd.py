"""An OpenSSH server on the loopback address, for whoever runs the tests, with a key that may do one thing."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ports import free_ports
from support import HERD, PATIENCE

_SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "sshd"
# Where the server, as root, locks in whoever has not logged in yet; a system's own server makes it, too.
_PRIVILEGE_SEPARATION = Path("/run/sshd")
_SETTINGS = """
ListenAddress 127.0.0.1:{port}
HostKey {directory}/host
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin forced-commands-only
"""


class Host:
    """A host to be reached by ssh."""

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._port = port

    def allow(self, *words: str) -> None:
        """Let the key be for `herd` with these words, and for nothing else."""
        herd = self._directory / "herd"
        herd.write_text(f'#!/bin/sh\nexec {shlex.join(HERD)} "$@"\n')
        herd.chmod(0o755)
        key = (self._directory / "key.pub").read_text()
        command = shlex.join([str(herd), *words])
        (self._directory / "authorized_keys").write_text(f'restrict,command="{command}" {key}')

    def ssh(self, command: str | None, sent: str = "") -> subprocess.CompletedProcess[str]:
        """What somebody elsewhere asks for, as the words after `ssh HOST`; without a command, a shell."""
        settings = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
        }
        options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        words: Sequence[str] = () if command is None else (command,)
        user = pwd.getpwuid(os.geteuid()).pw_name
        return subprocess.run(
            ["ssh", "-F", "none", "-T", "-p", str(self._port), "-i", str(self._directory / "key"), *options,
             f"{user}@127.0.0.1", *words],
            input=sent, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip


@contextmanager
def host(directory: Path) -> Iterator[Host]:
    """It answers."""
    (port,) = free_ports(1)
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    (directory / "sshd_config").write_text(_SETTINGS.format(port=port, directory=directory))
    is_made = os.geteuid() == 0 and not _PRIVILEGE_SEPARATION.exists()
    if is_made:
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755)
    command = [_SSHD, "-D", "-e", "-f", str(directory / "sshd_config")]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            said = server.stderr.readline()
            assert "listening on" in said, said
            yield Host(directory, port)
        finally:
            server.terminate()
            server.communicate(timeout=PATIENCE)
            if is_made:
                _PRIVILEGE_SEPARATION.rmdir()
