"""Moderation of a real Mumble server, with people at real clients."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Network
from pathlib import Path

import psutil
import pytest
from attrs import evolve

from herd_services.mumble.banlist import ServerBan
from mumble import joined, kept_bans, port_of, refused, running, set_bans, table
from support import Daemon

NAME = "mumble-server"


def _done(daemon: Daemon, *words: str, status: int = 0) -> str:
    done = daemon.herd(*words)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stderr


def _bans(daemon: Daemon) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(_done(daemon, "--json", "list-bans", NAME))["bans"]
    return found


def test_a_ban_puts_out_keeps_out_and_is_lifted(tmp_path: Path) -> None:
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        with joined(port, "Ann", tmp_path) as ann, joined(port, "Bob", tmp_path) as bob:
            bob.say("hello")
            assert ann.until("text")["text"] == "hello"
            told = _done(daemon, "ban", NAME, "Bob", "--reason", 'spam, "again"')
            assert told.endswith(" (Bob) is banned.\n")
            assert bob.until("left", who="Bob")["reason"] == 'spam, "again"'
            ann.until("left", who="Bob")
        assert refused(port, "Bob", tmp_path) == ""
        # Whoever else comes from the same address, is let in; so is the supervisor.
        with joined(port, "Ann", tmp_path):
            pass
        (ban,) = _bans(daemon)
        assert (ban["name"], ban["reason"], ban["author"]) == ("Bob", 'spam, "again"', "root")
        _done(daemon, "restart", NAME)
        assert refused(port, "Bob", tmp_path) == ""
        assert _done(daemon, "unban", NAME, "Bob") == f"{ban['who']} is no longer banned.\n"
        with joined(port, "Bob", tmp_path):
            pass
        assert [each["holds"] for each in json.loads(_done(daemon, "--json", "history", NAME))["entries"]] == [
            True,
            False,
        ]


def test_a_ban_ends_on_its_time(tmp_path: Path) -> None:
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        with joined(port, "Bob", tmp_path) as bob:
            _done(daemon, "ban", NAME, "Bob", "--for", "3s")
            bob.until("left", who="Bob")
        assert refused(port, "Bob", tmp_path) == ""
        daemon.said("mumble-server: the time of a ban was up.")
        assert _bans(daemon) == []
        with joined(port, "Bob", tmp_path):
            pass
        entries = json.loads(_done(daemon, "--json", "history", NAME))["entries"]
        assert [(each["author"], each["reason"]) for each in entries] == [("root", None), ("herdd", "its time was up")]


def test_bans_go_from_one_server_to_another(tmp_path: Path) -> None:
    config = table()
    port = port_of(config)
    file = tmp_path / "bans.rec"
    with running(config) as daemon:
        with joined(port, "Bob", tmp_path):
            _done(daemon, "ban", NAME, "Bob", "--for", "7d", "--reason", "noise")
        _done(daemon, "ban", NAME, "203.0.113.0/24", "--address")
        assert "203.0.113.0/24\t\n" in _done(daemon, "_complete", "unban", NAME, "")
        file.write_text(_done(daemon, "export-bans", NAME))
        assert subprocess.run(["recfix", "--check", str(file)], check=False).returncode == 0
        before = _bans(daemon)
    with running(config) as daemon:
        told = _done(daemon, "import-bans", NAME, str(file), "--dry-run")
        assert "203.0.113.0/24 would be banned.\n" in told
        assert _bans(daemon) == []
        _done(daemon, "import-bans", NAME, str(file))
        kept = ("who", "reason")
        assert [{key: each[key] for key in kept} for each in _bans(daemon)] == [
            {key: each[key] for key in kept} for each in before
        ]
        assert refused(port, "Bob", tmp_path) == ""
        assert _done(daemon, "import-bans", NAME, str(file)) == "2 bans of the file are in force already.\n"
        file.write_text("Who: nobody\n\nWho: 127.0.0.1\n")
        said = _done(daemon, "import-bans", NAME, str(file), status=1)
        assert "line 1: its Who is 'nobody', and a ban is about a certificate" in said


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (
            ("ban", "nobody"),
            1,
            "cannot ban nobody: nobody of that name is connected; see: herd list-users mumble-server",
        ),
        (("ban", "203.0.113.9"), 2, "others may have that address too"),
        (("ban", "127.0.0.1", "--address"), 1, "127.0.0.0/8 is this host itself"),
        (("ban", "0.0.0.0/0", "--address"), 1, "127.0.0.0/8 is this host itself"),
        (("ban", "::1", "--address"), 1, "::1/128 is this host itself"),
        (("unban", "nobody"), 1, "cannot unban nobody: it is not banned; see: herd list-bans mumble-server"),
        (("ban", "a" * 40, "--for", "soon"), 2, "cannot take --for"),
        (("move", "nobody", "Root"), 1, "cannot move nobody: nobody of that name"),
        (("send-message", "x", "--channel", "Attic"), 1, "there is no room Attic"),
        (("send-message", ""), 2, "a message has 1 to 5000 characters"),
        (("history", "b" * 40), 1, "in the ledger"),
    ],
)
def test_mistakes_are_told(server: tuple[Daemon, int], words: tuple[str, ...], status: int, said: str) -> None:
    daemon, _ = server
    action, *rest = words
    before = _bans(daemon)
    assert said in _done(daemon, action, NAME, *rest, status=status)
    assert _bans(daemon) == before


def test_people_are_seen_silenced_moved_and_written_to(server: tuple[Daemon, int], tmp_path: Path) -> None:
    daemon, port = server
    with joined(port, "Ann", tmp_path) as ann, joined(port, "Guest", None) as guest:
        certificate = json.loads(_done(daemon, "--json", "list-users", NAME))["users"][0]["certificate"]
        assert _done(daemon, "list-users", NAME) == (
            f"  - Ann ({certificate}) in Root\n  - Guest (no certificate) in Root\n"
        )
        records = _done(daemon, "list-users", NAME, "--records")
        chosen = subprocess.run(
            ["recsel", "-e", "Name = 'Ann'", "-P", "Certificate"],
            input=records,
            capture_output=True,
            text=True,
            check=True,
        )
        assert chosen.stdout.strip() == certificate
        assert _done(daemon, "list-channels", NAME) == "  - Root (2 in it)\n"
        _done(daemon, "mute", NAME, "Ann")
        assert ann.until("changed", who="Ann", mute=True)
        assert "in Root [muted]" in _done(daemon, "list-users", NAME)
        _done(daemon, "unmute", NAME, "Ann")
        ann.until("changed", who="Ann", mute=False)
        _done(daemon, "send-message", NAME, "to all")
        assert ann.until("text")["text"] == "to all"
        assert guest.until("text")["text"] == "to all"
        _done(daemon, "send-message", NAME, "to one", "--user", "Ann")
        assert ann.until("text")["text"] == "to one"
        assert "Guest: it has no certificate" in _done(daemon, "register-user", NAME, "Guest", status=1)
        assert "cannot ban Guest: it has no certificate" in _done(daemon, "ban", NAME, "Guest", status=1)
        assert _done(daemon, "register-user", NAME, "Ann") == "Ann is registered.\n"
        assert _done(daemon, "list-registered-users", NAME) == "  - Ann\n"
        _done(daemon, "kick", NAME, "Guest", "--reason", "later")
        assert guest.until("left", who="Guest")["reason"] == "later"
    # A registered name is somebody even when nobody has come by it.
    assert f"{certificate} (Ann) is banned" in _done(daemon, "ban", NAME, "Ann")
    _done(daemon, "unban", NAME, certificate)


def test_many_decisions_in_a_row_ban_nobody_by_themselves(server: tuple[Daemon, int]) -> None:
    daemon, _ = server
    for _ in range(25):
        _done(daemon, "list-users", NAME)
    assert "Global ban" not in daemon.log(NAME)


def test_a_ban_that_does_not_take_leaves_nothing(tmp_path: Path) -> None:
    config = table()
    with running(config) as daemon:
        pid = daemon.status(NAME)["mainPid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            said = _done(daemon, "ban", NAME, "c" * 40, status=1)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert said.startswith("herd: cannot ban ccc")
        assert _bans(daemon) == []
        assert json.loads(_done(daemon, "--json", "history", NAME))["entries"] == []


def test_what_was_decided_holds_after_a_kill_of_everything(tmp_path: Path) -> None:
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        with joined(port, "Bob", tmp_path):
            _done(daemon, "ban", NAME, "Bob")
        pid = daemon.status(NAME)["mainPid"]
        psutil.Process(pid).kill()
        daemon.until(NAME, lambda facts: facts["status"] == "running" and facts["mainPid"] != pid)
        assert refused(port, "Bob", tmp_path) == ""


def test_what_was_decided_holds_when_the_database_is_lost(tmp_path: Path) -> None:
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        with joined(port, "Bob", tmp_path):
            _done(daemon, "ban", NAME, "Bob", "--reason", "noise")
        _done(daemon, "stop", NAME)
        (daemon.state_dir / NAME / "db.sqlite").unlink()
        _done(daemon, "start", NAME)
        assert refused(port, "Bob", tmp_path) == ""
        (ban,) = _bans(daemon)
        assert (ban["author"], ban["reason"]) == ("root", "noise")
        # The new database got the old password before the server could make one.
        assert "Password for 'SuperUser'" not in daemon.log(NAME)


def test_the_server_itself_knows_when_a_ban_ends() -> None:
    """It counts on while herdd does not run."""
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        password = _done(daemon, "superuser-password", NAME).strip()
        for words, seconds in ((("--for", "7d"), 7 * 86400), (("--for", "1h"), 3600), ((), 0), (("--for", "2h"), 7200)):
            _done(daemon, "ban", NAME, "d" * 40, *words)
            (kept,) = kept_bans(port, password)
            assert (kept.duration, kept.certificate) == (seconds, "d" * 40)
            (told,) = _bans(daemon)
            assert (told["untilUSec"] is None) is (seconds == 0)
        _done(daemon, "restart", NAME)
        assert kept_bans(port, password) == [kept]


def test_a_ban_of_a_client_stays_as_it_is() -> None:
    """People set those with address and certificate at once."""
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        password = _done(daemon, "superuser-password", NAME).strip()
        theirs = ServerBan(IPv6Network("2001:db8:5::/64"), "e" * 40, "Eve", "their word", "2026-11-21T12:00:00Z", 0)
        set_bans(port, password, [theirs])
        assert _done(daemon, "list-bans", NAME) == (
            f"  - {'e' * 40} (Eve), not by herd\n  - 2001:db8:5::/64 (Eve), not by herd\n"
        )
        _done(daemon, "ban", NAME, "d" * 40)
        _done(daemon, "unban", NAME, "d" * 40)
        assert kept_bans(port, password) == [theirs]
        _done(daemon, "unban", NAME, "Eve")
        assert kept_bans(port, password) == []


def test_a_ban_of_a_client_goes_by_halves() -> None:
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        password = _done(daemon, "superuser-password", NAME).strip()
        both = ServerBan(IPv6Network("2001:db8:5::/64"), "e" * 40, "Eve", "", "2026-11-21T12:00:00Z", 0)
        set_bans(port, password, [both])
        _done(daemon, "unban", NAME, "2001:db8:5::/64")
        assert _done(daemon, "list-bans", NAME) == f"  - {'e' * 40} (Eve), not by herd\n"


def test_what_the_ledger_let_in_again_may_be_banned_by_a_client() -> None:
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        password = _done(daemon, "superuser-password", NAME).strip()
        _done(daemon, "ban", NAME, "d" * 40)
        _done(daemon, "unban", NAME, "d" * 40)
        later = f"{datetime.now(UTC) + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
        theirs = ServerBan(IPv6Network("2001:db8:5::/64"), "d" * 40, "Dan", "", later, 0)
        set_bans(port, password, [theirs])
        _done(daemon, "restart", NAME)
        assert kept_bans(port, password) == [theirs]
        # The ledger prevails over what came before it spoke.
        set_bans(port, password, [evolve(theirs, start="2026-01-01T00:00:00Z")])
        _done(daemon, "restart", NAME)
        assert _done(daemon, "list-bans", NAME) == "  - 2001:db8:5::/64 (Dan), not by herd\n"


def test_the_same_ban_again_begins_anew() -> None:
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        password = _done(daemon, "superuser-password", NAME).strip()
        _done(daemon, "ban", NAME, "d" * 40, "--for", "1h")
        (first,) = kept_bans(port, password)
        # The server's clock has seconds.
        while f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" == first.start:
            pass
        _done(daemon, "ban", NAME, "d" * 40, "--for", "1h")
        (second,) = kept_bans(port, password)
        assert second.start > first.start


def test_a_ban_too_long_for_the_server_is_one_for_ever(tmp_path: Path) -> None:
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        password = _done(daemon, "superuser-password", NAME).strip()
        _done(daemon, "ban", NAME, "d" * 40, "--for", "36500d")
        (kept,) = kept_bans(port, password)
        assert kept.duration == 0
        file = tmp_path / "bans.rec"
        file.write_text(f"Who: {'e' * 40}\nUntil: 9999-12-31 23:59:59 -0100\n")
        assert "more than a hundred years from now" in _done(daemon, "import-bans", NAME, str(file), status=1)
        assert _done(daemon, "list-bans", NAME).count("\n") == 1


def test_several_at_once_do_not_put_each_other_out(server: tuple[Daemon, int]) -> None:
    """The server lets SuperUser be there once."""
    daemon, _ = server
    words = [("list-users", NAME), ("list-bans", NAME), ("ban", NAME, "f" * 40), ("list-channels", NAME)] * 3
    with ThreadPoolExecutor(len(words)) as pool:
        done = list(pool.map(lambda each: daemon.herd(*each), words))
    assert [each.returncode for each in done] == [0] * len(words), [each.stderr for each in done]
    _done(daemon, "unban", NAME, "f" * 40)
