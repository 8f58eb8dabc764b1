"""`herd ACTION --help`: how an action is used, without a herdd where it is one that every herdd has."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from herd.daemon.completing import _STREAMS
from herd.daemon.root import ROOT
from herd.daemon.verbs import VERBS
from herdctl.usages import USAGES, usage_of
from support import HERD, herdd, program

ACTION = """
[service.web.action.restore]
command = ["/bin/true"]
documentation = "Take a copy over."
usage = "FILE"
"""


def asked(*words: str, socket: Path = Path("/nowhere")) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HERD, "--socket", str(socket), *words], capture_output=True, text=True)


def test_what_it_says_is_what_herdd_says() -> None:
    told = {name: (usage, sentence) for name, (usage, sentence, _) in USAGES.items()}
    verbs = {name: (f"[SERVICE] {verb.usage}".rstrip(), verb.documentation) for name, verb in VERBS.items()}
    root = {name: (f"root {verb.usage}".rstrip(), verb.documentation) for name, verb in ROOT.items()}
    streams = {name: (told[name][0], documentation) for name, documentation in _STREAMS.items()}
    assert told == root | verbs | streams


@pytest.mark.parametrize("action", sorted(USAGES))
def test_an_action_that_is_always_there_needs_no_herdd(action: str) -> None:
    usage, sentence, example = USAGES[action]
    assert example.startswith(action)
    text = usage_of([action])
    assert text is not None
    assert all(each in text for each in (f"herd {action} {usage}", sentence, f"herd {example}"))


@pytest.mark.parametrize(
    "words", [("log", "--help"), ("-h", "log"), ("log", "jami", "-f", "--help"), ("--odd", "log", "--help")]
)
def test_help_stands_anywhere(words: tuple[str, ...]) -> None:
    done = asked(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, usage_of(["log"]), "")


def test_without_an_action_it_shows_the_options_and_examples() -> None:
    done = asked("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(each in done.stdout for each in ("Usage: herd [OPTIONS]", "--since", "herd log jami -f", "Exit status"))


def test_of_an_action_of_a_service_herdd_tells() -> None:
    with herdd(program("web", "exec sleep infinity") + ACTION) as daemon:
        done = asked("restore", "web", "--help", socket=daemon.socket)
    assert (done.returncode, done.stdout) == (0, "restore FILE: Take a copy over.\nIt needs the role admin.\n")
    assert (
        asked("restore", "--help").stdout == "Usage: herd restore SERVICE [ARG]...\n\nSee: herd doc SERVICE restore\n"
    )
    # Mumble has one of that name, too.
    assert usage_of(["ban", "mumble"]) is None
