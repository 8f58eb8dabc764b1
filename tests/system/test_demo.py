"""`make run` as a new user sees it: an account is made, the start-up shown, Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from herd.daemon.children import become_subreaper
from support import HERD, short_directory

DEMO = Path(__file__).resolve().parents[2] / "tools" / "demo.py"


def run_demo(directory: Path) -> list[str]:
    """What the demonstration prints until Jami runs and, after Ctrl-C, to its end."""
    process = subprocess.Popen(
        [sys.executable, DEMO, directory], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    )
    lines = []
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "Service jami is running" in line:
                lines.append(listed(directory))
                os.killpg(process.pid, signal.SIGINT)
    assert process.returncode == 0, lines
    return lines


def listed(directory: Path) -> str:
    environment = {"HERD_SOCKET": f"{directory}/run/socket", "PATH": os.environ["PATH"]}
    done = subprocess.run([*HERD, "list-accounts", "jami"], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.skipif(not Path(sys.executable).with_name("herdd").exists(), reason="herdd is not installed beside Python")
def test_the_demonstration_runs_until_ctrl_c_and_again_with_the_same_account() -> None:
    become_subreaper()
    # Daemons that other tests share may still run.
    before = psutil.Process().children()
    with short_directory() as directory:
        first, second = "".join(run_demo(directory)), "".join(run_demo(directory))
    assert "making a demonstration account" in first
    assert "(demonstration)" in first
    assert f"export HERD_SOCKET={directory}/run/socket" in first
    assert "Every service has been stopped" in first
    assert "making a demonstration account" not in second
    assert next(line for line in second.splitlines() if "(demonstration)" in line) in first
    assert psutil.Process().children() == before
