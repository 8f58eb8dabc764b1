"""Jibri and Jigasi under a real herdd: doubles of them that speak XMPP to the real Prosody, and what they are told."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from herd.core.errors import ConfigurationError
from herd.core.service import Surroundings
from herd.daemon.config import load
from herd_services.jitsi.configuration import JicofoConfiguration
from herd_services.jitsi.deployment import JIBRI, JIGASI, RECORDER, Deployment, Rendezvous
from herd_services.jitsi.jibri.configuration import JibriConfiguration
from herd_services.jitsi.jibri.file import jibri_configuration
from herd_services.jitsi.jicofo_file import jicofo_configuration
from herd_services.jitsi.jigasi.configuration import JigasiConfiguration
from herd_services.jitsi.jigasi.file import jigasi_configuration, jigasi_properties, properties
from jitsi_doubles.jigasi import loaded
from jitsi_meeting import fetch
from meet import DOMAIN, Meet, meet
from ports import free_ports
from prosody import Client, Prosody, Refusal
from support import Daemon, herdd

AUTH, INTERNAL, HIDDEN = f"auth.{DOMAIN}", f"internal.auth.{DOMAIN}", f"recorder.{DOMAIN}"
DEPLOYMENT = Deployment(DOMAIN, "jvbbrewery", (JIBRI, JIGASI))

# Every key of jibri's reference.conf that is written here, and those of doc/example_xmpp_envs.conf, where there is no
# default (jibri 62369d5); `security-mode` is read beside them (JibriConfig.kt).
JIBRI_KEYS = {
    "jibri.id", "jibri.api.http.external-api-host", "jibri.api.http.external-api-port",
    "jibri.api.http.internal-api-host", "jibri.api.http.internal-api-port", "jibri.api.xmpp.environments",
    "jibri.recording.recordings-directory", "jibri.recording.finalize-script", "jibri.stats.enable-stats-d",
}  # fmt: skip
ENVIRONMENT_KEYS = {
    "name", "xmpp-server-hosts", "xmpp-domain", "base-url", "control-muc.domain", "control-muc.room-name",
    "control-muc.nickname", "control-login.domain", "control-login.port", "control-login.username",
    "control-login.password", "call-login.domain", "call-login.username", "call-login.password",
    "strip-from-room-domain", "usage-timeout", "trust-all-xmpp-certs", "security-mode",
}  # fmt: skip
# Those of jigasi-home/sip-communicator.properties that are written here, without prefixes (jigasi 6fbf4f2). Those of
# the proxy, PREFERRED_TRANSPORT, and SERVER_PORT of conferences are of docker-jitsi-meet's file (2e6b31d8).
OURS = {
    "MUC_SERVICE_ADDRESS", "BREWERY_ENABLED", "ALLOWED_JID", "ENABLE_SIP", "DEFAULT_JVB_ROOM_NAME",
}  # fmt: skip
XMPP_KEYS = {
    "ACCOUNT_UID", "PROTOCOL", "USER_ID", "PASSWORD", "IS_SERVER_OVERRIDDEN", "SERVER_ADDRESS", "SERVER_PORT",
    "ALLOW_NON_SECURE", "RESOURCE", "AUTO_GENERATE_RESOURCE", "RESOURCE_PRIORITY", "KEEP_ALIVE_METHOD",
    "KEEP_ALIVE_INTERVAL", "CALLING_DISABLED", "JINGLE_NODES_ENABLED", "IM_DISABLED", "SERVER_STORED_INFO_DISABLED",
    "IS_FILE_TRANSFER_DISABLED", "USE_DEFAULT_STUN_SERVER", "IS_CARBON_DISABLED", "DEFAULT_ENCRYPTION", "IS_USE_ICE",
    "IS_ACCOUNT_DISABLED", "IS_PREFERRED_PROTOCOL", "AUTO_DISCOVER_JINGLE_NODES", "IS_USE_UPNP", "BREWERY",
    "DOMAIN_BASE",
}  # fmt: skip
SIP_KEYS = {
    "ACCOUNT_UID", "PROTOCOL_NAME", "USER_ID", "PASSWORD", "SERVER_ADDRESS", "PROXY_ADDRESS", "PROXY_AUTO_CONFIG",
    "PROXY_PORT", "PREFERRED_TRANSPORT", "KEEP_ALIVE_METHOD", "KEEP_ALIVE_INTERVAL", "VOICEMAIL_ENABLED",
    "DEFAULT_ENCRYPTION", "DOMAIN_BASE",
}  # fmt: skip
CONFERENCE_KEYS = {
    "IS_SERVER_OVERRIDDEN", "SERVER_ADDRESS", "SERVER_PORT", "VIDEO_CALLING_DISABLED", "AUTO_DISCOVER_STUN",
    "JINGLE_NODES_ENABLED", "IM_DISABLED", "SERVER_STORED_INFO_DISABLED", "IS_FILE_TRANSFER_DISABLED",
    "USE_DEFAULT_STUN_SERVER", "KEEP_ALIVE_METHOD", "KEEP_ALIVE_INTERVAL",
}  # fmt: skip
_SIP = "net.java.sip.communicator.impl.protocol.sip.acc1"
_XMPP = "net.java.sip.communicator.impl.protocol.jabber.acc-xmpp-1"


def _meet(programs: tuple[Path, Path]) -> Meet:
    """With both, which start when they are asked to."""
    it = meet(programs)
    place = programs[0].parent
    web, internal, gateway = free_ports(3)
    user = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
    it.further["jibri"] = {
        "program": str(place / "java"), "jar": str(place / "jibri.jar"), "nickname": "camera", "memory": 64,
        "http-port": web, "internal-http-port": internal, "supplementary-groups": [], **user,
    }  # fmt: skip
    it.further["jigasi"] = {
        "program": str(place / "jigasi.sh"), "nickname": "telephone", "memory": 64, "http-port": gateway, **user,
    }  # fmt: skip
    return it


@contextmanager
def _running(it: Meet, *names: str) -> Iterator[Daemon]:
    with herdd(it.text()) as daemon:
        for name in names:
            done = daemon.herd("start", name)
            assert done.returncode == 0, done.stderr + daemon.log(name)
        yield daemon


def _inside(daemon: Daemon, room: str) -> list[tuple[str, str]]:
    done = daemon.herd("--json", "list-occupants", "prosody", f"{room}@{INTERNAL}")
    return [(each["nickname"], each["address"]) for each in json.loads(done.stdout)["occupants"]]


def _told(daemon: Daemon, *words: str, status: int = 0) -> str:
    done = daemon.herd(*words)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_both_wait_in_their_rooms_where_jicofo_finds_them(programs: tuple[Path, Path]) -> None:
    it = _meet(programs)
    with _running(it, "jibri") as daemon:
        came = [step for step in daemon.steps if step.endswith("is running")]
        assert came == ["prosody is running", "jicofo is running", "jibri is running"]
        _told(daemon, "start", "jigasi")
        # The double of Jicofo is in the bridges' room alone; the real one comes to these.
        assert _inside(daemon, "jibribrewery") == [("camera", f"jibri@{AUTH}")]
        assert _inside(daemon, "jigasibrewery") == [("telephone", f"jigasi@{AUTH}")]
        for name in ("prosody", "jibri", "jigasi"):
            _told(daemon, "check", name)
        told = json.loads((daemon.services_dir / "jicofo" / "jicofo.conf").read_text())["jicofo"]
        assert told["jibri"] == {"brewery-jid": f"jibribrewery@{INTERNAL}"}
        assert told["jigasi"] == {"brewery-jid": f"jigasibrewery@{INTERNAL}"}
        assert told["xmpp"]["trusted-domains"] == [HIDDEN]


def test_the_recorder_has_an_account_on_a_host_of_its_own(programs: tuple[Path, Path]) -> None:
    it = _meet(programs)
    with _running(it, "prosody") as daemon:
        password = (daemon.state_dir / "secrets" / "xmpp-recorder").read_text().strip()
        shown = daemon.state_dir / "prosody" / "certificates" / f"{DOMAIN}.crt"
        server = Prosody(daemon.directory, it.prosody["port"], it.prosody["http-port"], shown)
        with Client(server, HIDDEN, RECORDER, password):
            pass
        for domain, name in ((HIDDEN, ""), (AUTH, RECORDER)):
            with pytest.raises(Refusal):
                Client(server, domain, name, password)


def test_no_password_of_theirs_is_where_others_see_it(programs: tuple[Path, Path], tmp_path: Path) -> None:
    it = _meet(programs)
    word = "of the provider"
    (tmp_path / "sip").write_text(f"{word}\n")
    it.further["jigasi"] |= {"sip-uri": "sip:4711@sip.example.org", "sip-password-file": str(tmp_path / "sip")}
    with _running(it, "jibri", "jigasi") as daemon:
        secrets = {file.read_text().strip() for file in (daemon.state_dir / "secrets").iterdir()} | {word}
        assert len(secrets) == 6
        secrets |= {base64.b64encode(each.encode()).decode() for each in secrets}
        for name in ("jibri", "jigasi"):
            pid = daemon.status(name)["mainPid"]
            seen = " ".join([*psutil.Process(pid).cmdline(), *psutil.Process(pid).environ().values()])
            assert not any(secret in seen or secret in daemon.log(name) for secret in secrets)
            holding = [
                file
                for file in (daemon.services_dir / name).iterdir()
                if file.is_file() and any(secret in file.read_text(errors="replace") for secret in secrets)
            ]
            assert holding
            assert all(file.stat().st_mode & 0o077 == 0 for file in holding)


def test_new_passwords_are_those_of_all(programs: tuple[Path, Path]) -> None:
    it = _meet(programs)
    with _running(it, "jibri", "jigasi") as daemon:
        assert {"jibri", "recorder", "jigasi"} < set(
            json.loads(_told(daemon, "--json", "rotate-secrets", "prosody"))["renewed"]
        )
        _told(daemon, "restart", "prosody")
        daemon.until_status("jibri", "running")
        daemon.until_status("jigasi", "running")
        assert ("camera", f"jibri@{AUTH}") in _inside(daemon, "jibribrewery")
        assert "herdd looks after it" in _told(daemon, "delete-user", "prosody", f"jibri@{AUTH}", status=1)


def test_a_recording_is_ended(programs: tuple[Path, Path]) -> None:
    it = _meet(programs)
    port = it.further["jibri"]["http-port"]
    with _running(it, "jibri") as daemon:
        assert "busyStatus: IDLE\n" in _told(daemon, "stats", "jibri")
        assert _told(daemon, "stop-recording", "jibri") == "It was not recording.\n"
        fetch(port, "/double/recording", "POST", True)
        assert "busyStatus: BUSY\n" in _told(daemon, "stats", "jibri")
        assert _told(daemon, "stop-recording", "jibri") == "It ends the recording.\n"
        assert "busyStatus: IDLE\n" in _told(daemon, "stats", "jibri")


def test_the_gateway_counts(programs: tuple[Path, Path]) -> None:
    with _running(_meet(programs), "jigasi") as daemon:
        assert "conferences: 0\n" in _told(daemon, "stats", "jigasi")


@pytest.mark.parametrize("name", ["jibri", "jigasi"])
def test_what_says_that_it_is_not_well_is_told_by_check(programs: tuple[Path, Path], name: str) -> None:
    it = _meet(programs)
    double = {"double": {"fault": "unhealthy", "reason": "no line"}}
    it.further[name]["extra"] = double if name == "jibri" else {"double.fault": "unhealthy", "double.reason": "no line"}
    with _running(it, name) as daemon:
        said = _told(daemon, "check", name, status=1)
        assert "  - it says that it is well: not so: " in said
        assert "UNHEALTHY" in said if name == "jibri" else "no line" in said


@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        ("jibri", "jar", "cannot start jibri: cannot read /nowhere: No such file or directory; install"),
        ("jibri", "program", "cannot start jibri: there is no program /nowhere; install a Java runtime"),
        ("jibri", "finalize-script", "cannot start jibri: there is no program /nowhere; correct finalize-script"),
        ("jigasi", "program", "cannot start jigasi: there is no program /nowhere; install the Jitsi project's package"),
        ("jigasi", "sip-password-file", "cannot read the password of None from /nowhere"),
    ],
)
def test_what_is_not_there_is_told_before(programs: tuple[Path, Path], name: str, key: str, said: str) -> None:
    it = _meet(programs)
    it.further[name][key] = "/nowhere"
    with herdd(it.text()) as daemon:
        assert said in _told(daemon, "start", name, status=1)
        assert daemon.status("prosody")["mainPid"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[jibri]", "cannot read [jibri]: it belongs to [jitsi]"),
        ("[jigasi]", "cannot read [jigasi]: it belongs to [jitsi]"),
        ('[jitsi]\ndomain="a.b"\n[jibri]\nmemory=4096', "cannot read [jibri] memory: a heap of 4096 MiB"),
        ('[jitsi]\ndomain="a.b"\n[jigasi]\nsip-uri="4711"', "'4711' is no address of SIP"),
        ('[jitsi]\ndomain="a.b"\n[jigasi]\nextra={ "a b" = 1 }', "'a b' is no property"),
        ('[jitsi]\ndomain="a.b"\n[jigasi]\nmin-port=9\nmax-port=8', "[jigasi] min-port: it is above max-port"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "herd.toml").write_text(text)
    surroundings = Surroundings(tmp_path, tmp_path, tmp_path, "root", is_root=True, memory=2048)
    with pytest.raises(ConfigurationError) as found:
        load(tmp_path / "herd.toml", surroundings)
    assert any(said in problem for problem in found.value.problems), found.value.problems


def test_the_same_tables_make_the_same_services(tmp_path: Path) -> None:
    tables = "[jibri]\n[jigasi]\n[coturn]\n"
    (tmp_path / "herd.toml").write_text(f'[jitsi]\ndomain = "{DOMAIN}"\nauto-start = false\n{tables}')
    surroundings = Surroundings(tmp_path, tmp_path, tmp_path, "root", is_root=True)
    first, second = (load(tmp_path / "herd.toml", surroundings).services for _ in range(2))
    assert first == second
    assert [each.name for each in first] == ["prosody", "jicofo", "jvb", "coturn", "jibri", "jigasi"]
    assert not any(each.auto_start for each in first)


def _flat(content: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


def _of_jibri(**keys: Any) -> dict[str, Any]:
    meeting = Rendezvous(DEPLOYMENT.room_of(JIBRI), "192.0.2.1", 5223, Path("/trust"))
    passwords = {JIBRI: "one", RECORDER: "other"}
    return _flat(jibri_configuration(meeting, JibriConfiguration(**keys), "camera", Path("/films"), passwords))


def test_jibri_is_told_by_keys_that_it_has() -> None:
    told = _of_jibri(http_port=2000, extra={"jibri": {"ffmpeg": {"resolution": "640x480"}}})
    assert told.pop("jibri.ffmpeg.resolution") == "640x480"
    assert set(told) == JIBRI_KEYS
    assert told["jibri.api.http.external-api-port"] == 2000
    (environment,) = told["jibri.api.xmpp.environments"]
    flat = _flat(environment)
    assert set(flat) == ENVIRONMENT_KEYS
    assert flat | {
        "xmpp-server-hosts": ["192.0.2.1"], "control-muc.domain": INTERNAL, "control-muc.room-name": "jibribrewery",
        "control-muc.nickname": "camera", "control-login.domain": AUTH, "control-login.port": 5223,
        "control-login.username": "jibri", "control-login.password": "one", "call-login.domain": HIDDEN,
        "call-login.username": "recorder", "call-login.password": "other", "strip-from-room-domain": "conference.",
        "trust-all-xmpp-certs": False, "base-url": f"https://{DOMAIN}", "usage-timeout": "0 minutes",
    } == flat  # fmt: skip


def _of_jigasi(**keys: Any) -> dict[str, Any]:
    meeting = Rendezvous(DEPLOYMENT.room_of(JIGASI), "192.0.2.1", 5223, Path("/trust"))
    return jigasi_properties(meeting, JigasiConfiguration(**keys), "telephone", "secret", "of the line")


def test_jigasi_is_told_by_properties_that_it_has() -> None:
    told = _of_jigasi(sip_uri="sip:4711@sip.example.org", default_room="hall", sip_transport="TLS", sip_port=5061)

    def below(prefix: str) -> dict[str, Any]:
        return {name.removeprefix(f"{prefix}."): told[name] for name in told if name.startswith(f"{prefix}.")}

    assert set(below("org.jitsi.jigasi")) == OURS | {f"xmpp.acc.{name}" for name in CONFERENCE_KEYS}
    assert set(below(_XMPP)) == XMPP_KEYS
    assert set(below(_SIP)) == SIP_KEYS
    assert told[_XMPP] == "acc-xmpp-1"
    assert told[f"{_XMPP}.PASSWORD"] == base64.b64encode(b"secret").decode()
    assert told[f"{_XMPP}.BREWERY"] == told["org.jitsi.jigasi.ALLOWED_JID"] == f"jigasibrewery@{INTERNAL}"
    assert told[f"{_SIP}.PASSWORD"] == base64.b64encode(b"of the line").decode()
    assert told[f"{_SIP}.USER_ID"] == "4711@sip.example.org"
    assert told[f"{_SIP}.SERVER_ADDRESS"] == "sip.example.org"
    assert told["org.jitsi.jigasi.DEFAULT_JVB_ROOM_NAME"] == f"hall@conference.{DOMAIN}"
    assert not [name for name in _of_jigasi() if name.startswith(_SIP)]
    assert _of_jigasi(extra={"org.jitsi.jigasi.ENABLE_SIP": True})["org.jitsi.jigasi.ENABLE_SIP"] is True
    # Of its reference.conf.
    assert _flat(jigasi_configuration(JigasiConfiguration())) == {
        "org.jitsi.jigasi.rest.host": "127.0.0.1",
        "org.jitsi.jigasi.rest.port": 8788,
    }


def test_what_jibri_and_its_programs_write_is_in_its_state(programs: tuple[Path, Path]) -> None:
    with _running(_meet(programs), "jibri") as daemon:
        state = daemon.state_dir / "jibri"
        command = psutil.Process(daemon.status("jibri")["mainPid"]).cmdline()
        assert f"-Dwebdriver.chrome.logfile={state}/chromedriver.log" in command
        logging = loaded((daemon.services_dir / "jibri" / "logging.properties").read_text())
        assert logging["org.jitsi.jibri.capture.ffmpeg.util.FfmpegFileHandler.pattern"] == f"{state}/ffmpeg.%g.txt"
        assert logging["org.jitsi.jibri.selenium.util.BrowserFileHandler.pattern"] == f"{state}/browser.%g.txt"
        assert (state / "recordings").is_dir()


def test_jicofo_without_them_is_told_nothing_of_them() -> None:
    meeting = Rendezvous(Deployment(DOMAIN, "jvbbrewery"), "192.0.2.1", 5222, Path("/trust"))
    told = _flat(jicofo_configuration(meeting, JicofoConfiguration(), "secret"))
    assert not [name for name in told if "jibri" in name or "jigasi" in name or "trusted" in name]


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_properties_are_read_as_they_were_meant(content: dict[str, str]) -> None:
    text = properties(content).decode("ascii")
    assert loaded(text) == content


_READER = """
public class Reader {
    public static void main(String[] words) throws Exception {
        var read = new java.util.Properties();
        read.load(System.in);
        for (var each : new java.util.TreeMap<Object, Object>(read).entrySet())
            System.out.println((each.getKey() + "|" + each.getValue()).chars().boxed().toList());
    }
}
"""


@pytest.mark.skipif(shutil.which("javac") is None, reason="needs a JDK")
def test_java_reads_properties_as_they_were_meant(tmp_path: Path) -> None:
    content = {"a:b=c": "x y", "!#": " # !", "\\": "a\\u0041\n\t", "ä€😀": "=:", "z": ""}
    (tmp_path / "Reader.java").write_text(_READER)
    read = subprocess.run(
        ["java", str(tmp_path / "Reader.java")], input=properties(content), capture_output=True, check=True
    ).stdout.decode()
    units = [list(f"{key}|{value}".encode("utf-16-le")) for key, value in content.items()]
    expected = [[each[at] + 256 * each[at + 1] for at in range(0, len(each), 2)] for each in units]
    assert sorted(map(json.loads, read.splitlines())) == sorted(expected)
