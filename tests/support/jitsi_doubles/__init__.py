"""Doubles of Jicofo, a bridge, Jibri and Jigasi: they speak real XMPP to a real Prosody, HTTP and stderr as those do.

The real ones are not to be had from a registry. Like jicofo.sh and jvb.sh the programs are shell scripts that exec
an interpreter, are told where their files are in JAVA_SYS_PROPS, and may be run by any user with a clean environment.
What goes wrong has a real cause wherever it can (a wrong password, a taken port …); the rest is asked for in the
double's own key of its configuration, beside `jicofo` or `videobridge` (faults.py):

    [jicofo]
    extra = { double = { fault = "outside" } }

This file is imported by the doubles themselves, so it imports little.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

# uid and gid of nobody: whoever may read what this one may can run the doubles.
_NOBODY = 65534
_NEEDED = "import slixmpp, cryptography.hazmat.primitives.serialization.pkcs12"

# What jicofo.sh does about its arguments and its environment (jicofo/resources/jicofo.sh).
_JICOFO = """#!/bin/sh
# Double of jicofo.sh.
if [ "$1" = --help ]; then
    echo "Usage: $0"
    exit 1
fi
case "$JAVA_SYS_PROPS" in
*-Dconfig.file=*) ;;
*)
    echo "To run jicofo you need a configuration file. Use environment variable JAVA_SYS_PROPS."
    exit 2
    ;;
esac
"""
_JVB = """#!/bin/sh
# Double of jvb.sh.
if [ "$1" = --help ]; then
    echo "Usage: $0 [OPTIONS]"
    exit 1
fi
"""
_JAVA = """#!/bin/sh
# Double of Java, which knows Jibri alone.
"""
_JIGASI = """#!/bin/sh
# Double of jigasi.sh.
"""
# JAVA_SYS_PROPS is split at blanks, on purpose: so do the real ones.
_EXEC = """export PYTHONPATH={path}
exec {python} -B -m jitsi_doubles.{name} -Xmx"${{{memory}:-3072m}}" $JAVA_SYS_PROPS "$@"
"""


def write_doubles(directory: Path) -> tuple[Path, Path]:
    """The programs jicofo.sh and jvb.sh, written into an existing directory that all may enter.

    Beside them `java`, which executes Jibri whatever the jar is, an empty jibri.jar, and jigasi.sh.
    RuntimeError if there is no Python that other users can run.
    """
    home = directory / "jitsi_doubles"
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    for module in Path(__file__).parent.glob("*.py"):
        shutil.copyfile(module, home / module.name)
        (home / module.name).chmod(0o644)
    packages = [each for each in sys.path if each.endswith("-packages")]
    path = os.pathsep.join([str(directory.resolve()), *packages])
    python = _interpreter(path)
    jicofo = _write(directory / "jicofo.sh", _JICOFO, "jicofo", "JICOFO_MAX_MEMORY", path, python)
    jvb = _write(directory / "jvb.sh", _JVB, "jvb", "VIDEOBRIDGE_MAX_MEMORY", path, python)
    _write(directory / "java", _JAVA, "jibri", "NO_MEMORY", path, python)
    (directory / "jibri.jar").touch()
    _write(directory / "jigasi.sh", _JIGASI, "jigasi", "JIGASI_MAX_MEMORY", path, python)
    return jicofo, jvb


def _write(file: Path, beginning: str, name: str, memory: str, path: str, python: str) -> Path:
    end = _EXEC.format(path=shlex.quote(path), python=shlex.quote(python), name=name, memory=memory)
    file.write_text(beginning + end)
    file.chmod(0o755)
    return file.resolve()


def _interpreter(path: str) -> str:
    """This Python, or the system's where this one lies in somebody's home."""
    for python in (sys.executable, "/usr/bin/python3"):
        if _can_run(python, path):
            return python
    raise RuntimeError(
        "cannot find a Python that others can run and that has slixmpp; try a checkout outside of a home"
    )


def _can_run(python: str, path: str) -> bool:
    as_another = {"user": _NOBODY, "group": _NOBODY, "extra_groups": ()} if os.geteuid() == 0 else {}
    try:
        done = subprocess.run(
            [python, "-B", "-c", _NEEDED], env={"PYTHONPATH": path}, cwd="/", capture_output=True, check=False,
            **as_another,  # type: ignore[call-overload]
        )  # fmt: skip
    except OSError:
        return False
    return bool(done.returncode == 0)
