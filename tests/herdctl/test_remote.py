"""`herd remote` behind a real sshd: what somebody elsewhere may ask for, and what is known of it afterwards."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mumble
from sshd import Host, host
from support import Daemon, herdd, program, short_directory

ME = getpass.getuser() if os.geteuid() else "root"
ACTIONS = {
    "say": {"command": ["/usr/bin/printf", "<%s>\\n"], "usage": "WORD...", "role": "moderator"},
    "mend": {"command": ["/bin/true"]},
}


@pytest.fixture(scope="module")
def server() -> Iterator[Host]:
    with short_directory() as directory, host(directory) as found:
        yield found


@pytest.fixture(scope="module")
def daemon(server: Host) -> Iterator[Daemon]:
    with herdd(program("web", "exec sleep infinity", action=ACTIONS)) as daemon:
        daemon.until_status("web", "running")
        yield daemon


@pytest.fixture
def ann(server: Host, daemon: Daemon) -> Host:
    """The host as ann sees it."""
    server.allow("remote", "--role", "moderator", "--as", "ann", "--socket", str(daemon.socket))
    return server


def test_whoever_is_elsewhere_asks_as_if_here(ann: Host) -> None:
    for words in ("status", "herd status"):
        done = ann.ssh(words)
        assert (done.returncode, done.stdout, done.stderr) == (0, "Started:\n + root\n + web\n", "")
    assert json.loads(ann.ssh("herd --json status web").stdout)["name"] == "web"
    assert ann.ssh("herd log web").returncode == 0
    assert ann.ssh("herd status wbe").returncode == 4


def test_words_are_words_and_no_shell_reads_them(ann: Host) -> None:
    done = ann.ssh("herd say web 'a b' $(id) `id`; id | cat > /tmp/never & \"x y\"")
    words = ["a b", "$(id)", "`id`;", "id", "|", "cat", ">", "/tmp/never", "&", "x y"]
    assert done.stdout.splitlines() == [f"<{word}>" for word in words]
    for wrong in ("herd say web 'a", None, "", "herd", "sh -c 'herd status'", "/bin/sh"):
        done = ann.ssh(wrong)
        assert (done.returncode in (2, 4), done.stdout, done.stderr.startswith("herd: cannot ")) == (True, "", True)


def test_the_role_is_a_bound_that_herdd_keeps(ann: Host, daemon: Daemon) -> None:
    for words in ("herd stop web", "herd mend web", "herd audit", "herd reload root"):
        done = ann.ssh(words)
        assert (done.returncode, done.stdout) == (6, "")
        assert f" needs the role admin, and {ME} (ann) has moderator; " in done.stderr
    assert daemon.status("web")["status"] == "running"
    assert ann.ssh(f"herd --socket {daemon.socket} status").returncode == 2
    assert ann.ssh("herd remote --role admin").returncode == 2
    ann.allow("remote", "--role", "observer", "--socket", str(daemon.socket))
    assert ann.ssh("herd say web x").returncode == 6
    assert ann.ssh("herd status").returncode == 0


def test_who_it_was_is_noted_beside_the_user(ann: Host, daemon: Daemon) -> None:
    ann.ssh("herd say web hello")
    ann.ssh("herd mend web")
    said, refused = [json.loads(line) for line in daemon.herd("--json", "audit", "-n", "2").stdout.splitlines()]
    assert (said["person"], said["user"], said["role"], said["outcome"]) == ("ann", ME, "moderator", "done")
    assert (refused["person"], refused["action"], refused["outcome"]) == ("ann", "mend", "refused")
    assert f" {ME} for ann (" in daemon.herd("audit", "-n", "1").stdout


def test_what_a_connection_speaks_for_is_not_taken_back(daemon: Daemon) -> None:
    with daemon.wire() as wire:
        assert wire.call("Represent", role="observer", person="ann") == {"parameters": {}}
        assert wire.call("Perform", action="say", service="web", arguments=["x"])["error"].endswith(".NotAllowed")
        assert wire.call("Perform", action="status", service="web")["parameters"]["exitStatus"] == 0
        assert wire.call("Represent", role="admin", person="bob")["error"].endswith(".CannotDo")
    with daemon.wire() as wire:
        assert wire.call("Represent", role="observer") == {"parameters": {}}
        assert wire.call("Represent", role="admin") == {"parameters": {}}
        assert wire.call("Perform", action="mend", service="web")["error"].endswith(".NotAllowed")


@pytest.mark.parametrize(
    "wrong", [{"role": "king"}, {"role": "admin", "person": 5}, {}, {"role": "observer", "person": "a b"}], ids=str
)
def test_whoever_cannot_speak_for_somebody_can_do_nothing(daemon: Daemon, wrong: dict[str, Any]) -> None:
    with daemon.wire() as wire:
        # As herd remote does: what it is to be done for is said ahead of what, and not waited for.
        wire.send("Represent", **wrong)
        wire.send("Perform", action="mend", service="web")
        errors = [(wire.receive() or {})["error"].rpartition(".")[2] for _ in range(2)]
        assert errors == ["CannotDo" if "role" in wrong and wrong.get("person") == "a b" else "InvalidParameter",
                          "NotAllowed"]  # fmt: skip


def test_what_is_sent_is_read_and_no_file_of_the_host(server: Host, tmp_path: Path) -> None:
    with mumble.running(mumble.table()) as daemon:
        server.allow("remote", "--as", "ann", "--socket", str(daemon.socket))
        assert daemon.herd("ban", "mumble", "192.0.2.7", "--address", "--reason", "spam").returncode == 0
        records = daemon.herd("export-bans", "mumble").stdout
        assert daemon.herd("unban", "mumble", "192.0.2.7").returncode == 0
        file = tmp_path / "bans"
        file.write_text(records)
        for name in (str(file), "/dev/../dev/stdin", f"/proc/self/root{file}"):
            done = server.ssh(f"herd import-bans mumble {name}")
            assert done.returncode == 1
            assert f"cannot open {name}: from elsewhere only /dev/stdin can be read; send it there" in done.stderr
        done = server.ssh("herd import-bans mumble /dev/stdin", records)
        assert (done.returncode, done.stdout) == (0, "192.0.2.7/32 is banned.\n"), done.stderr
        assert f" {ME} (ann) banned 192.0.2.7" in server.ssh("herd history mumble").stdout
        assert "more than 4194304 bytes" in server.ssh("herd import-bans mumble /dev/stdin", "x" * 5_000_000).stderr
