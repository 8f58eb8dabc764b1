"""`herd reload root`: what is new in the configuration is carried out, and nothing else is touched."""

from __future__ import annotations

import json

from support import herdd, program

SLEEP = "exec sleep infinity"


def test_what_differs_is_carried_out_and_nothing_else_is_touched() -> None:
    kept = program("kept", SLEEP)
    before = kept + program("gone", SLEEP) + program("web", SLEEP) + program("app", SLEEP, requirement=["web"])
    after = (
        kept + program("web", "exec sleep 1000") + program("app", SLEEP, requirement=["web"]) + program("new", SLEEP)
    )
    with herdd(before) as daemon:
        pids = {name: daemon.until_status(name, "running")["mainPid"] for name in ("kept", "gone", "web", "app")}
        daemon.config.write_text(after)
        planned = daemon.herd("reload", "root", "--dry-run")
        assert planned.returncode == 0
        assert planned.stdout == (
            "Service new would be added.\nService web would be changed.\nService gone would be removed.\n"
        )
        assert {name: daemon.status(name)["mainPid"] for name in pids} == pids
        done = daemon.herd("reload", "root")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "Service new added.\nService web changed.\nService gone removed.\n"
        assert daemon.status("kept")["mainPid"] == pids["kept"]
        assert daemon.until_status("web", "running")["command"][-1] == "exec sleep 1000"
        # Restarted with what it requires, once.
        assert daemon.until_status("app", "running")["mainPid"] != pids["app"]
        assert daemon.until_status("new", "running")
        assert daemon.herd("status", "gone").returncode == 4
        assert daemon.herd("reload", "root").stdout == "Nothing has changed.\n"
        said = "\n".join(daemon.lines)
        assert said.count("Service web is being started.") == 2
        assert said.count("Service app is being started.") == 2


def test_a_mistake_changes_nothing() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        pid = daemon.until_status("web", "running")["mainPid"]
        daemon.config.write_text(program("web", "true", requirement=["nobody"]) + program("new", SLEEP, umask="9"))
        for words in (["reload", "root"], ["reload", "root", "--dry-run"]):
            done = daemon.herd(*words)
            assert done.returncode == 1
            assert "cannot start web: it requires nobody, which no service provides" in done.stderr
            assert "cannot read [service.new] umask" in done.stderr
        assert daemon.status("web")["mainPid"] == pid
        assert daemon.herd("status", "new").returncode == 4


def test_a_changed_definition_may_wait_for_the_next_start() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        pid = daemon.until_status("web", "running")["mainPid"]
        daemon.config.write_text(program("web", "exec sleep 1000"))
        assert daemon.herd("reload", "root", "--no-restart").returncode == 0
        facts = daemon.status("web")
        assert (facts["mainPid"], facts["hasReplacement"]) == (pid, True)
        assert "A new definition waits" in daemon.herd("status", "web").stdout
        assert daemon.herd("restart", "web").returncode == 0
        facts = daemon.status("web")
        assert (facts["hasReplacement"], facts["command"][-1]) == (False, "exec sleep 1000")


def test_a_disabled_service_stays_disabled() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        daemon.until_status("web", "running")
        assert daemon.herd("disable", "web").returncode == 0
        daemon.config.write_text(program("web", "exec sleep 1000"))
        assert daemon.herd("reload", "root").returncode == 0
        facts = daemon.status("web")
        assert (facts["status"], facts["enabled"]) == ("stopped", False)


def test_one_that_failed_is_started_once_its_definition_is_mended() -> None:
    with herdd(program("web", ["/no/such/program"])) as daemon:
        daemon.until("web", lambda facts: facts["failing"])
        daemon.config.write_text(program("web", SLEEP))
        assert daemon.herd("reload", "root").returncode == 0
        assert daemon.status("web")["status"] == "running"


def test_what_does_not_come_up_is_said() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        daemon.config.write_text(program("web", SLEEP) + program("new", ["/no/such/program"]))
        done = daemon.herd("--json", "reload", "root")
        assert done.returncode == 1
        assert "cannot start new: there is no program /no/such/program" in done.stderr
        assert json.loads(done.stdout)["plan"]["added"] == ["new"]


def test_an_unknown_option_is_refused() -> None:
    with herdd(program("web", SLEEP)) as daemon:
        done = daemon.herd("reload", "root", "--dry")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "herd: cannot reload root: --dry is unknown; did you mean --dry-run?; it is used as: "
            "herd reload root [--dry-run] [--no-restart]\n"
        )
