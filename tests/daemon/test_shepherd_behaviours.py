"""What GNU Shepherd's own tests show of it, shown of herdd: the plain life of services, as `herd` sees it.

| Shepherd's test | here, or where it is shown already |
| --- | --- |
| basic.sh | the first five below; texts, exit statuses, misspelled words, doc: herdctl/test_cli.py |
| basic.sh: load, unload, reload | test_reload.py |
| basic.sh: actions of a service's own | services/test_jami_changes.py, services/test_jami_listings.py |
| config-failure.sh | `test_one_that_fails_leaves_the_others_running_and_…` |
| startup-failure.sh | `test_a_failed_start_is_seen_in_both_views_until_…` |
| startup-error.sh, system-star.sh | test_supervision.py, `test_starts_that_fail_say_why` |
| replacement.sh | `test_a_stopped_service_takes_its_new_definition_at_once`; running or disabled ones: test_reload.py |
| restart.sh | `test_a_restart_…`, two of them; with a transient one: test_kinds.py |
| status-sexp.sh | `test_replies_are_exactly_…`; every key: test_server.py, `test_facts_are_what_the_interface_says` |
| no-home.sh | `test_no_home_is_needed` |
| one-shot.sh, transient.sh | test_kinds.py |
| starting-status.sh, stopping-status.sh, misbehaved-client.sh | test_shepherd_clients.py |
| respawn.sh, respawn-throttling.sh, forking-service.sh, signals.sh | test_shepherd_processes.py |
| logging.sh, file-creation-mask.sh, close-on-exec.sh | test_shepherd_output.py |
| eval-load.sh, daemonize.sh, services/repl.sh | none: herdd evaluates no code and stays in the foreground |

What a probe of Shepherd found weak and no test of its own looks at: test_shepherd_weak_points.py.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from herd.core.errors import INTERFACE
from herd.daemon.paths import default_paths
from support import Daemon, herdd, lives, program

SLEEP = "exec sleep infinity"


def chain(*, auto_start: bool = True) -> str:
    """net, web that requires it, app that requires web."""
    needs: dict[str, list[str]] = {"net": [], "web": ["net"], "app": ["web"]}
    return "".join(program(name, SLEEP, requirement=need, auto_start=auto_start) for name, need in needs.items())


def pids(daemon: Daemon, *names: str) -> dict[str, int]:
    """The main processes of services, all of which have to be running or to come to it."""
    return {name: daemon.until_status(name, "running")["mainPid"] for name in names}


# basic.sh


def test_a_start_says_already_running_only_of_what_was_asked_for() -> None:
    with herdd(program("net", SLEEP) + program("web", SLEEP, requirement=["net"], auto_start=False)) as daemon:
        before = pids(daemon, "net")
        assert daemon.herd("start", "web").stdout == "Service web has been started.\n"
        assert daemon.herd("start", "web").stdout == "Service web is already running.\n"
        assert pids(daemon, "net") == before


def test_a_start_brings_up_what_is_required_and_a_stop_leaves_it_running() -> None:
    with herdd(chain(auto_start=False)) as daemon:
        assert daemon.herd("status").stdout == "Started:\n + root\nStopped:\n - app\n - net\n - web\n"
        assert daemon.herd("start", "web").returncode == 0
        assert daemon.herd("status").stdout == "Started:\n + net\n + root\n + web\nStopped:\n - app\n"
        assert daemon.herd("stop", "web").returncode == 0
        assert daemon.herd("status").stdout == "Started:\n + net\n + root\nStopped:\n - app\n - web\n"


def test_a_disabled_service_keeps_what_requires_it_from_starting() -> None:
    config = program("net", SLEEP, auto_start=False) + program("web", SLEEP, requirement=["net"], auto_start=False)
    with herdd(config) as daemon:
        assert daemon.herd("disable", "net").returncode == 0
        refused = daemon.herd("start", "web")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == (
            "herd: cannot start web: it requires net, and: cannot start net: it is disabled; "
            "enable it with: herd enable net\n"
        )
        assert daemon.herd("enable", "net").returncode == 0
        assert daemon.herd("start", "web").returncode == 0


def test_a_configuration_that_is_no_toml_is_refused_and_herdd_goes_on() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        before = pids(daemon, "web")
        daemon.config.write_text("(register-services (list")
        done = daemon.herd("reload", "root")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"herd: cannot read {daemon.config}: it is not TOML: ")
        assert pids(daemon, "web") == before


def test_a_users_configuration_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for environment in ({"HOME": "/home/me"}, {"HOME": "/home/me", "XDG_CONFIG_HOME": ""}):
        assert default_paths(environment).config == Path("/home/me/.config/herd/herd.toml")
    assert default_paths({"HOME": "/home/me", "XDG_CONFIG_HOME": "/c"}).config == Path("/c/herd/herd.toml")


# config-failure.sh


def test_one_that_fails_leaves_the_others_running_and_stop_root_ends_them() -> None:
    bad = program("bad", ["/no/such/program"]) + program("needs-bad", SLEEP, requirement=["bad"])
    with herdd(bad + program("web", SLEEP) + program("app", SLEEP, requirement=["web"])) as daemon:
        running = pids(daemon, "web", "app")
        for name in ("bad", "needs-bad"):
            daemon.until(name, lambda facts: facts["failing"])
        overview = "Started:\n + app\n + root\n + web\nFailed to start:\n ! bad\n ! needs-bad\n"
        assert daemon.herd("status").stdout == overview
        assert daemon.herd("stop", "root").returncode == 0
        assert daemon.wait() == 0
        assert not any(lives(pid) for pid in running.values())


# startup-failure.sh


def views(daemon: Daemon) -> tuple[bool, bool]:
    """Whether the overview and the status of web say that its start failed."""
    overview, detailed = daemon.herd("status").stdout, daemon.herd("status", "web").stdout
    return "Failed to start:\n ! web\n" in overview, "It is stopped (failing) since " in detailed


def test_a_failed_start_is_seen_in_both_views_until_a_start_succeeds_or_a_stop_is_clean(tmp_path: Path) -> None:
    good = tmp_path / "good"
    script = f"test -e {good} || exit 3; echo ready; exec sleep infinity"
    with herdd(program("web", script, ready={"line": "ready"}, auto_start=False)) as daemon:
        assert views(daemon) == (False, False)
        assert daemon.herd("start", "web").returncode == 1
        assert views(daemon) == (True, True)
        reason = "its program exited with 3 before it was ready"
        assert f"  Reason: {reason}.\n" in daemon.herd("status", "web").stdout
        daemon.said(f"Service web could not be started: {reason}.")
        assert daemon.herd("stop", "web").returncode == 0
        assert views(daemon) == (False, False)
        assert daemon.herd("start", "web").returncode == 1
        assert views(daemon) == (True, True)
        good.touch()
        assert daemon.herd("start", "web").returncode == 0
        assert views(daemon) == (False, False)
        assert daemon.herd("stop", "web").returncode == 0
        assert views(daemon) == (False, False)


# replacement.sh


def test_a_stopped_service_takes_its_new_definition_at_once() -> None:
    with herdd(program("web", SLEEP, documentation="Old.", auto_start=False)) as daemon:
        daemon.config.write_text(program("web", "exec sleep 1000", documentation="New.", aliases=["http"]))
        assert daemon.herd("reload", "root", "--no-restart").stdout == "Service web changed.\n"
        facts = daemon.status("http")
        assert (facts["status"], facts["documentation"], facts["hasReplacement"]) == ("stopped", "New.", False)
        assert daemon.herd("start", "http").stdout == "Service web has been started.\n"
        assert daemon.status("web")["command"][-1] == "exec sleep 1000"


# restart.sh


def test_a_restart_restarts_what_requires_the_service_directly_or_not() -> None:
    with herdd(chain() + program("other", SLEEP) + program("idle", SLEEP, requirement=["web"])) as daemon:
        before = pids(daemon, "net", "web", "app", "other", "idle")
        assert daemon.herd("stop", "idle").returncode == 0
        done = daemon.herd("restart", "net")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "".join(f"Service {name} has been started.\n" for name in ("net", "web", "app"))
        after = pids(daemon, "net", "web", "app", "other")
        assert {name for name, pid in after.items() if pid != before[name]} == {"net", "web", "app"}
        # What had not been running is not brought up.
        assert daemon.status("idle")["status"] == "stopped"


def test_a_restart_starts_what_was_stopped() -> None:
    with herdd(program("web", SLEEP, auto_start=False)) as daemon:
        done = daemon.herd("restart", "web")
        assert (done.returncode, done.stdout) == (0, "Service web has been started.\n")


# status-sexp.sh


def test_replies_are_exactly_what_the_interface_says() -> None:
    with herdd(program("web", SLEEP, auto_start=False)) as daemon:
        result = {"started": ["web"], "warnings": []}
        assert daemon.call("Perform", action="start", service="web") == {
            "parameters": {
                "result": result, "text": "Service web has been started.\n", "warnings": [], "exitStatus": 0,
                "drawing": None,
            }
        }  # fmt: skip
        message = "cannot find a service wbe; did you mean web?"
        error = {"error": f"{INTERFACE}.NoSuchService", "parameters": {"message": message}}
        assert daemon.call("Perform", action="start", service="wbe") == error
        status = daemon.call("Status")["parameters"]
        assert list(status) == ["services"]
        facts = daemon.call("Perform", action="status")["parameters"]["result"]
        assert [set(each) for each in facts["services"]] == [set(each) for each in status["services"]]
        daemon.config.write_text("")
        daemon.call("Perform", action="reload")
        assert daemon.call("Status") == {"parameters": {"services": []}}


# no-home.sh


@pytest.mark.parametrize("home", [None, "/proc"], ids=["absent", "not writable"])
def test_no_home_is_needed(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    monkeypatch.delenv("HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    with herdd(program("web", "echo at home in $HOME; exec sleep infinity", ready={"line": "at home in"})) as daemon:
        daemon.until_status("web", "running")
        # Its home is that of the user it runs as, whatever herdd was started with.
        assert daemon.written("web") == [f"at home in {pwd.getpwuid(os.geteuid()).pw_dir}"]
        assert daemon.herd("status", "web").returncode == 0
