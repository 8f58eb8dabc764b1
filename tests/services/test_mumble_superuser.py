"""SuperUser's password: made by herdd, shown once, chosen by an administrator, never seen by anybody else."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

from mumble import joined, port_of, refused, running, table
from support import HERD, PATIENCE, Daemon

NAME = "mumble-server"
WRONG = "Wrong certificate or password for existing user"


def _typed(daemon: Daemon, words: tuple[str, ...], lines: tuple[str, ...]) -> tuple[int, str]:
    """`herd` at a terminal: the lines are typed one by one, each once it asks; its status, and all that is seen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(HERD[0], [*HERD, "--socket", str(daemon.socket), *words], {**os.environ, "TERM": "dumb"})
    seen = ""
    for line in lines:
        while not seen.endswith(": "):
            seen += os.read(terminal, 4096).decode()
        os.write(terminal, f"{line}\n".encode())
        seen += "\n"
    while part := _read(terminal):
        seen += part
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode()
    except OSError:
        # The other side has ended.
        return ""


def test_the_password_that_herdd_made_is_shown_once(tmp_path: Path) -> None:
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        shown = daemon.herd("superuser-password", NAME)
        password = shown.stdout.strip()
        assert len(password) == 48
        with joined(port, "SuperUser", None, password):
            pass
        again = daemon.herd("superuser-password", NAME)
        assert (again.returncode, again.stdout) == (1, "")
        assert "was shown it at " in again.stderr
        assert again.stderr.endswith("; set one: herd set-superuser-password mumble-server\n")
        kept = daemon.state_dir / "secrets" / "mumble-superuser"
        assert kept.stat().st_mode & 0o777 == 0o600
        for file in daemon.log_dir.iterdir():
            assert password not in file.read_text()


def test_a_chosen_password_holds_and_herd_goes_on(tmp_path: Path) -> None:
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        old = daemon.herd("superuser-password", NAME).stdout.strip()
        file = tmp_path / "password"
        file.write_text("a chosen, one; \\\n")
        file.chmod(0o600)
        done = daemon.herd("set-superuser-password", NAME, "--password-file", str(file))
        assert done.stdout == "SuperUser logs in with the new password from now on.\n"
        for _ in range(2):
            assert refused(port, "SuperUser", None, old) == WRONG
            with joined(port, "SuperUser", None, "a chosen, one; \\"):
                pass
            assert daemon.herd("list-users", NAME).returncode == 0
            assert daemon.herd("restart", NAME).returncode == 0
        assert "chose it at " in daemon.herd("superuser-password", NAME).stderr
        file.write_text("größe\n")
        said = daemon.herd("set-superuser-password", NAME, "--password-file", str(file)).stderr
        assert "it has characters that are not of ASCII; choose another" in said
        assert daemon.herd("list-users", NAME).returncode == 0


def test_the_password_is_asked_for_at_a_terminal(tmp_path: Path) -> None:
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        status, seen = _typed(daemon, ("set-superuser-password", NAME), ("typed secret", "typed secret"))
        assert (status, "from now on" in seen) == (0, True), seen
        assert "New password of SuperUser: " in seen
        assert "typed secret" not in seen
        with joined(port, "SuperUser", None, "typed secret"):
            pass
        status, seen = _typed(daemon, ("set-superuser-password", NAME), ("one", "other"))
        assert (status, "the second was not the first; try again" in seen) == (1, True), seen
        # Whoever has no terminal is told of the option.
        done = subprocess.run(
            [*HERD, "--socket", str(daemon.socket), "set-superuser-password", NAME],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 1
        assert done.stderr == (
            "herd: cannot set the password of SuperUser: name a file whose first line it is: --password-file FILE\n"
        )
