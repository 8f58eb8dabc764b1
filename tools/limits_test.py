"""Control groups as they are on a host: Debian 12 with the package, its kernel and systemd, in a machine of QEMU's.

Run as root by `make limits-test`, which has made the package. Where the controllers are of version 1, as in most
containers, nothing else shows what memory, cpu and pids do. The root is made by mmdebstrap once and kept in .cache;
each run has a disk of its own. The machine is emulated (TCG), for that works everywhere. Source: qemu-system-x86_64(1).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import limits_inside
import limits_services

HERE = Path(__file__).parents[1]
BASE = HERE / ".cache" / "limits" / "base"
PACKAGES = "systemd-sysv,dbus,python3,linux-image-cloud-amd64"
MIRROR = "deb http://deb.debian.org/debian bookworm main"
PROGRAMS = ("qemu-system-x86_64", "mmdebstrap", "mke2fs")
# Seconds for all that is done inside.
PATIENCE = 900
DISK = "1500M"
KERNEL = "root=/dev/vda rw console=ttyS0 panic=-1"
SCRIPTS = "usr/local/lib/limits"
# Its report goes to the second console.
UNIT = f"""
[Unit]
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -u /{SCRIPTS}/limits_inside.py
StandardOutput=file:/dev/ttyS1
StandardError=inherit
ExecStopPost=/bin/systemctl --no-block poweroff

[Install]
WantedBy=graphical.target
"""


def ensure_base() -> None:
    """The root that every run copies, made where it is not there, or was made otherwise."""
    stamp, state = BASE.with_name("stamp"), f"{PACKAGES} {MIRROR}"
    if stamp.exists() and stamp.read_text() == state:
        return
    shutil.rmtree(BASE, ignore_errors=True)
    BASE.parent.mkdir(parents=True, exist_ok=True)
    words = ("mmdebstrap", "-q", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(BASE), MIRROR)
    subprocess.run(words, check=True)
    stamp.write_text(state)


def furnish(root: Path, package: Path) -> None:
    """A root with the package, and what is to be done once it has booted."""
    subprocess.run(("cp", "-a", "--reflink=auto", BASE, root), check=True)
    shutil.copy(package, root / "herdctl.deb")
    words = ("chroot", root, "dpkg", "-i", "/herdctl.deb")
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"cannot install the package:\n{done.stdout}{done.stderr}")
    (root / SCRIPTS).mkdir()
    for module in (limits_inside, limits_services):
        shutil.copy(str(module.__file__), root / SCRIPTS)
    (root / "etc/systemd/system/limits-test.service").write_text(UNIT)
    subprocess.run(("systemctl", f"--root={root}", "-q", "enable", "limits-test.service"), check=True)


def boot(root: Path, directory: Path) -> bool:
    """Boot it, print what it reports, and say whether the last step was reached."""
    disk, console = directory / "disk", directory / "console"
    subprocess.run(("mke2fs", "-q", "-t", "ext4", "-d", root, disk, DISK), check=True, stdout=subprocess.DEVNULL)
    words = (
        "timeout", str(PATIENCE), PROGRAMS[0], "-accel", "tcg", "-smp", "2", "-m", "1024", "-nic", "none",
        "-display", "none", "-monitor", "none", "-serial", f"file:{console}", "-serial", "stdio", "-no-reboot",
        "-drive", f"file={disk},if=virtio,format=raw,cache=unsafe", "-append", KERNEL,
        "-kernel", root / "vmlinuz", "-initrd", root / "initrd.img",
    )  # fmt: skip
    last = ""
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as machine:
        assert machine.stdout is not None
        for line in machine.stdout:
            last = line.rstrip()
            print(last, flush=True)
    if not last:
        # It did not even boot.
        print("\n".join(console.read_text(errors="replace").split("\n")[-40:]), file=sys.stderr)
    return last == limits_inside.DONE


def main() -> None:
    """Exit status 1 where a step does not end as it should."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        sys.exit("cannot boot: as root, install the packages qemu-system-x86, mmdebstrap and e2fsprogs")
    began = time.monotonic()
    (package,) = (HERE / "build/deb").glob("herdctl_*.deb")
    ensure_base()
    print(f"{time.monotonic() - began:6.1f} s  there is a root of Debian 12", flush=True)
    with tempfile.TemporaryDirectory(prefix="herdctl-limits-", dir="/var/tmp") as name:
        directory = Path(name)
        furnish(directory / "root", package)
        is_right = boot(directory / "root", directory)
    print(f"{time.monotonic() - began:6.1f} s  in all")
    if not is_right:
        sys.exit("cannot say that limits hold: see the last step above")


if __name__ == "__main__":
    main()
