"""`herd` against a real herdd: what it prints where, and its exit statuses.

Exit status: 0 done, 1 not done, 2 wrong usage, 3 status of a service that is not running, 4 no such service or action,
5 herdd cannot be reached, 6 not allowed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import HERD, PATIENCE, Daemon, herdd, program

SLEEP = "exec sleep infinity"
CHATTY = "for n in 1 2 3 4 5; do echo line $n; done; echo ready; exec sleep infinity"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    config = [
        program("web", CHATTY, ready={"line": "ready"}, documentation="Pages.", aliases=["http"]),
        program("idle", SLEEP, auto_start=False),
        program("broken", "echo oops; exit 3", auto_start=False, ready={"line": "ready"}),
    ]
    with herdd("".join(config)) as daemon:
        daemon.until_status("web", "running")
        yield daemon


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("status", 0), ("status root", 0), ("status web", 0), ("status http", 0), ("start web", 0), ("start root", 0),
        ("stop idle", 0), ("start broken", 1), ("start web now", 2), ("-n many log web", 2), ("-n 5 status", 2),
        ("-f status web", 2), ("--socket", 2), ("status idle", 3), ("status wbe", 4), ("fly web", 4), ("fly", 4),
        ("web start", 4), ("web", 4), ("doc web fly", 4), ("log wbe", 4), ("watch wbe", 4), ("log web now", 4),
        ("--josn status", 2), ("log web idle", 0), ("log web wbe", 4), ("--all log", 0), ("--all log web", 2),
        ("--all status", 2), ("--since 1h status", 2), ("--since 1h log web", 0), ("--since then log", 2),
        ("-n 0 status", 2), ("watch web now", 2),
    ],
)  # fmt: skip
def test_exit_status(daemon: Daemon, words: str, status: int) -> None:
    found = daemon.herd(*words.split())
    assert found.returncode == status, found
    if status in (0, 3):
        assert found.stderr == ""
    else:
        assert found.stdout == ""
        assert "cannot " in found.stderr or status == 2
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("status wbe", "herd: cannot find a service wbe; did you mean web?\n"),
        ("status zzz", "herd: cannot find a service zzz; the services are: broken, http, idle, root, web\n"),
        ("strat web", "herd: cannot find an action strat of web; did you mean start?\n"),
        ("zzz web", "herd: cannot find an action zzz of web; see: herd doc web list-actions\n"),
        ("web status", "herd: cannot find an action web; did you mean: herd status web?\n"),
        ("web", "herd: cannot find an action web of root; web is a service: name the action first, then the service\n"),
        ("start web now", "herd: cannot start web: 'now' is one too many; it is used as: herd start web\n"),
        ("doc web strat", "herd: cannot find an action strat of web; did you mean start?\n"),
    ],
)
def test_words_that_are_none_are_answered_with_what_was_meant(daemon: Daemon, words: str, answer: str) -> None:
    assert daemon.herd(*words.split()).stderr == answer


def test_a_start_that_fails_shows_the_last_output(daemon: Daemon) -> None:
    found = daemon.herd("start", "broken")
    assert found.stderr == (
        "herd: cannot start broken: its program exited with 3 before it was ready; see: herd status broken\n"
        "the last output of broken:\n  oops\n"
    )


def test_status_has_shepherds_lines(daemon: Daemon) -> None:
    daemon.herd("start", "broken")
    assert daemon.herd("status").stdout == (
        "Started:\n + root\n + web\nStopped:\n - idle\nFailed to start:\n ! broken\n"
    )
    lines = daemon.herd("status", "http").stdout.splitlines()
    assert lines[0] == "Status of web:"
    assert lines[1].startswith("  It is running since ")
    assert "  Provides: web http" in lines
    assert lines[-1].endswith(" ready")


def test_each_general_action_as_json(daemon: Daemon) -> None:
    def ask(*words: str) -> dict[str, object]:
        found = daemon.herd("--json", *words)
        assert found.stderr == ""
        answer: dict[str, object] = json.loads(found.stdout)
        return answer

    assert ask("start", "idle") == {"started": ["idle"], "warnings": []}
    assert ask("start", "idle") == {"started": []}
    assert ask("restart", "idle") == {"started": ["idle"], "warnings": []}
    assert ask("stop", "idle") == {"stopped": ["idle"]}
    assert ask("stop", "idle") == {"stopped": []}
    assert ask("disable", "idle") == {"enabled": False}
    assert ask("status", "idle")["enabled"] is False
    assert ask("enable", "idle") == {"enabled": True}
    assert ask("status", "http")["name"] == "web"
    services = ask("status")["services"]
    assert isinstance(services, list)
    assert [each["name"] for each in services] == ["web", "idle", "broken"]
    assert ask("doc", "web") == {"documentation": "Pages."}
    assert ask("doc", "web", "list-actions")["actions"] == [
        "status",
        "why",
        "start",
        "stop",
        "restart",
        "enable",
        "disable",
        "doc",
    ]
    assert ask("start", "root") == {"started": []}


def test_the_texts_of_the_general_actions(daemon: Daemon) -> None:
    texts = [
        daemon.herd(*words.split()).stdout
        for words in ("start idle", "start idle", "restart idle", "stop idle", "stop idle")
    ]
    started, stopped = "Service idle has been started.\n", "Service idle has been stopped.\n"
    assert texts == [started, "Service idle is already running.\n", started, stopped, ""]
    assert daemon.herd("disable", "idle").stdout == "Disabled service idle.\n"
    assert daemon.herd("enable", "idle").stdout == "Enabled service idle.\n"


def test_doc(daemon: Daemon) -> None:
    assert daemon.herd("doc", "web").stdout == "Pages.\n"
    listing = daemon.herd("doc", "web", "list-actions").stdout
    assert listing == "(status\n why\n start\n stop\n restart\n enable\n disable\n doc)\n"
    assert (
        daemon.herd("doc", "root", "list-actions").stdout
        == "(status\n why\n start\n reload\n graph\n analyze\n upgrade\n ban\n unban\n bans\n stop\n doc)\n"
    )
    start = daemon.herd("doc", "web", "start").stdout
    assert start == "start: Start the service and what it requires.\nIt needs the role admin.\n"
    assert daemon.herd("doc", "web", "action", "start").stdout == start
    assert daemon.herd("doc").stdout == daemon.herd("doc", "root").stdout != ""


def test_log(daemon: Daemon) -> None:
    def bodies(*words: str) -> list[str]:
        return [line.split(" ", 1)[1] for line in daemon.herd(*words).stdout.splitlines()]

    assert bodies("log", "web") == ["line 1", "line 2", "line 3", "line 4", "line 5", "ready"]
    assert bodies("log", "web", "-n", "2") == bodies("-n2", "log", "web") == ["line 5", "ready"]
    assert bodies("log", "web", "-n", "0") == []
    assert bodies("log", "-n", "1", "http") == ["ready"]
    assert "listens on" in daemon.herd("log", "-n", "1000").stdout
    lines = [json.loads(line) for line in daemon.herd("--json", "log", "web", "-n", "2").stdout.splitlines()]
    assert [(line["service"], line["line"].split(" ", 1)[1]) for line in lines] == [("web", "line 5"), ("web", "ready")]


def test_log_of_several(daemon: Daemon) -> None:
    lines = daemon.herd("log", "web", "root", "-n", "1000").stdout.splitlines()
    assert {line.split(": ")[0] for line in lines} == {"web", "root"}
    assert [line.split(": ")[1].split(" ")[0] for line in lines] == sorted(
        line.split(": ")[1].split(" ")[0] for line in lines
    )
    assert {line.split(": ")[0] for line in daemon.herd("log", "--all", "-n", "1000").stdout.splitlines()} >= {
        "web",
        "root",
    }


def test_log_since(daemon: Daemon) -> None:
    assert len(daemon.herd("log", "web", "--since", "1d").stdout.splitlines()) >= 6
    assert len(daemon.herd("log", "web", "--since", "1d", "-n", "2").stdout.splitlines()) == 2
    assert daemon.herd("log", "web", "--since", "2999-01-01").stdout == ""
    assert daemon.herd("log", "web", "--since", "soon").stderr == (
        "herd: cannot read the time 'soon'; try 10m, 2h or 3d (ago), 10:00 (today), 2026-11-21 or '2026-11-21 10:00'\n"
    )


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_log_follows(daemon: Daemon, options: tuple[str, ...]) -> None:
    command = [*HERD, *options, "log", "-f", "-n", "1", "web"]
    with subprocess.Popen(
        command, env=daemon.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as follower:  # fmt: skip
        try:
            assert follower.stdout is not None
            assert "ready" in follower.stdout.readline()
            daemon.call("Perform", action="restart", service="web")
            come = [follower.stdout.readline() for _ in range(6)]
            follower.send_signal(signal.SIGINT)
            _, error = follower.communicate(timeout=PATIENCE)
        finally:
            # Else whatever fails here would wait for it for ever.
            follower.kill()
    assert ("line 1" in come[0], "ready" in come[-1]) == (True, True)
    assert (follower.returncode, error) == (130, "")


def test_nobody_answers(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        found = subprocess.run([*HERD, "--socket", str(path), "status"], capture_output=True, text=True, check=False)
        assert (found.returncode, found.stdout) == (5, "")
        assert found.stderr.startswith(f"herd: cannot reach herdd at {path}: no herdd runs there; start it with: herdd")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")
def test_who_may_do_what() -> None:
    with herdd(program("web", SLEEP) + "[access]\nobserver = [65534]\n") as daemon:
        daemon.until_status("web", "running")
        for words in ("status", "status web", "doc web", "why web", "doc web list-actions"):
            assert daemon.herd(*words.split(), user=65534).returncode == 0
        for words in ("start web", "stop web", "restart web", "enable web", "disable web", "stop", "stop root"):
            found = daemon.herd(*words.split(), user=65534)
            assert (found.returncode, found.stdout) == (6, "")
            assert found.stderr.startswith(f"herd: cannot {words}")
            assert "it needs the role admin, and " in found.stderr
            assert found.stderr.endswith(
                " has observer; ask an admin, or for the role: [access] in herd.toml gives it\n"
            )
        assert daemon.status("web")["status"] == "running"


def test_stop_root_ends_herdd() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        daemon.until_status("web", "running")
        assert daemon.herd("stop", "root").stdout == "herdd stops every service and ends.\n"
        assert daemon.wait() == 0
        assert daemon.herd("status").returncode == 5


def test_without_words_it_says_how_it_is_used() -> None:
    found = subprocess.run(HERD, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert "Usage: herd" in found.stderr
    assert "try: herd status" in found.stderr


@pytest.mark.parametrize(("option", "text"), [("--help", "Exit status: 0 done"), ("--version", "herd, version")])
def test_help_and_version(option: str, text: str) -> None:
    found = subprocess.run([*HERD, option], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert text in found.stdout


def test_plain_words_import_nothing_heavy(daemon: Daemon) -> None:
    # main() ends with os._exit, so what was imported is told by an audit hook, as it is imported.
    hook = "import sys; sys.addaudithook(lambda event, args: event == 'import' and print(args[0], file=sys.stderr)); "
    command = [sys.executable, "-c", hook + HERD[-1], "status", "web"]
    found = subprocess.run(command, env=daemon.environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0
    imported = set(found.stderr.split())
    assert "herdctl.client" in imported
    assert imported.isdisjoint({"trio", "attr", "attrs", "cattrs", "click", "dbus_next", "psutil", "asyncio", "typing"})
