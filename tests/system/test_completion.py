"""Completion by the real bash, zsh and fish, of a real herdd's actions, services and what these list."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import click
import pytest

import herdctl.completing
from herd.core.action import Action
from herd.core.completion import Listing
from herd.core.service import Service, Surroundings
from herd.daemon import config
from herd.daemon.config import Installed
from herdctl import options
from herdctl.usages import USAGES
from support import Daemon, herdd, program

SCRIPTS = Path(str(files("herd") / "system/completion"))
SLEEP = "exec sleep infinity"
ACTION = """
[service.web.action.restore]
command = ["/bin/true"]
documentation = "Take a copy over."
usage = "FILE [DEPTH]"
"""
PERSON = """
[person.alice]
mumble = "alice@example.org"
"""

# Bash as it completes: the function with the line and its words, parted where bash parts them.
BASH = """
source "$SCRIPTS/herd.bash"
COMP_LINE=$1 COMP_POINT=${#1}
_herd herd
printf '%s\\n' "${COMPREPLY[@]}"
"""
# An interactive zsh at a terminal of its own, which prints what its completion would add.
ZSH = r"""
zmodload zsh/zpty
zpty z zsh -f -i
start() { zpty -w z "$1"; }
start 'PROMPT=; PS2=; stty -echo'
start "cp $SCRIPTS/herd.zsh $DIRECTORY/_herd; fpath=($DIRECTORY \$fpath)"
start 'autoload -Uz compinit && compinit -u -D'
start 'bindkey "^I" complete-word; zstyle ":completion:*" insert-tab false'
start 'begin() { print -r -- "<begin>" }; finish() { print -r -- "<end>" }'
start 'compprefuncs=(begin); comppostfuncs=(finish)'
start 'compadd() {
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
  typeset -a hits; builtin compadd -A hits "$@"; print -rl -- $hits; builtin compadd "$@" }'
start 'print -r -- "<re""ady>"'
zpty -r z line '*<ready>*'
zpty -w -n z "$1"$'\t'
zpty -r z line '*<begin>*<end>*'
print -r -- "$line"
zpty -d z
"""
FISH = 'source "$SCRIPTS/herd.fish"; complete -C "$argv[1]"'

Ask = Callable[[str], set[str]]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    tables = [program("web", SLEEP, documentation="Pages."), ACTION, program("idle", SLEEP, auto_start=False), PERSON]
    with herdd("".join(tables)) as daemon:
        daemon.until_status("web", "running")
        yield daemon


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a file and the command, for whoever completes there."""
    place = tmp_path_factory.mktemp("completion")
    (place / "copy.tar").touch()
    command = place / "herd"
    command.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from herdctl.cli import main; main()' \"$@\"\n")
    command.chmod(0o755)
    return place


def asked(directory: Path, socket: Path, command: list[str]) -> str:
    own = {"PATH": f"{directory}:/usr/bin:/bin", "HERD_SOCKET": str(socket), "SCRIPTS": str(SCRIPTS), "TERM": "xterm"}
    own |= {"DIRECTORY": str(directory), "HOME": str(directory), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, env=own, cwd=directory, stdin=subprocess.DEVNULL)
    return done.stdout


@pytest.fixture(params=["bash", "zsh", "fish"])
def ask(request: pytest.FixtureRequest, daemon: Daemon, directory: Path) -> Ask:
    """What a shell offers for the end of a line."""

    def offered(line: str) -> set[str]:
        if request.param == "bash":
            return set(asked(directory, daemon.socket, ["bash", "-c", BASH, "bash", line]).split("\n")) - {""}
        if request.param == "fish":
            shown = asked(directory, daemon.socket, ["fish", "--no-config", "-c", FISH, line])
            return {each.split("\t")[0] for each in shown.splitlines()}
        shown = asked(directory, daemon.socket, ["zsh", "-f", "-c", ZSH, "zsh", line])
        return set(shown.replace("\r", "").partition("<begin>")[2].partition("<end>")[0].split("\n")) - {""}

    return offered


def test_an_action_is_completed(ask: Ask) -> None:
    assert ask("herd sta") >= {"start", "status"}
    assert "restore" in ask("herd rest")
    assert "stop" not in ask("herd sta")


def test_then_the_services_that_have_it(ask: Ask) -> None:
    assert ask("herd restore ") == {"web"}
    assert ask("herd status ") == {"root", "web", "idle"}
    assert ask("herd log w") == {"web"}


def test_then_what_its_usage_says(ask: Ask) -> None:
    assert ask("herd restore web c") == {"copy.tar"}
    assert ask("herd ban root ") == {"alice"}
    assert ask("herd ban root alice --d") == {"--dry-run"}
    assert ask("herd --json doc web rest") == {"restart", "restore"}


def test_options_of_herd_are_completed(ask: Ask) -> None:
    assert ask("herd log web --f") == {"--follow"}
    assert "--follow" not in ask("herd status web --f")


# What the shells are answered.


def candidates(directory: Path, socket: Path, *words: str) -> list[str]:
    return asked(directory, socket, [str(directory / "herd"), "_complete", *words]).splitlines()


def test_each_word_comes_with_what_it_means(directory: Path, daemon: Daemon) -> None:
    assert "restore\tTake a copy over." in candidates(directory, daemon.socket, "")
    assert candidates(directory, daemon.socket, "restore", "") == ["web\tPages."]


def test_without_herdd_there_are_the_actions_that_always_are(directory: Path, tmp_path: Path) -> None:
    assert candidates(directory, tmp_path / "none", "st") == [
        f"{name}\t{sentence}" for name, (_, sentence, _) in USAGES.items()
    ]
    assert candidates(directory, tmp_path / "none", "status", "") == []


def test_another_socket_is_asked(directory: Path, daemon: Daemon, tmp_path: Path) -> None:
    for option in (["-s", str(daemon.socket)], [f"--socket={daemon.socket}"]):
        assert candidates(directory, tmp_path / "none", *option, "restore", "") == ["web\tPages."]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_people_are_named_only_to_whoever_may_do_something_with_them() -> None:
    become = "import os, json, herdctl.completing as it; os.setgroups([]); os.setgid({0}); os.setuid({0})"
    with herdd(PERSON + "[access]\nobserver = [65533]\nmoderator = [65534]\n") as daemon:
        for place in (daemon.socket, *daemon.socket.parents[:2]):
            place.chmod(0o777)
        for uid, words in ((65533, ""), (65534, "alice\t\n")):
            code = f"{become.format(uid)}; it.main(['ban', 'root', ''])"
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, capture_output=True, text=True, env=daemon.environment)
            assert (done.stdout, done.stderr) == (words, "")
        # Nothing was refused, so nothing is noted of that.
        assert "refused" not in daemon.herd("audit").stdout


def test_it_knows_the_options_of_the_command() -> None:
    own = {name for each in options._command.params if isinstance(each, click.Option) for name in each.opts}
    told = {*herdctl.completing._OPTIONS, *herdctl.completing._OF_LOG}
    assert told == {each for each in own if each.startswith("--")} | {"--help"}
    assert {*herdctl.completing._FLAGS, *herdctl.completing._WITH_VALUE} == own | {"-h", "--help"}


def test_words_that_a_shell_would_carry_out_are_not_offered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ["$(reboot)", "a;b", "a b", "`x`", "~", "a\nb", "ann@meet.example.org", "\x1b[2J", "Jörg"]
    answer = {"candidates": [{"word": each, "note": "\x1b[2J"} for each in chosen], "files": False}
    monkeypatch.setattr(herdctl.completing, "_asked", lambda path, words: answer)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(signal, "alarm", lambda seconds: None)
    assert herdctl.completing.main(["unban", "web", ""]) == 0
    assert capsys.readouterr().out == "ann@meet.example.org\t [2J\nJörg\t [2J\n"


def test_bash_is_not_told_again_what_stands_before_an_at_sign(directory: Path, tmp_path: Path) -> None:
    command = directory / "herd-of-bash"
    command.write_text("#!/bin/sh\nprintf 'ann@meet.example.org\\t\\n'\n")
    command.chmod(0o755)
    script = BASH.replace("_herd herd", f"_herd {command}")
    assert asked(directory, tmp_path, ["bash", "-c", script, "bash", "herd unban-jid prosody ann@me"]) == (
        "meet.example.org\n"
    )


# The declarations.


def services() -> list[Service]:
    tables = {
        "jami": {"account": [{"archive": "/etc/herd/a.gz"}]},
        "jitsi": {"domain": "meet.example.org"},
        "mumble": {},
    }
    places = (Path("/var/lib/herd"), Path("/run/herd-services"), Path("/var/log/herd"))
    return list(config.read(tables, Surroundings(*places, "root", True), Installed()).services)


@pytest.mark.parametrize(
    ("service", "argument", "listing"),
    [
        pytest.param(service, argument, listing, id=f"{service.name} {argument}")
        for service in services()
        for argument, listing in service.listings.items()
    ],
)
def test_a_listing_may_be_asked_by_all_and_completes_an_argument(
    service: Service, argument: str, listing: Listing
) -> None:
    asked = service.action(listing.action)
    assert asked is not None
    *names, word = argument.split()
    actions: list[Action | None] = [service.action(name) for name in names] or list(service.actions)
    assert any(each and re.search(rf"\b{word}\b", each.usage) for each in actions)
