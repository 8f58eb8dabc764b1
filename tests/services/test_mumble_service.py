"""Mumble's server under a real herdd."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from herd.core.errors import ConfigurationError
from herd.core.service import Surroundings
from herd.daemon.config import load
from meet import certificate as certificate_files
from mumble import certificate, joined, port_of, refused, running, table
from support import PATIENCE, herdd, short_directory

NAME = "mumble-server"
REGISTRATION = {"name": "Ours", "password": "p", "url": "https://voice.example.org"}
_RESTARTS = int(os.environ.get("HERD_MUMBLE_SOAK", "5"))


def test_it_runs_once_it_answers_and_has_no_secret_where_others_see_it(tmp_path: Path) -> None:
    config = table(server_password='a, "b"; \\c')
    port = port_of(config)
    with running(config) as daemon:
        facts = daemon.status(NAME)
        assert facts["provision"] == [NAME, "mumble", "murmur"]
        assert f"Listening on: 127.0.0.1:{port} 127.0.0.1:{port}/udp\n" in daemon.herd("status", NAME).stdout
        if os.geteuid() == 0:
            assert psutil.Process(facts["mainPid"]).username() == NAME
        assert (daemon.services_dir / NAME / "mumble-server.ini").stat().st_mode & 0o777 == 0o600
        process = psutil.Process(facts["mainPid"])
        secret = (daemon.state_dir / "secrets" / "mumble-superuser").read_text().strip()
        seen = " ".join([*process.cmdline(), *process.environ().values()]) + daemon.log(NAME)
        assert secret not in seen
        assert "Password for 'SuperUser'" not in seen
        assert refused(port, "Ann", tmp_path) == "Invalid server password"
        with joined(port, "Ann", tmp_path, 'a, "b"; \\c'):
            pass


def test_a_password_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from a, file\n")
    config = table(server_password_file=str(file))
    with running(config) as daemon:
        with joined(port_of(config), "Ann", tmp_path, "from a, file"):
            pass
        file.unlink()
        said = daemon.herd("restart", NAME).stderr
        assert (
            f"cannot read the password of the server from {file}: No such file or directory; correct its path" in said
        )


@pytest.mark.parametrize("style", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_taken_port_is_told_with_who_has_it(style: socket.SocketKind) -> None:
    config = table(auto_start=False)
    port = port_of(config)
    with socket.socket(socket.AF_INET, style) as taker, herdd(config) as daemon:
        taker.bind(("127.0.0.1", port))
        if style is socket.SOCK_STREAM:
            taker.listen()
        said = daemon.herd("start", NAME).stderr
        assert f"port {port}; end that, or choose another: port = … in [mumble]" in said
        assert f"(pid {os.getpid()})" in said
        assert daemon.status(NAME)["status"] == "stopped"


def test_a_port_that_is_taken_while_it_starts() -> None:
    """The server itself lives on without a listener."""
    with short_directory() as directory:
        begun, go_on, program = (directory / each for each in ("begun", "go-on", "murmurd"))
        for pipe in (begun, go_on):
            os.mkfifo(pipe)
            pipe.chmod(0o666)
        wait = f"echo >{begun}; read -r _ <{go_on}"
        program.write_text(f'#!/bin/sh\n[ "$1" != -fg ] || {{ {wait}; }}\nexec /usr/sbin/murmurd "$@"\n')
        program.chmod(0o755)
        config = table(package=str(program), auto_start=False)
        with herdd(config) as daemon, daemon.wire() as wire:
            wire.send("Perform", action="start", service=NAME, arguments=[])
            begun.read_text()
            with socket.create_server(("127.0.0.1", port_of(config))):
                go_on.write_text("\n")
                answer = wire.receive()
        assert answer is not None
        assert "it cannot listen: process python" in (said := answer["parameters"]["message"]), answer
        assert f"(pid {os.getpid()}) has port {port_of(config)}; end that, or choose another" in said


def test_readiness_and_health_ban_nobody(tmp_path: Path) -> None:
    """The server bans whoever connects for the eleventh time within two minutes."""
    config = table()
    port = port_of(config)
    with running(config) as daemon:
        for _ in range(_RESTARTS + 12):
            assert daemon.herd("restart", NAME).returncode == 0
        assert "Global ban" not in daemon.log(NAME)
        with joined(port, "Ann", tmp_path):
            pass


def test_people_come_back_after_a_kill(tmp_path: Path) -> None:
    config = table()
    with running(config) as daemon, joined(port_of(config), "Ann", tmp_path) as ann:
        pid = daemon.status(NAME)["mainPid"]
        psutil.Process(pid).kill()
        ann.until("gone")
        daemon.until(NAME, lambda facts: facts["status"] == "running" and facts["mainPid"] != pid)
        ann.until("ready")


def test_a_renewed_certificate_is_shown_while_people_stay() -> None:
    with short_directory() as directory:
        given = certificate_files(directory, ("voice.example.org",))
        config = table(ssl_cert=given["certificate"], ssl_key=given["key"], ssl_dh_params="@ffdhe3072")
        port = port_of(config)
        with running(config) as daemon, joined(port, "Ann", directory) as ann:
            assert certificate(port) == Path(given["certificate"]).read_text()
            certificate_files(directory, ("voice.example.org",), days=20)
            daemon.said("mumble-server: its certificate was renewed.")
            deadline = time.monotonic() + PATIENCE
            while certificate(port) != Path(given["certificate"]).read_text():
                assert time.monotonic() < deadline
            ann.say("still here")
            assert daemon.status(NAME)["mainPid"]
            Path(given["key"]).write_text("no key")
            daemon.said("cannot use the certificate")
            assert daemon.herd("restart", NAME).returncode == 1


def test_a_certificate_that_was_renewed_while_nobody_watched_is_taken_over() -> None:
    with short_directory() as directory, short_directory() as place:
        given = certificate_files(directory, ("voice.example.org",))
        config = table(ssl_cert=given["certificate"], ssl_key=given["key"])
        port = port_of(config)
        with herdd(config, directory=place, ends=False) as daemon:
            pid = daemon.until_status(NAME, "running")["mainPid"]
            daemon.remembered(NAME)
            daemon.end(signal.SIGKILL)
        certificate_files(directory, ("voice.example.org",), days=20)
        with herdd(config, directory=place) as daemon:
            daemon.said("mumble-server: its certificate was renewed.")
            deadline = time.monotonic() + PATIENCE
            while certificate(port) != Path(given["certificate"]).read_text():
                assert time.monotonic() < deadline
            assert daemon.status(NAME)["mainPid"] == pid


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"ssl_cert": "/a"}, "cannot read [mumble]: ssl-cert and ssl-key belong together; give both or neither"),
        ({"server_password": "a", "server_password_file": "/a"}, "say the same; leave one of them out"),
        ({"public_registration": REGISTRATION, "allow_ping": False}, "a public server answers pings; add allow-ping"),
        ({"public_registration": REGISTRATION, "server_password": "x"}, "has no password; leave server-password out"),
        ({"public_registration": {**REGISTRATION, "name": ""}}, "[mumble] public-registration.name: it is empty"),
        ({"max_users": "many"}, "max-users"),
        ({"max_users": -1}, "max-users"),
        ({"log_days": -2}, "log-days"),
        ({"opus_threshold": 101}, "opus-threshold"),
        ({"host": ["an address"]}, "'an address' is no address"),
        ({"ssl_dh_params": "@ffdhe1"}, "'@ffdhe1' is neither a file nor a group"),
        ({"welcome_text": "a\0b"}, "a text cannot have a NUL in it"),
        ({"extra": {"two words": "x"}}, "'two words' is no key of mumble-server.ini"),
        ({"extra": {"key": [1]}}, "key is a text, a whole number, or true or false"),
        ({"file": "/a.ini", "max_users": 5}, "max-users would mean nothing beside it"),
        ({"maxusers": 5}, "max-users"),
    ],
)
def test_mistakes_in_the_table_are_told(keys: dict[str, object], said: str, tmp_path: Path) -> None:
    surroundings = Surroundings(tmp_path, tmp_path, tmp_path, "root", is_root=True)
    file = tmp_path / "herd.toml"
    file.write_text(table(**keys))
    with pytest.raises(ConfigurationError) as caught:
        load(file, surroundings)
    (problem,) = caught.value.problems
    assert said in problem


def test_the_old_name_of_the_table_is_taken_and_told_to_be_old(tmp_path: Path) -> None:
    config = table().replace("[mumble]", "[murmur]")
    with running(config) as daemon:
        assert daemon.status(NAME)["warnings"] == ["[murmur] is the old name of the table; write [mumble]"]
    file = tmp_path / "herd.toml"
    file.write_text(table() + config)
    with pytest.raises(ConfigurationError, match="leave one of them out"):
        load(file, Surroundings(tmp_path, tmp_path, tmp_path, "root", is_root=True))


def test_a_whole_file_of_the_administrators(tmp_path: Path) -> None:
    config = table(allow_ping=False)
    port = port_of(config)
    with short_directory() as directory:
        database = directory / "voice" / "murmur.sqlite"
        file = tmp_path / "mine.ini"
        database.parent.mkdir()
        database.parent.chmod(0o777)
        file.write_text(f'port={port}\nhost=127.0.0.1\ndatabase={database}\nserverpassword="given"\n')
        with running(f'{config}file = "{file}"\n') as daemon:
            with joined(port, "Ann", tmp_path, "given"):
                assert "Ann" in daemon.herd("list-users", NAME).stdout
            assert database.exists()


def test_a_database_in_a_directory_that_is_there_leaves_that_as_it_is() -> None:
    with short_directory() as directory:
        place = directory / "there"
        place.mkdir(mode=0o777)
        place.chmod(0o777)
        before = place.stat()
        with running(table(database_file=str(place / "voice.sqlite"))):
            after = place.stat()
            assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)
            assert (place / "voice.sqlite").exists()


@pytest.mark.parametrize(("version", "words"), [("1.5.915", "-fg -ini"), ("1.6.870", "--foreground --ini")])
def test_the_words_of_other_versions(version: str, words: str) -> None:
    """A double of the program that says that it is another version: the real one of it is not in Debian 12."""
    with short_directory() as directory:
        program, told = directory / "mumble-server", directory / "told"
        told.touch()
        told.chmod(0o666)
        program.write_text(
            f'#!/bin/sh\necho "$@" >>{told}\ncase $1 in --version) echo "mumble-server -- {version}"; exit ;; esac\n'
            'case "$*" in *-pw | *supw) cat >/dev/null; exit ;; esac\nexec sleep 1000\n'
        )
        program.chmod(0o755)
        with herdd(table(package=str(program), auto_start=False)) as daemon, daemon.wire() as wire:
            wire.send("Perform", action="start", service=NAME, arguments=[])
            daemon.until(NAME, lambda facts: facts["mainPid"] is not None)
            file = daemon.services_dir / NAME / "mumble-server.ini"
            while f"{words} {file}\n" not in told.read_text():
                pass
            asked = f"-ini {file} -readsupw" if version < "1.6" else f"--ini {file} --read-su-pw"
            assert f"{asked}\n" in told.read_text()
