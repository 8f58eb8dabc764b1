"""`pytest --jitsi DIRECTORY`: the tests of Jitsi Meet with the programs that are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from jitsi_doubles import write_doubles
from support import short_directory

_SERVICES = Path(__file__).parents[1] / "services"
_ONE = "test_jitsi_service.py::test_a_domain_is_enough_for_all_of_it"
_NEEDS_A_DOUBLE = "test_jitsi_troubles.py::test_9_a_heap_that_is_not_to_be_had"


def _tested(directory: Path, *names: str) -> subprocess.CompletedProcess[str]:
    words = ("-q", "-rs", "-p", "no:cacheprovider", f"--jitsi={directory}", *(str(_SERVICES / name) for name in names))
    return subprocess.run([sys.executable, "-m", "pytest", *words], capture_output=True, text=True, check=False)


def test_the_installed_programs_are_what_is_tested() -> None:
    with short_directory() as directory:
        jicofo, jvb = directory / "jicofo/jicofo.sh", directory / "jitsi-videobridge/jvb.sh"
        for place, program in zip((jicofo, jvb), write_doubles(directory), strict=True):
            place.parent.mkdir(mode=0o755)
            place.write_text(f'#!/bin/sh\necho "$0" >>{directory}/run.$(id -u)\nexec {program} "$@"\n')
            place.chmod(0o755)
        directory.chmod(0o1777)
        done = _tested(directory, _ONE, _NEEDS_A_DOUBLE)
        assert "1 passed, 1 skipped" in done.stdout, done.stdout
        assert "it needs a double" in done.stdout
        (told,) = directory.glob("run.*")
        assert set(told.read_text().split()) == {str(jicofo), str(jvb)}


def test_programs_that_are_not_there_are_said(tmp_path: Path) -> None:
    done = _tested(tmp_path, _ONE)
    assert done.returncode == 4
    assert f"cannot find {tmp_path}/jicofo/jicofo.sh; install the Jitsi project's packages" in done.stdout
