"""A whole host, from the installation to the removal of the package: Debian 12 under a real systemd, in a container.

Run as root by `make boot-test`, which has made the package. The root is made by mmdebstrap once and kept in .cache;
each run has a copy, removed at the end. Needs systemd-nspawn and mmdebstrap (packages systemd-container, mmdebstrap).
Source of the way a container is booted inside of another: systemd-nspawn(1), with cgroups of version 2 alone.
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
BASE = HERE / ".cache" / "boot" / "base"
# herdctl's package depends on the first two alone; the others are what it runs here.
PACKAGES = "systemd-sysv,dbus,python3,procps,jami-daemon,mumble-server,prosody,coturn,openjdk-17-jre-headless"
MIRROR = "deb http://deb.debian.org/debian bookworm main"
SERVICES = ("jami", "mumble-server", "prosody", "coturn", "java")
# Jitsi's own programs are in no registry: jicofo and the bridge fail, Prosody serves. What they need is a Java.
CONFIGURATION = """
[jami]

[mumble]

[jitsi]
domain = "meet.example.org"

[coturn]
# The container has no other.
interfaces = ["127.0.0.1"]

[service.java]
command = ["/usr/bin/rmiregistry"]
user = "nobody"
ready = { tcp = "127.0.0.1:1099" }

[log]
journal = true
"""
# Half a minute is long for whoever waits for a test.
IMPATIENCE = "[Service]\nWatchdogSec=6\nTimeoutAbortSec=2\nTimeoutStopSec=8\n"
PATIENCE = 120.0
# EXIT_FORCE_RESTART of systemd-nspawn.
_REBOOTS = 133
_BOOT = """
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec systemd-nspawn -q -D "$0" -b --register=no --keep-unit --private-network --machine="$1" --console=pipe </dev/null
"""
_CLEAN = """
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cd /sys/fs/cgroup && find payload supervisor -depth -type d -exec rmdir {} + 2>/dev/null
"""


class Machine:
    """The container. Its commands are run from outside, in all its namespaces."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._console = (root.parent / "console").open("w")
        self.process: subprocess.Popen[bytes] | None = None
        self.leader = 0

    def boot(self) -> None:
        """Until every unit that belongs to a boot has been started, or has failed."""
        words = ("unshare", "--mount", "--propagation", "private", "bash", "-c", _BOOT, self.root, f"herd{os.getpid()}")
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

    def run(self, *words: str, check: bool = True) -> str:
        """What a command inside prints. Raises RuntimeError if it fails, with all that it said."""
        inside = ("nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(
            (*inside, *words), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, timeout=300
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
        # Where no systemd has made groups for whoever calls this, systemd-nspawn leaves its own.
        subprocess.run(("unshare", "--mount", "--propagation", "private", "bash", "-c", _CLEAN), check=False)


def until(what: str, found: Callable[[], T]) -> T:
    """The first answer that is not empty."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(RuntimeError):
            if answer := found():
                return answer
        time.sleep(0.05)
    raise RuntimeError(f"waited in vain until {what}")


class Trial:
    """One walk through all steps; each is said with the seconds that it took."""

    def __init__(self, machine: Machine, package: Path, newer: Path) -> None:
        self.machine, self.package, self.newer = machine, package, newer

    def walk(self) -> None:
        """Every step in its order. Raises RuntimeError, AssertionError."""
        for step in (
            self.boot, self.install, self.configure, self.kill, self.hang, self.upgrade, self.fail, self.stop,
            self.stop_hung, self.reboot, self.remove, self.purge, self.set_up,
        ):  # fmt: skip
            began = time.monotonic()
            step()
            print(f"{time.monotonic() - began:6.1f} s  {step.__doc__}", flush=True)

    def boot(self) -> None:
        """a fresh Debian 12 boots"""
        self.machine.boot()

    def install(self) -> None:
        """apt installs the package; herdd runs, is enabled, and answers"""
        self._apt("install", self._inside(self.package))
        for unit in ("herdd.service", "herdd.socket"):
            assert self.machine.run("systemctl", "is-active", unit).strip() == "active", unit
            assert self.machine.run("systemctl", "is-enabled", unit).strip() == "enabled", unit
        assert "+ root" in self.machine.run("herd", "status")
        assert self.machine.status_of("herdd", "--setup") == 1
        # Everybody reaches the socket; members of the groups have roles, and nobody else does.
        member = ("setpriv", "--reuid=nobody", "--clear-groups")
        assert self.machine.status_of(*member, "--regid=herd", "herd", "status") == 0
        assert self.machine.status_of(*member, "--regid=nogroup", "herd", "status") == 6
        assert self.machine.status_of(*member, "--regid=herd-moderators", "herd", "bans") == 0
        assert self.machine.status_of(*member, "--regid=herd-moderators", "herd", "stop", "root") == 6
        mode = self.machine.run("stat", "-c", "%a %U:%G", "/run/herd", "/run/herd/socket").split("\n")
        assert mode[:2] == ["755 root:root", "666 root:root"], mode

    def configure(self) -> None:
        """jami, mumble-server, prosody, coturn and a Java run under it"""
        machine = self.machine
        (machine.root / "etc/herd/herd.toml").write_text(CONFIGURATION)
        drop_in = machine.root / "etc/systemd/system/herdd.service.d/impatience.conf"
        drop_in.parent.mkdir()
        drop_in.write_text(IMPATIENCE)
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", "herdd")
        machine.pids()
        print(machine.run("herd", "status"), end="")
        until("systemd is told", lambda: "services run" in machine.property("StatusText"))
        print("       ", machine.property("StatusText"))
        machine.run("systemctl", "reload", "herdd")
        warnings = machine.run("journalctl", "--no-pager", "-o", "cat", "-u", "herdd", "-t", "herdd", "-p", "warning")
        assert "Service jicofo could not be started" in warnings
        assert " is running" not in warnings, warnings
        journal = machine.run("journalctl", "--no-pager", "-o", "cat", "-t", "prosody", "-t", "mumble-server")
        assert journal.strip(), "nothing of the services is in the journal"

    def kill(self) -> None:
        """herdd is killed: the services go on under the next one"""
        before = self.machine.pids()
        self._await_another(lambda main: self.machine.run("kill", "-KILL", main))
        self._unchanged(before)

    def hang(self) -> None:
        """herdd hangs: the watchdog has another take its place, the services go on"""
        before = self.machine.pids()
        self._await_another(lambda main: self.machine.run("kill", "-STOP", main))
        self._unchanged(before)

    def upgrade(self) -> None:
        """apt upgrades the package: herdd is executed anew, the services go on"""
        before, main, restarts = (
            self.machine.pids(),
            self.machine.property("MainPID"),
            self.machine.property("NRestarts"),
        )
        path = self._inside(self.newer)
        self._apt("install", path)
        until("herdd was executed anew", lambda: self._log("herdd is executed anew") and self._is_settled())
        after = self.machine.property("MainPID"), self.machine.property("NRestarts")
        assert after == (main, restarts), after
        self._unchanged(before)

    def fail(self) -> None:
        """herdd cannot come back: the services go on, until it can, or until systemctl kill"""
        machine, file = self.machine, self.machine.root / "etc/herd/herd.toml"
        before = machine.pids()
        for is_mended in (True, False):
            file.write_text("[jamy]\n")
            machine.run("kill", "-KILL", machine.property("MainPID"))
            until("systemd gives up", lambda: machine.property("ActiveState") == "failed")
            file.write_text(CONFIGURATION)
            if not is_mended:
                machine.run("systemctl", "kill", "herdd")
                until("nothing is left", lambda: not machine.left())
            until("herdd may be started", lambda: machine.status_of("systemctl", "start", "herdd") == 0)
            assert (machine.pids() == before) is is_mended

    def stop(self) -> None:
        """systemctl stop leaves nothing behind, and nobody's question starts herdd again"""
        for words in (("systemctl", "stop", "herdd"), ("herd", "stop", "root")):
            self.machine.run(*words)
            until("herdd has ended", lambda: self.machine.property("SubState") == "dead")
            until("its socket has gone", lambda: self.machine.status_of("systemctl", "is-active", "herdd.socket") == 3)
            self._nothing_is_left()
            self.machine.run("systemctl", "start", "herdd")
            self.machine.pids()

    def stop_hung(self) -> None:
        """not even of a herdd that hangs"""
        main = self.machine.property("MainPID")
        # systemd lets what it signals go on.
        self.machine.run(
            "sh", "-c", "(while kill -STOP $1 2>/dev/null; do sleep 0.01; done) >/dev/null 2>&1 &", "sh", main
        )
        self.machine.run("systemctl", "stop", "herdd")
        self._nothing_is_left()

    def reboot(self) -> None:
        """the host boots again, and all of them run"""
        self.machine.reboot()
        self.machine.pids()

    def remove(self) -> None:
        """apt removes the package: nothing runs"""
        self._apt("remove", "herdctl")
        assert not (left := self.machine.left()), left
        assert (self.machine.root / "var/lib/herd").exists()

    def purge(self) -> None:
        """apt purges it: nothing of it is there"""
        shutil.rmtree(self.machine.root / "etc/systemd/system/herdd.service.d")
        self._apt("purge", "herdctl")
        names = ("herd*", "multi-user.target.wants/herdd*", "sockets.target.wants/herdd*")
        places = ("etc", "etc/systemd/system", "lib/systemd/system", "usr/lib", "usr/bin", "var/lib", "var/log", "run")
        left = [path for place in places for name in names for path in (self.machine.root / place).glob(name)]
        left += [Path(line) for line in self.machine.run("sh", "-c", "ls -d /run/herd* 2>/dev/null; true").split()]
        assert not left, left

    def set_up(self) -> None:
        """make install, and herdd --setup does what the package did"""
        environment = {**os.environ, "DESTDIR": str(self.machine.root), "PREFIX": "/opt/herd"}
        subprocess.run((HERE / "tools/install",), check=True, env=environment)
        self.machine.run("/opt/herd/bin/herdd", "--setup")
        assert self.machine.run("systemctl", "is-enabled", "herdd.service", "herdd.socket").split() == ["enabled"] * 2
        assert "+ root" in self.machine.run("/opt/herd/bin/herd", "status")
        assert "/opt/herd/bin/herdd" in self.machine.property("ExecStart")

    def _inside(self, package: Path) -> str:
        shutil.copy(package, self.machine.root / "var/cache" / package.name)
        return f"/var/cache/{package.name}"

    def _apt(self, *words: str) -> None:
        self.machine.run("apt-get", "-q", "-y", "-o", "Dpkg::Options::=--force-confold", *words)

    def _log(self, text: str) -> bool:
        return text in (self.machine.root / "var/log/herd/root.log").read_text()

    def _is_settled(self) -> bool:
        return self.machine.property("SubState") == "running"

    def _await_another(self, end: Callable[[str], object]) -> None:
        main, restarts = self.machine.property("MainPID"), int(self.machine.property("NRestarts"))
        end(main)
        until("systemd restarts herdd", lambda: int(self.machine.property("NRestarts")) == restarts + 1)
        until("herdd is ready", self._is_settled)
        assert self.machine.property("MainPID") != main

    def _unchanged(self, before: Mapping[str, int]) -> None:
        after = self.machine.pids()
        assert after == before, f"the services' processes were {before}, and are {after}"

    def _nothing_is_left(self) -> None:
        assert not (left := self.machine.left()), left
        assert self.machine.status_of("herd", "status") == 5
        assert self.machine.status_of("systemctl", "is-active", "herdd.service") == 3


@contextmanager
def machine(base: Path) -> Iterator[Machine]:
    """A copy of the root, booted; nothing of it is left."""
    with tempfile.TemporaryDirectory(prefix="herdctl-boot-", dir="/var/tmp") as directory:
        root = Path(directory) / "root"
        subprocess.run(("cp", "-a", "--reflink=auto", base, root), check=True)
        # Their packages would have them serve beside herdd's.
        subprocess.run(("systemctl", f"--root={root}", "-q", "mask", "prosody", "mumble-server", "coturn"), check=True)
        booted = Machine(root)
        try:
            yield booted
        finally:
            booted.end()


def ensure_base() -> None:
    """The root that every run copies, made where it is not there, or was made otherwise."""
    stamp, state = BASE.with_name("stamp"), f"{PACKAGES} {MIRROR}"
    if stamp.exists() and stamp.read_text() == state:
        return
    shutil.rmtree(BASE, ignore_errors=True)
    BASE.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    words = ("mmdebstrap", "-q", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(BASE), MIRROR)
    subprocess.run(words, check=True)
    stamp.write_text(state)
    print(f"{time.monotonic() - began:6.1f} s  a root of Debian 12 is made", flush=True)


def newer_of(package: Path, directory: Path) -> Path:
    """The same package with a higher version."""
    tree = directory / "tree"
    subprocess.run(("dpkg-deb", "-R", package, tree), check=True)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 1:"))
    newer = directory / "herdctl_newer.deb"
    subprocess.run(("dpkg-deb", "-Znone", "-b", tree, newer), check=True, stdout=subprocess.DEVNULL)
    return newer


def main() -> None:
    """Exit status 1 where a step does not end as it should."""
    missing = [name for name in ("systemd-nspawn", "mmdebstrap") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        sys.exit("cannot boot: as root, install the packages systemd-container and mmdebstrap")
    began = time.monotonic()
    (package,) = (HERE / "build/deb").glob("herdctl_*.deb")
    ensure_base()
    with tempfile.TemporaryDirectory(prefix="herdctl-newer-") as directory, machine(BASE) as booted:
        try:
            Trial(booted, package, newer_of(package, Path(directory))).walk()
        except (RuntimeError, AssertionError) as error:
            print(f"cannot go on: {error!r}\n{error}", file=sys.stderr)
            with suppress(RuntimeError):
                print(booted.run("journalctl", "--no-pager", "-u", "herdd*", "-n", "60", check=False), file=sys.stderr)
            sys.exit(1)
    print(f"{time.monotonic() - began:6.1f} s  in all")


if __name__ == "__main__":
    main()
