"""One person on three real servers: a Jami account, a Mumble server, a room of Prosody's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mumble
from guests import address_of, client, until_allowed
from herd.core.errors import ConfigurationError
from herd.core.service import Surroundings
from herd.daemon.config import load
from herd_services.jitsi.deployment import FOCUS
from jami import STRANGER, Archive
from jami import table as jami_table
from meet import DOMAIN, meet
from mumble import joined, port_of, refused
from prosody import Refusal
from support import Daemon, herdd

ROOM = f"talk@conference.{DOMAIN}"
TERMS = ("--for", "15s", "--reason", "spam")


def _done(daemon: Daemon, *words: str, status: int = 0) -> str:
    done = daemon.herd(*words)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stdout + done.stderr


def test_a_ban_of_a_person_reaches_every_server_and_its_end_undoes_it(
    archives: dict[str, Archive], programs: tuple[Path, Path], tmp_path: Path
) -> None:
    it, voice = meet(programs), mumble.table()
    account, port = archives["dummy"], port_of(voice)
    config = jami_table({"archive": account.path}) + it.text() + voice
    with herdd(config) as daemon:
        for name in ("prosody", "jami", "mumble-server"):
            _done(daemon, "start", name)
        with joined(port, "Bob", tmp_path) as bob, client(daemon, it, FOCUS) as focus, client(daemon, it) as guest:
            focus.enter(ROOM, "focus")
            guest.enter(ROOM, "bob")
            address = address_of(daemon, ROOM, "bob")
            certificate = json.loads(_done(daemon, "--json", "list-users", "mumble"))["users"][0]["certificate"]
            person = f'[person.bob]\njami = "{STRANGER.upper()}"\nmumble = "{certificate}"\nxmpp = "{address}"\n'
            daemon.config.write_text(config + person)
            assert _done(daemon, "reload", "root") == "People are known by other names or servers.\n"
            trial = _done(daemon, "ban", "root", "bob", "--dry-run")
            assert trial.splitlines() == [
                f"jami: {STRANGER} would be banned.",
                f"prosody: {address} would be banned.",
                f"mumble-server: {certificate} would be banned.",
            ]
            assert _done(daemon, "bans") == "Nobody is banned.\n"
            told = _done(daemon, "ban", "root", "bob", *TERMS)
            assert [line.partition(":")[0] for line in told.splitlines()] == ["jami", "prosody", "mumble-server"]
            bob.until("left", who="Bob")
            # Else the server would ban the address that comes again and again.
            bob.leave()
            # Each server itself keeps out: the account, the room, the voices.
            assert STRANGER in _done(daemon, "list-banned-contacts", "jami")
            with pytest.raises(Refusal, match="forbidden"):
                guest.enter(ROOM, "again")
            assert refused(port, "Bob", tmp_path) == ""
            lines = _done(daemon, "bans").splitlines()
            assert len(lines) == 3
            assert all("(bob)" in line and "by root until" in line and line.endswith(": spam") for line in lines), lines
            # And lets in again, each of its own accord.
            daemon.said("mumble-server: the time of a ban was up.")
            daemon.said(f"account {account.fingerprint} was brought to what was decided: 1 no longer banned")
            until_allowed(guest, ROOM)
            with joined(port, "Bob", tmp_path):
                pass
            assert STRANGER not in _done(daemon, "list-banned-contacts", "jami")
            assert _done(daemon, "bans") == "Nobody is banned.\n"
        said = _done(daemon, "unban", "root", "bob", status=1)
        assert "cannot unban bob: no server that runs here bans that one; see: herd bans" in said


def test_one_server_that_fails_and_one_that_does_not_run_are_told(tmp_path: Path) -> None:
    config = mumble.table() + '[jitsi]\ndomain = "meet.example.org"\nauto-start = false\n'
    person = '[person.bob]\nmumble = "Bob"\nxmpp = "bob@meet.example.org"\n'
    with mumble.running(config + person) as daemon:
        done = daemon.herd("ban", "root", "bob")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines() == [
            "herd: warning: mumble-server: cannot ban Bob: nobody of that name is connected; "
            "see: herd list-users mumble-server",
            "herd: warning: prosody does not run: bob is not banned there; start it and ask again",
        ]
        with joined(port_of(config), "Bob", tmp_path) as bob:
            _done(daemon, "register-user", "mumble", "Bob")
            assert "(Bob) is banned.\n" in _done(daemon, "ban", "root", "bob")
            bob.until("left", who="Bob")
        # By the name, while nobody of that name is connected, too.
        _done(daemon, "unban", "root", "bob")
        assert "(Bob) is banned.\n" in _done(daemon, "ban", "root", "bob")
        assert _done(daemon, "bans").startswith("mumble-server: ")
        assert " (bob), by root" in _done(daemon, "bans")
        told = _done(daemon, "unban", "root", "bob")
        assert told.endswith(" is no longer banned.\n")
        with joined(port_of(config), "Bob", tmp_path):
            pass
        said = _done(daemon, "ban", "root", "bo", status=1)
        assert "cannot find a person bo; did you mean bob?" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[person.x]\n", "[person.x]: it says of no server who that is; add jami, mumble, xmpp"),
        ('[person.x]\njami = "abc"\n', "[person.x] jami: it is 'abc', and a fingerprint is 40 hexadecimal digits"),
        ('[person.x]\nxmpp = "abc"\n', "[person.x] xmpp: it is 'abc', and an address is like ann@"),
        ('[person.x]\nmumble = "192.0.2.1"\n', "and a person is a certificate, 40 hexadecimal digits, or"),
        ("[person.x]\njami = 5\n", "[person.x] jami: it is a text in quotes"),
        ('[person.x]\nirc = "x"\n', "[person.x] irc: there is no such key; the keys are jami, mumble, xmpp"),
        ('[person]\njami = "x"\n', "cannot read [person]: it is written as [person.NAME]"),
        (f'[person.x]\njami = "{STRANGER}"\n[person.y]\njami = "{STRANGER.upper()}"\n', "that is x already"),
    ],
)
def test_mistakes_about_people_are_told(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "herd.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(file, Surroundings(tmp_path, tmp_path, tmp_path, "root", is_root=True))
    (problem,) = caught.value.problems
    assert said in problem
