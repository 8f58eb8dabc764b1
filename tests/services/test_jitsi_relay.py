"""The relay under a real herdd: the real coturn and the real Prosody, and clients of both."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import psutil
import pytest

from herd.core.errors import ConfigurationError
from herd.core.service import Surroundings
from herd.daemon.config import load
from herd_services.jitsi.relay.configuration import INSIDE, CoturnConfiguration
from herd_services.jitsi.relay.file import Places, turnserver_configuration
from meet import DOMAIN, Meet, certificate, meet
from ports import free_ports
from prosody import Client, Prosody
from support import PATIENCE, Daemon, herdd, short_directory
from turn import Refused, Relay

HOSTS = (DOMAIN, *(f"{name}.{DOMAIN}" for name in ("auth", "internal.auth", "conference", "focus")))
PLACES = Places(Path("/c.crt"), Path("/c.key"), Path("/turndb"), Path("/pid"))


def _with_relay(programs: tuple[Path, Path], **keys: Any) -> Meet:
    it = meet(programs)
    port, tls_port = free_ports(2)
    user = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
    it.further["coturn"] = {
        "port": port, "tls-port": tls_port, "interfaces": ["127.0.0.1"], "min-port": 40000, "max-port": 40999,
        **user, **keys,
    }  # fmt: skip
    return it


@contextmanager
def _running(it: Meet) -> Iterator[Daemon]:
    with herdd(it.text()) as daemon:
        for name in ("prosody", "coturn"):
            done = daemon.herd("start", name)
            assert done.returncode == 0, done.stderr + daemon.log(name)
        yield daemon


def _anybody(daemon: Daemon, it: Meet) -> Client:
    shown = daemon.state_dir / "prosody" / "certificates" / f"{DOMAIN}.crt"
    return Client(Prosody(daemon.directory, it.prosody["port"], it.prosody["http-port"], shown), DOMAIN)


def _announced(daemon: Daemon, it: Meet) -> dict[tuple[str, str], Element]:
    """What Prosody tells anybody, by type and transport."""
    with _anybody(daemon, it) as client:
        answer = client.ask("get", DOMAIN, "<services xmlns='urn:xmpp:extdisco:2'/>")
    found = [each for each in answer.iter() if each.tag.endswith("}service")]
    return {(each.attrib["type"], each.attrib["transport"]): each for each in found}


def _credentials(daemon: Daemon, it: Meet) -> tuple[str, str]:
    told = _announced(daemon, it)["turn", "udp"]
    return told.attrib["username"], told.attrib["password"]


@pytest.mark.parametrize("interfaces", [["127.0.0.1"], []])
def test_whoever_comes_to_prosody_gets_a_relay(programs: tuple[Path, Path], interfaces: list[str]) -> None:
    it = _with_relay(programs, interfaces=interfaces)
    port = it.further["coturn"]["port"]
    with _running(it) as daemon:
        told = _announced(daemon, it)
        # Browsers would not trust the certificate that herdd made.
        assert set(told) == {("stun", "udp"), ("turn", "udp"), ("turn", "tcp")}
        assert {each.attrib["host"] for each in told.values()} == {DOMAIN}
        assert {int(each.attrib["port"]) for each in told.values()} == {port}
        assert "password" not in told["stun", "udp"].attrib
        user, password = _credentials(daemon, it)
        with Relay(port, user, password) as relay:
            assert 40000 <= relay.port <= 40999
        with pytest.raises(Refused, match="401"):
            Relay(port, user, password + "x")
        done = daemon.herd("check", "turn")
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "172.31.0.1"])
def test_nothing_is_relayed_to_the_inside(programs: tuple[Path, Path], peer: str) -> None:
    it = _with_relay(programs, **{"allowed-peers": ["10.1.2.4"]})
    with _running(it) as daemon, Relay(it.further["coturn"]["port"], *_credentials(daemon, it)) as relay:
        relay.permit("198.51.100.1")
        relay.permit("10.1.2.4")
        with pytest.raises(Refused, match="403"):
            relay.permit(peer)


def test_what_is_allowed_is_relayed(programs: tuple[Path, Path]) -> None:
    it = _with_relay(programs, **{"allowed-peers": ["127.0.0.1"]})
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
        _running(it) as daemon,
        Relay(it.further["coturn"]["port"], *_credentials(daemon, it)) as relay,
    ):
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(PATIENCE)
        relay.permit("127.0.0.1", peer.getsockname()[1])
        relay.send("127.0.0.1", peer.getsockname()[1], b"from afar")
        assert peer.recvfrom(100) == (b"from afar", ("127.0.0.1", relay.port))


def test_the_secret_is_where_only_both_can_read_it(programs: tuple[Path, Path]) -> None:
    it = _with_relay(programs)
    with _running(it) as daemon:
        secret = (daemon.state_dir / "secrets" / "turn").read_text().strip()
        holding = set()
        for name in ("prosody", "coturn"):
            process = psutil.Process(daemon.status(name)["mainPid"])
            assert secret not in " ".join([*process.cmdline(), *process.environ().values()])
            # Asked of herdd, which writes what it has before it answers.
            said = daemon.herd("log", name).stdout
            assert said.count("\n") > 5
            assert secret not in said
            for file in (daemon.services_dir / name).iterdir():
                if file.is_file() and secret in file.read_text(errors="replace"):
                    assert file.stat().st_mode & 0o077 == 0
                    holding.add(file.name)
        assert holding == {"relay.cfg.lua", "turnserver.conf"}


def test_a_new_secret_is_taken_by_both(programs: tuple[Path, Path]) -> None:
    it = _with_relay(programs)
    port = it.further["coturn"]["port"]
    with _running(it) as daemon:
        pid = daemon.status("coturn")["mainPid"]
        old = _credentials(daemon, it)
        done = daemon.herd("rotate-secrets", "prosody")
        assert done.returncode == 0, done.stderr
        assert "herd restart coturn" in done.stdout
        # Prosody at once, and the relay when its health finds it.
        daemon.until("coturn", lambda facts: facts["status"] == "running" and facts["mainPid"] != pid)
        Relay(port, *_credentials(daemon, it)).__exit__()
        with pytest.raises(Refused, match="401"):
            Relay(port, *old)


def test_a_renewed_certificate_is_shown_without_a_restart(programs: tuple[Path, Path]) -> None:
    with short_directory() as directory:
        it = _with_relay(programs)
        it.jitsi |= certificate(directory, HOSTS)
        port = it.further["coturn"]["tls-port"]
        with _running(it) as daemon:
            assert ("turns", "tcp") in (told := _announced(daemon, it))
            assert told["turns", "tcp"].attrib["password"]
            assert int(told["turns", "tcp"].attrib["port"]) == port
            pid = daemon.status("coturn")["mainPid"]
            assert _shown(port) == (directory / "mine.crt").read_text()
            certificate(directory, HOSTS, days=20)
            deadline = time.monotonic() + PATIENCE
            while _shown(port) != (directory / "mine.crt").read_text():
                assert time.monotonic() < deadline
            assert daemon.status("coturn")["mainPid"] == pid


def _shown(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=PATIENCE)


@pytest.mark.parametrize("style", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("key", ["port", "tls-port"])
def test_a_port_of_anothers_is_told_before(programs: tuple[Path, Path], style: int, key: str) -> None:
    it = _with_relay(programs)
    port = it.further["coturn"][key]
    with socket.socket(socket.AF_INET, style) as other, herdd(it.text()) as daemon:
        other.bind(("127.0.0.1", port))
        if style == socket.SOCK_STREAM:
            other.listen()
        done = daemon.herd("start", "coturn")
        assert done.returncode == 1
        assert f"port {port}; end that, or choose another: {key} = … in [coturn]" in done.stderr


def test_one_without_its_address_is_known_by_what_it_says(programs: tuple[Path, Path]) -> None:
    it = _with_relay(programs, interfaces=["192.0.2.1"])
    with herdd(it.text()) as daemon:
        done = daemon.herd("start", "coturn")
        assert done.returncode == 1
        why = daemon.herd("why", "coturn").stdout
        assert "correct interfaces in [coturn]" in why
        assert "another program" not in why


def test_prosody_and_the_relay_do_not_need_each_other(programs: tuple[Path, Path]) -> None:
    it = _with_relay(programs)
    with _running(it) as daemon:
        pids = {name: daemon.status(name)["mainPid"] for name in ("prosody", "coturn")}
        user, password = _credentials(daemon, it)
        assert daemon.herd("stop", "prosody").returncode == 0
        assert daemon.status("coturn")["mainPid"] == pids["coturn"]
        with Relay(it.further["coturn"]["port"], user, password):
            assert daemon.herd("stop", "coturn").returncode == 0
            daemon.until_status("coturn", "stopped")
        assert "SIGKILL" not in daemon.herd("why", "coturn").stdout


def _problems(text: str) -> str:
    surroundings = Surroundings(Path("/s"), Path("/r"), Path("/l"), "nobody", False)
    with short_directory() as directory:
        file = directory / "herd.toml"
        file.write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            load(file, surroundings)
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[coturn]", "cannot read [coturn]: it belongs to [jitsi]"),
        ('[jitsi]\ndomain="a.b"\n[coturn]\ncertificate="/x"', "[coturn]: certificate and key belong together"),
        ('[jitsi]\ndomain="a.b"\n[coturn]\nmin-port=9\nmax-port=8', "[coturn] min-port: it is above max-port"),
        ('[jitsi]\ndomain="a.b"\n[coturn]\ninterfaces=["eth0"]', "'eth0' is no address"),
        ('[jitsi]\ndomain="a.b"\n[coturn]\nallowed-peers=["10.0.0.1/8"]', "'10.0.0.1/8' is no network"),
        ('[jitsi]\ndomain="a.b"\n[coturn]\ndenied-peers=["::"]', "would be every address"),
        ('[jitsi]\ndomain="a.b"\n[coturn]\nextra={ realm = "a\\nno-auth" }', "is no value of realm"),
        ('[jitsi]\ndomain="a.b"\n[coturn]\nextra={ "no auth" = true }', "'no auth' is no option of turnserver"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, said: str) -> None:
    assert said in _problems(text)


def _file(**keys: Any) -> list[str]:
    return turnserver_configuration(DOMAIN, CoturnConfiguration(**keys), PLACES, "secret").splitlines()


def test_the_inside_is_denied_as_ranges() -> None:
    denied = [line for line in _file() if line.startswith("denied-peer-ip=")]
    assert len(denied) == len(INSIDE)
    assert "denied-peer-ip=10.0.0.0-10.255.255.255" in denied
    assert "denied-peer-ip=0.0.0.1-0.255.255.255" in denied
    assert "denied-peer-ip=::1" in denied
    assert "allow-loopback-peers" not in _file()
    assert {"allow-loopback-peers", "allowed-peer-ip=127.0.0.1"} < set(_file(allowed_peers=("127.0.0.1",)))


def test_the_file_says_what_is_asked_for() -> None:
    lines = _file(
        port=4000, tls_port=0, public_address="203.0.113.7", total_quota=7, log_level="debug",
        extra={"max-bps": 1000, "no-tcp-relay": False, "aux-server": ["192.0.2.1:1", "192.0.2.2:2"]},
    )  # fmt: skip
    assert {
        "listening-port=4000", "no-tls", "no-dtls", "external-ip=203.0.113.7", "total-quota=7", "Verbose", "no-cli",
        "max-bps=1000", "aux-server=192.0.2.1:1", "aux-server=192.0.2.2:2", "static-auth-secret=secret",
        "use-auth-secret", f"realm={DOMAIN}", "userdb=/turndb", "pidfile=/pid", "log-file=stdout",
    } < set(lines)  # fmt: skip
    assert not {"no-tcp-relay", "cert=/c.crt"} & set(lines)
    assert {"cert=/c.crt", "pkey=/c.key", "tls-listening-port=5349"} < set(_file())
