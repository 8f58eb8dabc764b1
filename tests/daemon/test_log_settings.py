"""How logs are kept, as herd.toml has it, with a real herdd: the table `[log]`, a service's own keys, and a reload."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from herd.core.errors import HerdError
from herd.daemon.compressor import Compressor
from herd.daemon.lines import Block, stamp
from herd.daemon.log import ServiceLog
from herd.daemon.logfile import LogFile
from herd.daemon.logpolicy import LogPolicy
from herd.daemon.logstream import history
from support import Daemon, herdd, program

STAMPED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d ")
BARE = "[log]\ntime-stamps = false\n"


def speaker(name: str, text: str = "", **keys: object) -> str:
    """A service that says a line, and is ready then."""
    return program(name, f"echo {text or name}; exec sleep infinity", ready={"line": text or name}, **keys)


def lines(daemon: Daemon, *words: str) -> list[str]:
    """What `herd log` prints."""
    done = daemon.herd("log", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_time_stamps_are_the_services_own_matter_or_that_of_all_but_never_missing_from_herdds_own() -> None:
    with herdd(BARE + speaker("web") + speaker("mail", log_time_stamps=True)) as daemon:
        for name in ("web", "mail"):
            daemon.until_status(name, "running")
        assert lines(daemon, "web") == ["web"]
        for name in ("mail", "root"):
            assert all(STAMPED.match(line) for line in lines(daemon, name))
        assert (daemon.log("web"), daemon.log("mail")[30:]) == ("web\n", "mail\n")
        # Each line of all, after its service's name.
        assert sum(line.endswith(" web") for line in lines(daemon, "--all", "-n", "1000")) == 1


def test_a_log_without_time_stamps_cannot_tell_since_when() -> None:
    with herdd(speaker("web", log_time_stamps=False) + speaker("mail")) as daemon:
        for name in ("web", "mail"):
            daemon.until_status(name, "running")
        for words in (["web"], ["mail", "web"], ["--all"]):
            done = daemon.herd("log", *words, "--since", "1h")
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr == (
                "herd: cannot tell since when the lines of web are: they have no time stamps; "
                "ask for the last ones: herd log web -n 100\n"
            )
        assert lines(daemon, "mail", "--since", "1h")


def test_a_reload_takes_effect_with_the_next_line() -> None:
    config = speaker("web", "x" * 100)
    with herdd(config) as daemon:
        pid = daemon.until_status("web", "running")["mainPid"]
        daemon.config.write_text(BARE + "size = 10\nkeep = 2\ncompress = false\n" + config)
        done = daemon.herd("reload", "root", "--dry-run")
        assert (done.returncode, done.stdout) == (0, "Logs would be kept in another way.\n")
        assert STAMPED.match(lines(daemon, "web")[0])
        done = daemon.herd("reload", "root")
        assert (done.returncode, done.stdout, done.stderr) == (0, "Logs are kept in another way.\n", "")
        assert daemon.status("web")["mainPid"] == pid
        assert daemon.herd("reload", "root").stdout == "Nothing has changed.\n"
        for _ in range(4):
            assert daemon.herd("restart", "web").returncode == 0
        assert len(lines(daemon, "web")) == 3
        found = {path.name: path.read_text() for path in daemon.log_dir.iterdir() if path.name.startswith("web")}
        assert found == dict.fromkeys(["web.log", "web.log.1", "web.log.2"], "x" * 100 + "\n")


def test_a_log_follows_its_definition() -> None:
    with herdd(speaker("web", "one")) as daemon:
        daemon.until_status("web", "running")
        elsewhere = daemon.directory / "elsewhere"
        daemon.config.write_text(speaker("web", "two", log_file=str(elsewhere), log_time_stamps=False))
        assert daemon.herd("reload", "root").stdout == "Service web changed.\n"
        # Who asks for it gets it written first.
        assert lines(daemon, "web") == [elsewhere.read_text().strip()] == ["two"]
        assert daemon.log("web")[30:] == "one\n"
        daemon.config.write_text(speaker("web", "three", log=False))
        # Not before its next start.
        assert daemon.herd("reload", "root", "--no-restart").returncode == 0
        assert lines(daemon, "web") == ["two"]
        assert daemon.herd("restart", "web").returncode == 0
        assert (elsewhere.read_text(), lines(daemon, "web")[-1][30:]) == ("two\n", "three")


def test_a_reload_refuses_two_logs_in_one_file() -> None:
    with herdd(speaker("web")) as daemon:
        daemon.until_status("web", "running")
        daemon.config.write_text(speaker("web") + speaker("mail", log_file=f"{daemon.log_dir}/web.log"))
        for words in (["reload", "root"], ["reload", "root", "--dry-run"], ["upgrade", "root"]):
            done = daemon.herd(*words)
            assert (done.returncode, done.stdout) == (1, "")
            assert "cannot keep the log of mail in " in done.stderr


async def test_lines_without_stamps_are_of_the_moment_of_the_last_one_before_them_or_of_the_last_writing(
    tmp_path: Path,
) -> None:
    bare = LogPolicy(time_stamps=False)
    logs = [ServiceLog("web", tmp_path), ServiceLog("mail", tmp_path, policy=bare)]
    for log, seconds in ((logs[0], (1.0, 2.0, 3.0)), (logs[1], ())):
        log.path.write_text("".join(f"{stamp(second)} {second}\n" for second in seconds))
    logs[1].path.write_text("a\nb\n")
    os.utime(logs[1].path, (2.5, 2.5))
    entries = await history(logs, 10, None, None)
    assert [(name, line[-3:]) for name, line in entries] == [
        ("web", "1.0"), ("web", "2.0"), ("mail", "a"), ("mail", "b"), ("web", "3.0"),
    ]  # fmt: skip
    logs[1].path.write_text(f"a\n{stamp(1.5)} b\nc\n")
    entries = await history(logs, 10, None, None)
    assert [line[-1] for name, line in entries if name == "mail"] == ["a", "b", "c"]
    assert [name for name, _ in entries] == ["web", "mail", "mail", "mail", "web", "web"]
    with pytest.raises(HerdError, match="cannot tell since when the lines of mail are"):
        await history(logs, 10, 0.0, None)


def test_the_age_of_a_log_without_stamps_is_no_less_than_since_it_was_last_written(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_text("old\n")
    os.utime(path, (1.0, 1.0))
    log = ServiceLog("web", tmp_path, policy=LogPolicy(time_stamps=False))
    trio.run(log.write, [b"new"])
    assert (path.read_text(), (tmp_path / "web.log.1").read_text()) == ("new\n", "old\n")


def test_the_age_of_a_log_without_stamps_goes_on_when_it_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LogFile(tmp_path / "web.log", LogPolicy(age=100))
    for moment, names in ((1000.0, ["web.log"]), (1099.0, ["web.log"]), (1100.0, ["web.log", "web.log.1"])):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        file.append([Block(b"", b"line\n")])
        file.close()
        assert sorted(os.listdir(tmp_path)) == names


async def test_another_policy_may_have_older_files_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    idle, real = trio.Event(), LogFile.compress_one

    def compress_one(file: LogFile, check: Callable[[], None]) -> bool:
        goes_on = real(file, check)
        if not goes_on:
            trio.from_thread.run_sync(idle.set)
        return goes_on

    monkeypatch.setattr(LogFile, "compress_one", compress_one)
    compressor = Compressor()
    log = ServiceLog("web", tmp_path, policy=LogPolicy(size=1, compress=False), compressor=compressor)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(compressor.run)
        await idle.wait()
        await log.write([b"one"])
        idle = trio.Event()
        await log.write([b"two"])
        await idle.wait()
        assert sorted(os.listdir(tmp_path)) == ["web.log", "web.log.1"]
        idle = trio.Event()
        log.follow(LogPolicy())
        with trio.fail_after(20):
            await idle.wait()
        nursery.cancel_scope.cancel()
    assert sorted(os.listdir(tmp_path)) == ["web.log", "web.log.1.gz"]
