"""A Debian 12 under a real systemd, in a container: made, booted, and what is run in it.

The root is made by mmdebstrap once and kept in .cache; each run has a copy, removed at the end. Source of the way a
container is booted inside of another: systemd-nspawn(1), with cgroups of version 2 alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

HERE = Path(__file__).parents[1]
CACHE = HERE / ".cache" / "boot"
BASE = CACHE / "base"
# herdctl's package depends on python3 alone; the others are what it runs here, what installs it otherwise, and what
# asks it or shows its pages.
PACKAGES = (
    "systemd-sysv,dbus,python3,procps,jami-daemon,mumble-server,prosody,coturn,openjdk-17-jre-headless,"
    "adduser,pipx,man-db,bash-completion,zsh,fish"
)
MIRROR = "deb http://deb.debian.org/debian bookworm main"
SERVICES = ("jami", "mumble-server", "prosody", "coturn", "java")
PATIENCE = 120.0
# As a root's login has it.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PIP = (CACHE / "venv/bin/python", "-m", "pip")
# EXIT_FORCE_RESTART of systemd-nspawn.
_REBOOTS = 133
_CGROUPS = """
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit
"""
_BOOT = f"""{_CGROUPS}
exec systemd-nspawn -q -D "$0" -b --register=no --keep-unit --private-network --machine="$1" --console=pipe </dev/null
"""
_TRY = f"""{_CGROUPS}
exec systemd-nspawn -q -D "$0" --read-only --register=no --keep-unit --private-network --machine="$1" --console=pipe \\
    /bin/true </dev/null
"""
_CLEAN = f"""{_CGROUPS}
cd /sys/fs/cgroup && find payload supervisor -depth -type d -exec rmdir {{}} + 2>/dev/null
"""


def with_cgroups(script: str, *words: str | Path) -> tuple[str | Path, ...]:
    """The command for a script whose mounts are seen by itself alone; its words are $0, $1, ..."""
    return ("unshare", "--mount", "--propagation", "private", "bash", "-c", script, *words)


class Machine:
    """The container. Its commands are run from outside, in all its namespaces."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._console = (root.parent / "console").open("w")
        self.process: subprocess.Popen[bytes] | None = None
        self.leader = 0

    def boot(self) -> None:
        """Until every unit that belongs to a boot has been started, or has failed."""
        words = with_cgroups(_BOOT, self.root, f"herd{os.getpid()}")
        self.process = subprocess.Popen(words, stdout=self._console, stderr=subprocess.STDOUT)
        self.leader = until("systemd begins", lambda: next(self._leaders(), 0))
        until(
            "it has booted",
            lambda: self.run("systemctl", "is-system-running", check=False) in ("running\n", "degraded\n"),
        )

    def reboot(self) -> None:
        """As boot(), after the end of all that runs."""
        assert self.process is not None
        self.run("systemctl", "--no-block", "reboot")
        # systemd-nspawn says so, and leaves it to whoever has started it to do it again.
        status = self.process.wait(PATIENCE)
        assert status == _REBOOTS, status
        self.boot()

    def _leaders(self) -> Iterator[int]:
        assert self.process is not None
        for line in subprocess.run(
            ("ps", "-eo", "pid=,ppid=,comm="), capture_output=True, text=True
        ).stdout.splitlines():
            pid, parent, name = line.split(None, 2)
            if int(parent) == self.process.pid and name == "systemd":
                yield int(pid)

    def run(self, *words: str, check: bool = True, path: str = "") -> str:
        """What a command inside prints, with directories before those of PATH. Raises RuntimeError if it fails, with
        all that it said."""
        inside = ("nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--")
        environment = {
            "PATH": f"{path}{_PATH}",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        done = subprocess.run(
            (*inside, *words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            timeout=PATIENCE,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def status_of(self, *words: str) -> int:
        """The exit status of a command inside."""
        return int(self.run("sh", "-c", '"$@" >/dev/null 2>&1; echo $?', "sh", *words))

    def property(self, name: str) -> str:
        """What systemd knows of herdd.service."""
        return self.run("systemctl", "show", "herdd.service", "--property", name, "--value").strip()

    def pids(self) -> Mapping[str, int]:
        """The services' main processes, once all of them run."""
        for name in SERVICES:
            self.run("herd", "start", name)
        return {name: json.loads(self.run("herd", "--json", "status", name))["mainPid"] for name in SERVICES}

    def left(self) -> str:
        """The processes in herdd's cgroup, and those of the services wherever they are."""
        names = "jamid|murmurd|prosody|lua|turnserver|rmiregistry|dbus-daemon --config"
        return self.run("sh", "-c", f"pgrep -af '{names}' | grep -v -e pgrep -e --system; true").strip()

    def end(self) -> None:
        """Power off, or end it."""
        if self.process is None:
            return
        with suppress(RuntimeError, subprocess.TimeoutExpired):
            self.run("systemctl", "--no-block", "poweroff", check=False)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self._console.close()
        _clean()


def until(what: str, found: Callable[[], T]) -> T:
    """The first answer that is not empty."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(RuntimeError):
            if answer := found():
                return answer
        time.sleep(0.05)
    raise RuntimeError(f"waited in vain until {what}")


@contextmanager
def machine() -> Iterator[Machine]:
    """A copy of the root, booted; nothing of it is left."""
    with tempfile.TemporaryDirectory(prefix="herdctl-boot-", dir="/var/tmp") as directory:
        root = Path(directory) / "root"
        subprocess.run(("cp", "-a", "--reflink=auto", BASE, root), check=True)
        # Their packages would have them serve beside herdd's.
        subprocess.run(("systemctl", f"--root={root}", "-q", "mask", "prosody", "mumble-server", "coturn"), check=True)
        booted = Machine(root)
        try:
            yield booted
        finally:
            booted.end()


def make_wheels(directory: Path) -> Path:
    """herdctl as pipx takes it, with all that it needs, and what pipx puts in a virtual environment."""
    _fetch_tools(directory)
    subprocess.run((*_PIP, "wheel", "-q", "-w", directory, HERE), check=True, stdin=subprocess.DEVNULL)
    return directory


def prepare() -> None:
    """The root that every run copies is there, and a program can be run in it. Ends with a sentence where that cannot
    be, for want of a program, of a right or of a network; what is wrong with herdctl itself ends nothing here."""
    missing = [name for name in ("systemd-nspawn", "mmdebstrap") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        sys.exit("cannot boot a host: it takes root, and the programs that tools/setup boot installs")
    for what, step in (
        ("make a root of Debian 12", _ensure_base),
        ("run a program in a container, with cgroups of version 2", _try),
        ("fetch from PyPI", lambda: _fetch_tools(CACHE / "wheels")),
    ):
        try:
            step()
        except subprocess.CalledProcessError as error:
            sys.exit(f"cannot boot a host: cannot {what}: {(error.stderr.strip() or str(error)).splitlines()[-1]}")


def _ensure_base() -> None:
    """Made where it is not there, or was made otherwise."""
    stamp, state = CACHE / "stamp", f"{PACKAGES} {MIRROR}"
    if stamp.exists() and stamp.read_text() == state:
        return
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    began = time.monotonic()
    _quietly("/usr/bin/python3", "-m", "venv", CACHE / "venv")
    _quietly("mmdebstrap", "-q", "--variant=minbase", f"--include={PACKAGES}", "bookworm", BASE, MIRROR)
    stamp.write_text(state)
    print(f"{time.monotonic() - began:6.1f} s  a root of Debian 12 is made", flush=True)


def _try() -> None:
    _quietly(*with_cgroups(_TRY, BASE, f"herd{os.getpid()}"))
    _clean()


def _clean() -> None:
    """Where no systemd has made groups for whoever calls this, systemd-nspawn leaves its own."""
    subprocess.run(with_cgroups(_CLEAN), check=False)


def _fetch_tools(directory: Path) -> None:
    _quietly(*_PIP, "download", "-q", "-d", directory, "pip", "setuptools", "wheel")


def _quietly(*words: str | Path) -> None:
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True)
