"""Jitsi Meet under a real herdd: the real Prosody, and doubles of Jicofo and the bridges that speak XMPP to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from attrs import evolve

from guests import address_of, client, put_out, until_allowed
from herd.core.errors import ConfigurationError
from herd.core.service import Surroundings
from herd.daemon.config import load
from herd_services.jitsi.deployment import FOCUS, Deployment
from jitsi_meeting import fetch
from meet import BREWERY, DOMAIN, Meet, certificate, meet, occupants, running
from prosody import Refusal
from support import PATIENCE, Daemon, herdd, short_directory, toml


def _until_another(daemon: Daemon, name: str, pid: int) -> None:
    """Return once the service runs with another process."""
    daemon.until(name, lambda facts: facts["status"] == "running" and facts["mainPid"] != pid)


def test_a_domain_is_enough_for_all_of_it(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with running(it) as daemon:
        came = [step for step in daemon.steps if step.endswith("is running")]
        assert came == ["prosody is running", "jicofo is running", "jvb is running"]
        assert occupants(daemon) == {"focus", "b1"}
        told = json.loads(daemon.herd("--json", "list-bridges", "jicofo").stdout)
        assert told["bridge_count"] == 1


def test_no_secret_is_where_others_can_see_it(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with running(it) as daemon:
        secrets = {file.read_text().strip() for file in (daemon.state_dir / "secrets").iterdir()}
        assert len(secrets) == 2
        for file in (daemon.state_dir / "secrets").iterdir():
            assert file.stat().st_mode & 0o077 == 0
        for name in ("prosody", "jicofo", "jvb"):
            pid = daemon.status(name)["mainPid"]
            for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                seen = " ".join([*process.cmdline(), *process.environ().values()])
                assert not any(secret in seen for secret in secrets)
            for file in (daemon.services_dir / name).iterdir():
                if any(secret in file.read_text(errors="replace") for secret in secrets if file.is_file()):
                    assert file.stat().st_mode & 0o077 == 0
            assert not any(secret in daemon.log(name) for secret in secrets)


def test_heaps_that_do_not_fit_together_are_said_at_once(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    it.jvb[0]["memory"] = psutil.virtual_memory().total // 2**20
    with running(it) as daemon:
        (warning,) = daemon.status("jicofo")["warnings"]
        assert warning.startswith("the heaps do not fit into the machine's memory: ")
        assert daemon.status("jvb")["warnings"] == []


def test_restarts_travel_down(programs: tuple[Path, Path]) -> None:
    it = meet(programs, bridges=2)
    with running(it) as daemon:
        before = {name: daemon.status(name)["mainPid"] for name in ("prosody", "jicofo", "jvb-b1", "jvb-b2")}
        psutil.Process(before["prosody"]).kill()
        for name, pid in before.items():
            _until_another(daemon, name, pid)
        assert occupants(daemon) == {"focus", "b1", "b2"}


def test_a_bridge_that_stays_outside_is_restarted_by_itself(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with running(it) as daemon:
        pids = {name: daemon.status(name)["mainPid"] for name in ("prosody", "jicofo", "jvb")}
        port = it.jvb[0]["http-port"]
        assert fetch(port, "/colibri/muc-client/remove", "POST", {"id": "shard"})[0] == 200
        _until_another(daemon, "jvb", pids["jvb"])
        assert occupants(daemon) == {"focus", "b1"}
        assert daemon.status("jicofo")["mainPid"] == pids["jicofo"]


def test_what_is_wrong_is_told_before_anything_is_started(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    it.jvb[0]["auto-start"] = False
    port, missing = it.prosody["port"], "/nowhere/jicofo.sh"
    with socket.create_server(("127.0.0.1", port)), herdd(it.text()) as daemon:
        done = daemon.herd("start", "jvb")
        assert done.returncode == 1
        assert f"cannot start prosody: process python3 (pid {os.getpid()}) has port {port}" in done.stderr.replace(
            psutil.Process().name(), "python3"
        )
        assert _nothing_runs(daemon)
    it.jicofo["program"] = missing
    with herdd(it.text()) as daemon:
        done = daemon.herd("start", "jvb")
        assert done.returncode == 1
        assert f"cannot start jicofo: there is no program {missing}; install the Jitsi project's package" in done.stderr
        assert _nothing_runs(daemon)
        # Whatever the order: the bridge's own port is looked at first of all.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
            media.bind(("0.0.0.0", it.jvb[0]["udp-port"]))
            assert f"has UDP port {it.jvb[0]['udp-port']}" in daemon.herd("start", "jvb").stderr


def _nothing_runs(daemon: Daemon) -> bool:
    return all(daemon.status(name)["mainPid"] is None for name in ("prosody", "jicofo", "jvb"))


def test_a_certificate_that_cannot_be_used_is_refused(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with short_directory() as directory:
        it.jitsi |= certificate(directory, ("elsewhere.example.org",))
        with herdd(it.text()) as daemon:
            done = daemon.herd("start", "jvb")
            assert done.returncode == 1
            assert f"cannot start prosody: cannot use the certificate {directory}/mine.crt: " in done.stderr
            (directory / "mine.crt").unlink()
            done = daemon.herd("start", "jvb")
            assert f"cannot read {directory}/mine.crt: No such file or directory" in done.stderr
            assert _nothing_runs(daemon)


def test_a_renewed_certificate_is_taken_over_without_a_restart(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with short_directory() as directory:
        names = Deployment(DOMAIN, "jvbbrewery").hosts
        it.jitsi |= certificate(directory, names)
        with running(it) as daemon:
            pids = {name: daemon.status(name)["mainPid"] for name in ("prosody", "jicofo", "jvb")}
            assert _served(it) == (directory / "mine.crt").read_text()
            certificate(directory, ("elsewhere.example.org",))
            daemon.said("prosody: cannot use the certificate")
            certificate(directory, names, days=60)
            daemon.said("prosody: its certificate was renewed.")
            daemon.herd("reload-certificates", "prosody")
            _until_served(it, (directory / "mine.crt").read_text())
            assert {name: daemon.status(name)["mainPid"] for name in pids} == pids


def _until_served(it: Meet, certificate: str) -> None:
    """Return once Prosody, which reads it when it has the time, shows it."""
    end = time.monotonic() + PATIENCE
    while (found := _served(it)) != certificate:
        assert time.monotonic() < end, found


def _served(it: Meet) -> str:
    """The certificate that Prosody shows to whoever connects (PEM)."""
    command = ["openssl", "s_client", "-starttls", "xmpp", "-xmpphost", f"auth.{DOMAIN}"]
    shown = subprocess.run(
        [*command, "-connect", f"127.0.0.1:{it.prosody['port']}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    ).stdout  # fmt: skip
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return f"{begin}{shown.partition(begin)[2].partition(end)[0]}{end}\n"


def test_new_secrets_are_taken_by_all(programs: tuple[Path, Path]) -> None:
    with running(meet(programs)) as daemon:
        before = {file.name: file.read_text() for file in (daemon.state_dir / "secrets").iterdir()}
        assert daemon.herd("rotate-secrets", "prosody").returncode == 0
        after = {file.name: file.read_text() for file in (daemon.state_dir / "secrets").iterdir()}
        assert all(after[name] != secret for name, secret in before.items())
        assert daemon.herd("restart", "prosody").returncode == 0
        daemon.until_status("jvb", "running")
        assert occupants(daemon) == {"focus", "b1"}


def test_a_bridge_alone_goes_to_a_prosody_elsewhere(programs: tuple[Path, Path]) -> None:
    it = meet(programs, bridges=2)
    other = it.jvb.pop()
    with running(it) as daemon, short_directory() as directory:
        files = {"password-file": directory / "password", "certificate": directory / "crt"}
        files["password-file"].write_bytes((daemon.state_dir / "secrets" / "xmpp-jvb").read_bytes())
        files["password-file"].chmod(0o600)
        source = daemon.state_dir / "prosody" / "certificates" / f"{DOMAIN}.crt"
        files["certificate"].write_bytes(source.read_bytes())
        other |= {"address": "127.0.0.1", "port": it.prosody["port"], "domain": DOMAIN, "auto-start": False}
        other |= {key: str(file) for key, file in files.items()}
        alone = evolve(it, jvb=[other]).text()
        with herdd(alone[alone.index("[[jvb]]") :]) as second:
            done = second.herd("start", "jvb")
            assert done.returncode == 0, done.stderr
            assert occupants(daemon) == {"focus", "b1", "b2"}
            files["password-file"].write_text("another\n")
            assert second.herd("stop", "jvb").returncode == 0
            assert occupants(daemon) == {"focus", "b1"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[jitsi]\ndomain = "meet"\n', "cannot read [jitsi] domain: 'meet' is no domain"),
        ('[jitsi]\ndomain = "a.b"\ndomian = 1\n', "cannot read [jitsi]: unknown key domian; did you mean domain?"),
        ("[jicofo]\nmemory = 64\n", "cannot read [jicofo]: it belongs to [jitsi]"),
        ("[[jvb]]\nudp-port = 0\n", "cannot read [[jvb]] 1 udp-port: it must be >= 1: 0"),
        ('[[jvb]]\naddress = "10.0.0.1"\n', "its Prosody is elsewhere; add domain, password-file, certificate"),
        ('[jitsi]\ndomain = "a.b"\nkey = "/k"\n', "certificate and key belong together"),
        ('[jitsi]\ndomain = "a.b"\n[[jvb]]\npublic-address = "203.0.113.7"\n', "it needs local-address beside it"),
        ('[jitsi]\ndomain = "a.b"\n[jicofo]\nmemory = 99999999\n', "[jicofo] memory: a heap of 99999999 MiB is more"),
        ('[jitsi]\ndomain = "a.b"\n' + '[[jvb]]\nnickname = "x"\n' * 2, "2 of them have the nickname x"),
    ],
)
def test_a_mistake_in_the_tables_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "herd.toml").write_text(text)
    surroundings = Surroundings(tmp_path, tmp_path, tmp_path, "root", is_root=True, memory=2048)
    with pytest.raises(ConfigurationError) as found:
        load(tmp_path / "herd.toml", surroundings)
    assert any(said in problem for problem in found.value.problems), found.value.problems


def test_the_same_tables_make_the_same_services(tmp_path: Path) -> None:
    # Else a reload would restart what has not changed.
    (tmp_path / "herd.toml").write_text('[jitsi]\ndomain = "meet.example.org"\n')
    surroundings = Surroundings(tmp_path, tmp_path, tmp_path, "root", is_root=True)
    first, second = (load(tmp_path / "herd.toml", surroundings).services for _ in range(2))
    assert first == second
    assert [each.name for each in first] == ["prosody", "jicofo", "jvb"]


def _told(daemon: Daemon, *words: str, status: int = 0) -> str:
    done = daemon.herd(*words)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stderr if status else done.stdout


def test_accounts_are_made_and_deleted(programs: tuple[Path, Path], tmp_path: Path) -> None:
    file, auth = tmp_path / "password", f"auth.{DOMAIN}"
    file.write_text("open sesame\n")
    with running(meet(programs)) as daemon:
        assert _told(daemon, "list-users", "prosody") == f"  - focus@{auth}\n  - jvb@{auth}\n"
        _told(daemon, "register-user", "prosody", f"Jibri@{auth}", "--password-file", str(file))
        assert f"  - jibri@{auth}\n" in _told(daemon, "list-users", "prosody")
        assert f"jibri@{auth}\t\n" in _told(daemon, "_complete", "delete-user", "prosody", "")
        file.write_text("another\n")
        _told(daemon, "register-user", "prosody", "jibri", "--password-file", str(file))
        assert _told(daemon, "delete-user", "prosody", "jibri") == f"jibri@{auth} is no account any more.\n"
        assert "jibri" not in _told(daemon, "list-users", "prosody")
        for words, said in (
            (("delete-user", "prosody", "jibri"), "there is no such account"),
            (("delete-user", "prosody", "focus"), "herdd looks after it"),
            (("register-user", "prosody", "a@b.c", "--password-file", str(file)), "an account is like ann@"),
            (("register-user", "prosody", "ann"), "name a file whose first line is its password"),
            (("register-user", "prosody", 'a"]] os.exit()--', "--password-file", str(file)), "an account is like ann@"),
        ):
            assert said in _told(daemon, *words, status=1)


def test_who_is_in_a_room_is_listed_and_kicked(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with running(it) as daemon:
        assert _told(daemon, "list-rooms", "prosody") == f"  - {BREWERY}: 2 occupants\n"
        assert _told(daemon, "_complete", "kick", "prosody", "b1", "") == f"{BREWERY}\t\n"
        lines = f"  - b1 (jvb@auth.{DOMAIN}, moderator)\n  - focus (focus@auth.{DOMAIN}, moderator)\n"
        assert _told(daemon, "list-occupants", "prosody") == f"In {BREWERY}:\n{lines}"
        room = f"talk@conference.{DOMAIN}"
        with client(daemon, it, FOCUS) as focus, client(daemon, it) as ann:
            focus.enter(room, "focus")
            ann.enter(room, "ann")
            said = _told(daemon, "kick", "prosody", "ann", "talk", "--reason", "it's \"]] over")
            assert said == f"ann is out of {room}.\n"
            assert "ann" not in _told(daemon, "list-occupants", "prosody", "talk")
            for nickname, where in (("focus", room), ("focus", BREWERY), ("b1", BREWERY)):
                said = _told(daemon, "kick", "prosody", nickname, where, status=1)
                assert f"cannot kick {nickname}: it is {'jvb' if nickname == 'b1' else 'focus'}@auth.{DOMAIN}, " in said
            assert "  - focus (" in _told(daemon, "list-occupants", "prosody", "talk")
        pid = daemon.status("jvb")["mainPid"]
        assert occupants(daemon) == {"focus", "b1"}
        put_out(daemon, it, BREWERY, "b1")
        # Nobody lets it in again but a restart of its own.
        _until_another(daemon, "jvb", pid)
        assert occupants(daemon) == {"focus", "b1"}
        for words, said in (
            (("kick", "prosody", "nobody", BREWERY), "cannot kick nobody: it is not there"),
            (("kick", "prosody", "b1", "x@elsewhere.example.org"), "cannot find the room x@elsewhere.example.org"),
            (("list-occupants", "prosody", 'x"]]'), f'cannot find the room x"]]@conference.{DOMAIN}: nobody is there'),
        ):
            assert said in _told(daemon, *words, status=1)


@pytest.mark.double
def test_a_bridge_stops_once_its_last_conference_is_over(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with running(it) as daemon:
        port = it.jvb[0]["http-port"]
        assert _told(daemon, "drain", "jvb") == "jvb takes no further conferences; those that it has go on.\n"
        assert '"drain": true' in fetch(port, "/colibri/drain")[1]
        assert _told(daemon, "undrain", "jvb") == "jvb takes conferences again.\n"
        fetch(port, "/double/participants", "POST", 3)
        with daemon.wire() as wire:
            wire.send("Perform", action="graceful-stop", service="jvb", arguments=[])
            daemon.until("jvb", lambda facts: facts["notes"].get("graceful-stop.conferences") == "1")
            # Whoever asks leaves, and it goes on as before.
        daemon.until("jvb", lambda facts: "graceful-stop.conferences" not in facts["notes"])
        assert '"drain": false' in fetch(port, "/colibri/drain")[1]
        fetch(port, "/double/participants", "POST", 0)
        assert _told(daemon, "graceful-stop", "jvb") == "The last conference of jvb is over; it stops.\n"
        daemon.until_status("jvb", "stopped")
        assert occupants(daemon) == {"focus"}


def test_another_host_gets_all_that_a_bridge_needs(programs: tuple[Path, Path]) -> None:
    it = meet(programs, bridges=2)
    other = it.jvb.pop()
    with running(it) as daemon, short_directory() as directory:
        said = _told(daemon, "export-bridge", "jicofo", str(directory), status=1)
        assert "Prosody listens for this host alone; add an address to interfaces" in said
        _told(daemon, "export-bridge", "jicofo", str(directory), "--address", "127.0.0.1")
        assert {file.name for file in directory.iterdir()} == {"herd.toml", "jvb-password", "prosody.crt"}
        assert {file.stat().st_mode & 0o777 for file in directory.iterdir()} == {0o600}
        assert "File exists" in _told(
            daemon, "export-bridge", "jicofo", str(directory), "--address", "127.0.0.1", status=1
        )
        config = (directory / "herd.toml").read_text().replace("/etc/herd", str(directory))
        keys = "".join(f"{key} = {toml(value)}\n" for key, value in {**other, "auto-start": False}.items())
        with herdd(config + keys) as second:
            _told(second, "start", "jvb")
            assert occupants(daemon) == {"focus", "b1", "b2"}


def test_whoever_is_banned_is_out_and_stays_out(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with running(it) as daemon:
        room = f"talk@conference.{DOMAIN}"
        with client(daemon, it, FOCUS) as focus, client(daemon, it) as ann:
            focus.enter(room, "focus")
            ann.enter(room, "ann")
            address = address_of(daemon, room, "ann")
            said = _told(daemon, "ban-jid", "prosody", address, "--reason", 'shouts "]]', "--for", "1h")
            assert said.startswith(f"{address} is banned from every room until ")
            assert "ann" not in _told(daemon, "list-occupants", "prosody", "talk")
            with pytest.raises(Refusal, match="forbidden"):
                ann.enter(room, "somebody")
            assert f"  - {address} from every room, by root until " in _told(daemon, "list-bans", "prosody")
            assert _told(daemon, "unban-jid", "prosody", address) == f"{address} is no longer banned from every room.\n"
            ann.enter(room, "ann")
            # From one room only, and for a moment.
            _told(daemon, "ban-jid", "prosody", address, "talk", "--for", "1s")
            focus.enter(f"other@conference.{DOMAIN}", "focus")
            ann.enter(f"other@conference.{DOMAIN}", "ann")
            until_allowed(ann, room)
            assert _told(daemon, "list-bans", "prosody") == "Nobody is banned.\n"
            _told(daemon, "ban-jid", "prosody", "bob@meet.example.org")
        # It is in the ledger: a Prosody that starts anew keeps it.
        _told(daemon, "restart", "prosody")
        assert "  - bob@meet.example.org from every room" in _told(daemon, "list-bans", "prosody")
        assert "bob@meet.example.org" in (daemon.services_dir / "prosody" / "bans.lua").read_text()
        for words, status, said in (
            (("ban-jid", "prosody", f"focus@auth.{DOMAIN}"), 2, "it is an account of a service"),
            (("unban-jid", "prosody", "ann@meet.example.org"), 1, "it is not banned anywhere; see: herd list-bans"),
            (("ban-jid", "prosody", "ann@meet.example.org", "x@elsewhere.example.org"), 2, "people meet in rooms of"),
            (("ban-jid", "prosody", "ann"), 2, "cannot ban ann: an address is like ann@meet.example.org"),
        ):
            assert said in _told(daemon, *words, status=status)


def test_bans_of_prosody_are_exported_imported_and_remembered(programs: tuple[Path, Path], tmp_path: Path) -> None:
    it, file = meet(programs), tmp_path / "bans.rec"
    with herdd(it.text()) as daemon:
        _told(daemon, "start", "prosody")
        _told(daemon, "ban-jid", "prosody", f"ann@{DOMAIN}", "talk", "--reason", "noise", "--for", "7d")
        _told(daemon, "ban-jid", "prosody", f"bob@{DOMAIN}")
        for action in ("unban-jid", "history"):
            completed = _told(daemon, "_complete", action, "prosody", "")
            assert set(completed.split()) == {f"ann@{DOMAIN}", f"bob@{DOMAIN}"}
        file.write_text(_told(daemon, "export-bans", "prosody"))
        assert subprocess.run(["recfix", "--check", str(file)], check=False).returncode == 0
        bans = json.loads(_told(daemon, "--json", "list-bans", "prosody"))["bans"]
        assert [(each["address"], each["room"]) for each in bans] == [
            (f"ann@{DOMAIN}", f"talk@conference.{DOMAIN}"), (f"bob@{DOMAIN}", "*")
        ]  # fmt: skip
        told = _told(daemon, "history", "prosody", f"ann@{DOMAIN}")
        assert f" root banned ann@{DOMAIN} from talk@conference.{DOMAIN} until " in told
        assert told.endswith(": noise\n")
    with herdd(it.text()) as daemon:
        _told(daemon, "start", "prosody")
        assert f"bob@{DOMAIN} would be banned from every room.\n" in _told(
            daemon, "import-bans", "prosody", str(file), "--dry-run"
        )
        assert _told(daemon, "list-bans", "prosody") == "Nobody is banned.\n"
        _told(daemon, "import-bans", "prosody", str(file))
        again = json.loads(_told(daemon, "--json", "list-bans", "prosody"))["bans"]
        kept = ("address", "room", "reason")
        assert [{key: each[key] for key in kept} for each in again] == [
            {key: each[key] for key in kept} for each in bans
        ]
        file.write_text(f"Address: ann\n\nAddress: focus@auth.{DOMAIN}\n")
        said = _told(daemon, "import-bans", "prosody", str(file), status=1)
        assert "line 1: its Address is 'ann', and an address is like" in said
        assert "line 3: its Address is 'focus@auth" in said


def test_the_next_herdd_has_the_bans_kept_that_the_last_did_not_come_to(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with short_directory() as place:
        with herdd(it.text(), directory=place, ends=False) as daemon:
            assert daemon.herd("start", "prosody").returncode == 0
            pid = daemon.status("prosody")["mainPid"]
            _told(daemon, "ban-jid", "prosody", f"ann@{DOMAIN}")
            kept = daemon.services_dir / "prosody" / "bans.lua"
            kept.write_text("return {};\n")
            daemon.end(signal.SIGKILL)
        with herdd(it.text(), directory=place) as daemon:
            assert daemon.until_status("prosody", "running")["mainPid"] == pid
            assert f"ann@{DOMAIN}" in kept.read_text()


def test_a_changed_list_of_admins_is_a_restart_and_nothing_else_is(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with running(it) as daemon:
        pids = {name: daemon.status(name)["mainPid"] for name in ("prosody", "jicofo", "jvb")}
        assert daemon.herd("reload", "root").returncode == 0
        assert {name: daemon.status(name)["mainPid"] for name in pids} == pids
        it.prosody["admins"] = [f"ann@{DOMAIN}"]
        daemon.config.write_text(it.text())
        assert daemon.herd("reload", "root").returncode == 0
        for name, pid in pids.items():
            _until_another(daemon, name, pid)
        assert f"ann@{DOMAIN}" in (daemon.services_dir / "prosody" / "prosody.cfg.lua").read_text()


def test_they_come_up_in_their_order(programs: tuple[Path, Path]) -> None:
    with running(meet(programs)) as daemon:
        lines = _told(daemon, "analyze")
        assert lines.index("prosody") < lines.index("jicofo") < lines.index("jvb")
        since = [daemon.status(name)["sinceUSec"] for name in ("prosody", "jicofo", "jvb")]
        assert since == sorted(since)
