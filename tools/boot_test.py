"""A whole host, from the installation to the removal of the package: Debian 12 under a real systemd, in a container.

Run as root by `make boot-test`, which has made the package. `--prepare` only finds out whether a host can be booted
here, and makes what every run needs (boot_host.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from boot_host import HERE, SERVICES, Machine, machine, make_wheels, prepare, until

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
# Somebody's certificate.
NOISY = "16fe2466e06480df911c59870ec3db69ddae1bb9"
PAGES = ("herd", "herdd", "herd.toml", "herd-protocol")
# What each shell offers for the end of a line, asked of the completion that it finds by itself.
_BASH = r"""
. /usr/share/bash-completion/bash_completion
__load_completion herd
COMP_LINE=$1 COMP_POINT=${#1}
_herd herd
printf '%s\n' "${COMPREPLY[@]}"
"""
_ZSH = "autoload -Uz compinit; compinit -u -D; print $_comps[herd]"
_FISH = "complete -C $argv[1]"
_PIPX = """
export PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin PIPX_MAN_DIR=/usr/local/share/man
pipx install "$@" --pip-args="--no-index --find-links=/var/cache/wheels" /var/cache/wheels/herdctl-*.whl
"""


class Trial:
    """One walk through all steps; each is said with the seconds that it took."""

    def __init__(self, machine: Machine, package: Path, newer: Path, wheels: Path) -> None:
        self.machine, self.package, self.newer, self.wheels = machine, package, newer, wheels

    def walk(self) -> None:
        """Every step in its order. Raises RuntimeError, AssertionError."""
        for step in (
            self.boot, self.install, self.configure, self.look_up, self.moderate, self.kill, self.hang, self.upgrade,
            self.fail, self.stop, self.stop_hung, self.reboot, self.remove, self.purge, self.pipx, self.set_up,
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
        self._is_set_up("/usr/bin")
        assert self.machine.status_of("herd", "setup") == 1
        # Everybody reaches the socket; members of the groups have roles, and nobody else does.
        member = ("setpriv", "--reuid=nobody", "--clear-groups")
        assert self.machine.status_of(*member, "--regid=herd", "herd", "status") == 0
        assert self.machine.status_of(*member, "--regid=nogroup", "herd", "status") == 6
        assert self.machine.status_of(*member, "--regid=herd-moderators", "herd", "bans") == 0
        assert self.machine.status_of(*member, "--regid=herd-moderators", "herd", "stop", "root") == 6

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

    def look_up(self) -> None:
        """man finds the pages, and bash, zsh and fish complete the name of a service"""
        self._is_at_hand("herd status mum", "mumble-server")

    def moderate(self) -> None:
        """whom adduser puts in herd-moderators moderates, and does nothing of an admin's"""
        for user, *groups in (("bob", "herd"), ("eve",), ("ann", "herd-moderators")):
            self.machine.run("adduser", "--disabled-password", "--gecos", "", user)
            for group in groups:
                self.machine.run("adduser", user, group)
        for user, command, status in (
            ("bob", "herd restart java", 0),
            ("eve", "herd status", 6),
            ("eve", f"herd ban mumble-server {NOISY}", 6),
            ("ann", "herd restart java", 6),
            ("ann", f"herd ban mumble-server {NOISY} --reason noise", 0),
        ):
            assert self.machine.status_of("su", user, "-c", command) == status, (user, command)
        self._is_banned()

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
        """the host boots again, all of them run, and who was banned is so"""
        self.machine.reboot()
        until("all run, and nobody had to start them", lambda: set(SERVICES) <= self._started())
        self._is_banned()

    def remove(self) -> None:
        """apt removes the package of a herdd that had failed: nothing runs"""
        (self.machine.root / "etc/herd/herd.toml").write_text("[jamy]\n")
        self.machine.run("kill", "-KILL", self.machine.property("MainPID"))
        until("systemd gives up", lambda: self.machine.property("ActiveState") == "failed")
        assert self.machine.left()
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

    def pipx(self) -> None:
        """pipx install, and herd setup does what the package did; a newer one takes its place"""
        # The host that was booted reaches no network.
        shutil.copytree(self.wheels, self.machine.root / "var/cache/wheels")
        self.machine.run("sh", "-ec", _PIPX)
        self.machine.run("herd", "setup")
        self._is_set_up("/usr/local/bin")
        main = self.machine.property("MainPID")
        self.machine.run("sh", "-ec", _PIPX, "sh", "--force")
        assert "write" not in self.machine.run("herd", "setup")
        self.machine.run("herd", "upgrade", "root")
        until("herdd was executed anew", self._is_settled)
        assert self.machine.property("MainPID") == main
        self.machine.run("systemctl", "disable", "--now", "herdd")
        self.machine.run("sh", "-c", "PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx uninstall herdctl")

    def set_up(self) -> None:
        """make install, and herd setup does the same"""
        environment = {**os.environ, "DESTDIR": str(self.machine.root), "PREFIX": "/opt/herd"}
        subprocess.run((HERE / "tools/install",), check=True, env=environment)
        self.machine.run("/opt/herd/bin/herd", "setup")
        self._is_set_up("/opt/herd/bin")

    def _is_set_up(self, bindir: str) -> None:
        """herdd runs from there, starts at every boot, is reached by all, and is told of as it should be."""
        machine, units = self.machine, ("herdd.service", "herdd.socket")
        assert machine.run("systemctl", "is-active", *units).split() == ["active"] * 2
        assert machine.run("systemctl", "is-enabled", *units).split() == ["enabled"] * 2
        assert f"path={bindir}/herdd ;" in machine.property("ExecStart")
        assert "root" in self._started(f"{bindir}:")
        mode = machine.run("stat", "-c", "%a %U:%G", "/run/herd", "/run/herd/socket").splitlines()
        assert mode == ["755 root:root", "666 root:root"], mode
        complaints = machine.run("sh", "-c", '"$@" 2>&1', "sh", "systemd-analyze", "verify", *units)
        assert not complaints, complaints
        self._is_at_hand("herd status roo", "root", f"{bindir}:")

    def _is_at_hand(self, line: str, answer: str, path: str = "") -> None:
        """The manual pages, and in each shell what ends this line."""
        self.machine.run("man", "-w", *PAGES)
        assert self.machine.run("bash", "-c", _BASH, "bash", line, path=path).split() == [answer]
        assert self.machine.run("zsh", "-fc", _ZSH, path=path).strip() == "_herd"
        offered = self.machine.run("fish", "-c", _FISH, line, path=path)
        assert [each.split("\t")[0] for each in offered.splitlines()] == [answer], offered

    def _is_banned(self) -> None:
        bans = self.machine.run("herd", "bans")
        assert bans.startswith(f"mumble-server: {NOISY}, by ann"), bans

    def _started(self, path: str = "") -> set[str]:
        lines = self.machine.run("herd", "status", path=path).splitlines()
        return {line.removeprefix(" + ") for line in lines if line.startswith(" + ")}

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
    began = time.monotonic()
    prepare()
    if "--prepare" in sys.argv[1:]:
        return
    (package,) = (HERE / "build/deb").glob("herdctl_*.deb")
    with tempfile.TemporaryDirectory(prefix="herdctl-boot-") as name, machine() as booted:
        directory = Path(name)
        try:
            Trial(booted, package, newer_of(package, directory), make_wheels(directory / "wheels")).walk()
        except (RuntimeError, AssertionError, subprocess.SubprocessError) as error:
            traceback.print_exception(error)
            with suppress(RuntimeError):
                print(booted.run("journalctl", "--no-pager", "-u", "herdd*", "-n", "60", check=False), file=sys.stderr)
            sys.exit("cannot take the package: a step of the boot test failed, see above")
    print(f"{time.monotonic() - began:6.1f} s  in all")


if __name__ == "__main__":
    main()
