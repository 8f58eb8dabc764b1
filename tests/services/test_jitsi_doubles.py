"""The doubles of Jicofo and of a bridge behave to a real Prosody, and over HTTP, as the real ones are known to."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jitsi_doubles import write_doubles
from jitsi_meeting import Meeting, another_certificate, fetch, write_trust_store
from support import PATIENCE, short_directory

pytestmark = pytest.mark.double

FOUND = "Added new videobridge: Bridge[jid=jvbbrewery@internal.auth.meet.example/"
SICK = "Health check failed: "


@pytest.fixture(scope="module")
def meeting() -> Iterator[Meeting]:
    with short_directory() as directory:
        one = Meeting(directory)
        yield one
        one.end()


@pytest.fixture(scope="module")
def doubles() -> Iterator[tuple[Path, Path]]:
    with short_directory() as directory:
        yield write_doubles(directory)


@pytest.fixture(scope="module")
def jicofo(doubles: tuple[Path, Path]) -> Path:
    return doubles[0]


@pytest.fixture(scope="module")
def jvb(doubles: tuple[Path, Path]) -> Path:
    return doubles[1]


def port_of(configuration: dict[str, Any]) -> int:
    """Of its HTTP interface."""
    if "jicofo" in configuration:
        return int(configuration["jicofo"]["rest"]["port"])
    return int(configuration["videobridge"]["http-servers"]["private"]["port"])


def client_of(configuration: dict[str, Any]) -> dict[str, Any]:
    """The keys of its connection to Prosody."""
    if "jicofo" in configuration:
        client: dict[str, Any] = configuration["jicofo"]["xmpp"]["client"]
    else:
        client = configuration["videobridge"]["apis"]["xmpp-client"]["configs"]["local"]
    return client


def selector(focus: dict[str, Any]) -> tuple[int, int]:
    """How many bridges Jicofo knows, and how many of them it would use."""
    stats = json.loads(fetch(port_of(focus), "/stats")[1])["bridge_selector"]
    return stats["bridge_count"], stats["operational_bridge_count"]


def ignores(pid: int, number: signal.Signals) -> bool:
    """Whether a process takes no notice of a signal (proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    ignored = next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn"))
    return bool(ignored >> (number - 1) & 1)


def metrics(bridge: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fetch(port_of(bridge), "/metrics", headers={"Accept": "application/json"})[1])
    return found


def test_a_bridge_is_found_and_lost(meeting: Meeting, jicofo: Path, jvb: Path) -> None:
    focus, bridge = meeting.jicofo(), meeting.jvb("jvb1")
    with meeting.running(jicofo, focus) as one, meeting.running(jvb, bridge) as two:
        one.said("Joined the room.")
        two.said("Joined MUC: ")
        one.said(f"{FOUND}jvb1,")
        assert selector(focus) == (1, 1)
        assert metrics(bridge)["mucs_joined"] == 1
        assert json.loads(fetch(port_of(bridge), "/colibri/stats")[1])["mucs_joined"] == 1
        assert two.end(signal.SIGTERM) == 143
        one.said("Lost a bridge: ")
        assert selector(focus) == (0, 0)
        # To reload is not known to it.
        assert one.end(signal.SIGHUP) == 129


def test_a_nickname_given_twice_makes_one_bridge(meeting: Meeting, jicofo: Path, jvb: Path) -> None:
    focus = meeting.jicofo()
    with (
        meeting.running(jicofo, focus) as one,
        meeting.running(jvb, meeting.jvb("same")) as two,
        meeting.running(jvb, meeting.jvb("same")) as three,
        meeting.running(jvb, meeting.jvb("other")),
    ):
        two.said("Joined MUC: ")
        three.said("Joined MUC: ")
        one.said(f"{FOUND}same,")
        one.said(f"{FOUND}other,")
        assert selector(focus)[0] == 2


def test_nobody_logs_in_with_a_wrong_password_and_both_try_again(meeting: Meeting, jicofo: Path, jvb: Path) -> None:
    focus, bridge = meeting.jicofo(), meeting.jvb()
    client_of(focus)["password"] = client_of(bridge)["password"] = "another"
    with meeting.running(jicofo, focus) as one, meeting.running(jvb, bridge) as two:
        one.said("Failed to connect/login: SASLError using SCRAM-SHA-1: not-authorized", 2)
        two.said("Failed to connect/login: SASLError using SCRAM-SHA-1: not-authorized", 2)
        assert two.end(signal.SIGINT) == 130


def test_certificates_are_verified(meeting: Meeting, jicofo: Path, jvb: Path) -> None:
    foreign = meeting.directory / "foreign.p12"
    write_trust_store(foreign, another_certificate())
    for program, configuration in ((jicofo, meeting.jicofo()), (jvb, meeting.jvb())):
        for store in (foreign, meeting.directory / "nowhere.p12"):
            with meeting.running(program, configuration, javax_net_ssl_trustStore=str(store)) as one:
                one.said("PKIX path building failed")
        with meeting.running(program, configuration, javax_net_ssl_trustStorePassword="wrong") as one:
            one.said("keystore password was incorrect")


def test_whatever_is_wrong_with_prosody_is_said_until_it_is_mended(jicofo: Path) -> None:
    with short_directory() as directory:
        meeting = Meeting(directory)
        try:
            configuration = meeting.jicofo()
            with meeting.running(jicofo, configuration) as one:
                one.said("Joined the room.")
                meeting.certify(["another.example"])
                meeting.restart()
                one.said("No subject alternative DNS name matching auth.meet.example found.")
                meeting.lose_certificates()
                meeting.restart()
                one.said("SSLHandshakeException: Received fatal alert: handshake_failure")
                meeting.certify(days=-1)
                meeting.restart()
                one.said("PKIX path validation failed: java.security.cert.CertPathValidatorException")
                meeting.prosody.kill()
                one.said("java.net.ConnectException: Connection refused")
                meeting.certify()
                meeting.restart()
                one.said("Joined the room.", 2)
            client_of(configuration)["domain"] = "unknown.example"
            with meeting.running(jicofo, configuration) as one:
                one.said("host-unknown")
        finally:
            meeting.end()


def test_who_may_not_join_stays_outside(meeting: Meeting, jicofo: Path, jvb: Path) -> None:
    elsewhere, stranger, focus = meeting.jvb("elsewhere"), meeting.jvb("stranger"), meeting.jicofo()
    client_of(elsewhere)["muc_jids"] = "jvbbrewery@internal.example"
    client_of(stranger).update(username="stranger", password="of nobody", muc_jids="new@internal.auth.meet.example")
    focus["jicofo"]["bridge"]["brewery-jid"] = "jvbbrewery@internal.example"
    with meeting.running(jvb, elsewhere) as one, meeting.running(jvb, stranger) as two:
        one.said("Failed to join the MUCs.")
        one.said("XMPPError: not-allowed - cancel [Communication with remote domains is not enabled]")
        two.said("XMPPError: not-allowed - cancel [Room creation is restricted]")
        assert metrics(elsewhere)["mucs_joined"] == 0
        assert fetch(port_of(elsewhere), "/about/health")[0] == 200
    with meeting.running(jicofo, focus) as three:
        three.said("Failed to create room.")


def test_jicofo_without_a_brewery_detects_no_bridges(meeting: Meeting, jicofo: Path) -> None:
    focus = meeting.jicofo()
    del focus["jicofo"]["bridge"]["brewery-jid"]
    with meeting.running(jicofo, focus) as one:
        one.said("No bridge detector configured.")
        one.said("Registered (resumed=false).")


def test_a_restart_of_prosody_is_survived(meeting: Meeting, jicofo: Path, jvb: Path) -> None:
    focus = meeting.jicofo()
    with meeting.running(jicofo, focus) as one, meeting.running(jvb, meeting.jvb()) as two:
        one.said(FOUND)
        meeting.restart()
        one.said("XMPP connection closed on error")
        two.said("Closed on error")
        two.said("Joined MUC: ", 2)
        one.said(FOUND, 2)
        assert selector(focus) == (1, 1)


def test_jicofo_can_stay_outside_after_a_restart_of_prosody(meeting: Meeting, jicofo: Path, jvb: Path) -> None:
    focus, bridge = meeting.jicofo(fault="outside-after-reconnect"), meeting.jvb()
    with meeting.running(jicofo, focus) as one, meeting.running(jvb, bridge) as two:
        one.said(FOUND)
        meeting.restart()
        one.said("Registered (resumed=false).", 2)
        two.said("Joined MUC: ", 2)
        # Of two checks one has begun when the bridge had joined; whoever sees it is well by then.
        one.said(SICK, sum(SICK in line for line in one.lines) + 2)
        assert selector(focus) == (0, 0)
        assert sum("Joined the room." in line for line in one.lines) == 1


def test_health_is_good_until_it_is_checked(meeting: Meeting, jicofo: Path, jvb: Path) -> None:
    focus = meeting.jicofo()
    focus["jicofo"]["health"]["interval"] = "3 seconds"
    with meeting.running(jicofo, focus) as one:
        one.said("Joined the room.")
        assert fetch(port_of(focus), "/about/version")[0] == 200
        assert fetch(port_of(focus), "/about/health") == (200, "OK")
        one.said(SICK)
        assert fetch(port_of(focus), "/about/health") == (
            500,
            "No operational bridges available (total bridge count: 0)",
        )
        with meeting.running(jvb, meeting.jvb()):
            one.said(FOUND)
            one.said("Performed a successful health check")
            assert fetch(port_of(focus), "/about/health") == (200, "OK")


def test_there_is_no_health_unless_it_is_switched_on(meeting: Meeting, jicofo: Path) -> None:
    focus = meeting.jicofo()
    del focus["jicofo"]["health"]
    with meeting.running(jicofo, focus) as one:
        one.said("Joined the room.")
        assert fetch(port_of(focus), "/about/health")[0] == 404


def test_a_bridge_that_is_unhealthy_is_not_used(meeting: Meeting, jicofo: Path, jvb: Path) -> None:
    focus, bridge = meeting.jicofo(), meeting.jvb(fault="unhealthy", reason="No STUN.")
    with meeting.running(jicofo, focus) as one, meeting.running(jvb, bridge) as two:
        two.said("message=No STUN.")
        one.said("Health check failed for: Bridge[")
        assert fetch(port_of(bridge), "/about/health") == (500, "No STUN.")
        assert selector(focus) == (1, 0)


def test_a_taken_udp_port_makes_a_bridge_unhealthy(meeting: Meeting, jvb: Path) -> None:
    bridge = meeting.jvb()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", bridge["videobridge"]["ice"]["udp"]["port"]))
        with meeting.running(jvb, bridge) as one:
            one.said("No single-port harvesters created.")
            one.said(SICK)
            assert fetch(port_of(bridge), "/about/health") == (500, "Failed to bind single-port")


def test_a_bridge_that_needs_a_public_address_is_told_one(meeting: Meeting, jvb: Path) -> None:
    bridge = meeting.jvb()
    bridge["videobridge"]["health"]["require-valid-address"] = True
    mapping = {"local-address": "10.0.0.5", "public-address": "10.9.9.9"}
    bridge["ice4j"] = {"harvest": {"mapping": {"static-mappings": [mapping]}}}
    with meeting.running(jvb, bridge) as one:
        one.said("No valid IP addresses available for harvesting.")


@pytest.mark.parametrize("fault", [None, "returns"])
def test_a_taken_http_port_leaves_a_process_that_is_none(
    meeting: Meeting, jicofo: Path, jvb: Path, fault: str | None
) -> None:
    focus, bridge = meeting.jicofo(fault=fault or []), meeting.jvb()
    with socket.create_server(("127.0.0.1", port_of(focus))), socket.create_server(("127.0.0.1", port_of(bridge))):
        with meeting.running(jicofo, focus) as one:
            one.said("Failed to start jicofo: ")
            if fault is not None:
                assert one.wait() == 0
                return
            one.said("Joined the room.")
            assert one.end(signal.SIGTERM) == 143
        with meeting.running(jvb, bridge) as two:
            two.said("An uncaught exception occurred in thread=Thread[main,5,main]")
            two.said(f"Failed to bind to /127.0.0.1:{port_of(bridge)}")
            two.said("Joined MUC: ")
            assert two.end(signal.SIGTERM) == 143


def test_a_bridge_goes_once_its_participants_are_gone(meeting: Meeting, jicofo: Path, jvb: Path) -> None:
    focus, bridge = meeting.jicofo(), meeting.jvb(participants=2)
    with meeting.running(jicofo, focus) as one, meeting.running(jvb, bridge) as two:
        one.said(FOUND)
        assert fetch(port_of(bridge), "/colibri/shutdown", "POST", {"graceful-shutdown": True})[0] == 200
        two.said("Entered graceful shutdown mode")
        assert fetch(port_of(bridge), "/double/participants", "POST", 1)[0] == 200
        assert not any("SHUTTING_DOWN" in line for line in two.lines)
        assert fetch(port_of(bridge), "/double/participants", "POST", 0)[0] == 200
        two.said("Videobridge is shutting down NOW")
        assert two.wait() == 0
        one.said("Lost a bridge: ")


def test_what_a_bridge_does_not_serve(meeting: Meeting, jvb: Path) -> None:
    bridge = meeting.jvb()
    port = port_of(bridge)
    with meeting.running(jvb, bridge) as one:
        one.said("Joined MUC: ")
        assert fetch(port, "/metrics")[0] == 500
        assert "jitsi_jvb_muc_clients_configured 1.0\n" in fetch(port, "/metrics", headers={"Accept": "text/plain"})[1]
        assert json.loads(fetch(port, "/colibri/drain")[1]) == {"drain": False}
        assert fetch(port, "/colibri/drain/enable", "POST", {})[0] == 200
        assert json.loads(fetch(port, "/colibri/drain")[1]) == {"drain": True}
    bridge["videobridge"]["apis"]["rest"]["enabled"] = False
    with meeting.running(jvb, bridge) as one:
        one.said("Joined MUC: ")
        assert fetch(port, "/colibri/drain")[0] == 404
        assert fetch(port, "/about/health")[0] == 200


def test_a_bridge_joins_again_when_its_connection_is_configured_anew(meeting: Meeting, jvb: Path) -> None:
    bridge = meeting.jvb()
    client = client_of(bridge)
    client["muc_jids"] = "jvbbrewery@internal.example"
    with meeting.running(jvb, bridge) as one:
        one.said("Failed to join the MUCs.")
        assert fetch(port_of(bridge), "/colibri/muc-client/remove", "POST", {"id": "local"})[0] == 200
        mended = {**client, "id": "local", "muc_jids": "jvbbrewery@internal.auth.meet.example"}
        assert fetch(port_of(bridge), "/colibri/muc-client/add", "POST", mended)[0] == 200
        one.said("Joined MUC: ")
        assert json.loads(fetch(port_of(bridge), "/colibri/muc-client/list")[1]) == ["local"]


@pytest.mark.parametrize("of_bridge", [False, True])
def test_faults_that_end_it(meeting: Meeting, jicofo: Path, jvb: Path, of_bridge: bool) -> None:
    program, configured = (jvb, meeting.jvb) if of_bridge else (jicofo, meeting.jicofo)
    for double, status in (
        ({"fault": "no-memory"}, 1),
        ({"fault": "exit", "status": 78}, 78),
        ({"fault": "exit-joined", "status": 3}, 3),
        ({"fault": ["killed"]}, -signal.SIGKILL),
        ({"fault": "mispelt"}, 99),
    ):
        with meeting.running(program, configured(**double)) as one:
            assert one.wait() == status, double


@pytest.mark.parametrize("of_bridge", [False, True])
def test_faults_that_do_not(meeting: Meeting, jicofo: Path, jvb: Path, of_bridge: bool) -> None:
    program, joined = (jvb, "Joined MUC: ") if of_bridge else (jicofo, "Joined the room.")
    configured = meeting.jvb if of_bridge else meeting.jicofo
    without = configured(fault="no-http")
    with meeting.running(program, without) as one:
        one.said(joined)
        with pytest.raises(ConnectionRefusedError):
            fetch(port_of(without), "/about/version")
    silent = configured(fault=["silent-http", "stubborn"])
    with meeting.running(program, silent) as one:
        one.said(joined)
        assert ignores(one.process.pid, signal.SIGTERM)
        with socket.create_connection(("127.0.0.1", port_of(silent)), PATIENCE) as connection:
            connection.sendall(b"GET /about/version HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
    lonely = configured(fault="no-xmpp")
    with meeting.running(program, lonely) as one:
        one.said("Starting")
        assert one.end(signal.SIGHUP) == 129
        assert not any("Connected" in line or "Logging in" in line for line in one.lines)
    healed = configured(fault="exit", **{"while": str(meeting.directory / "no such file")})
    with meeting.running(program, healed) as one:
        one.said(joined)
        assert one.end(signal.SIGTERM) == 143


def test_a_program_is_told_its_file(jicofo: Path, jvb: Path) -> None:
    def status(program: Path, *words: str) -> int:
        command = [str(program), *words]
        return subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, check=False, timeout=PATIENCE).returncode

    assert status(jicofo) == 2
    assert status(jicofo, "--help") == 1
    assert status(jvb, "--help") == 1
