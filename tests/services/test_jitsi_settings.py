"""What Jicofo and the bridges are told: each key by its name in their reference.conf."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herd_services.jitsi.configuration import JicofoConfiguration, JvbConfiguration
from herd_services.jitsi.deployment import Deployment, Rendezvous
from herd_services.jitsi.java import java_properties, logging_properties
from herd_services.jitsi.jicofo_file import jicofo_configuration
from herd_services.jitsi.jvb_file import Bridge, jvb_configuration
from herd_services.jitsi.nested import hocon, merged

MEETING = Rendezvous(Deployment("meet.example.org", "rooms"), "192.0.2.1", 5223, Path("/trust"))
CLIENT = "videobridge.apis.xmpp-client.configs.shard"

JICOFO = {
    "jicofo.bridge.brewery-jid": "rooms@internal.auth.meet.example.org",
    "jicofo.health.enabled": True,
    "jicofo.health.interval": "10 seconds",
    "jicofo.rest.host": "127.0.0.1",
    "jicofo.rest.port": 8889,
    "jicofo.xmpp.client.hostname": "192.0.2.1",
    "jicofo.xmpp.client.port": 5223,
    "jicofo.xmpp.client.domain": "auth.meet.example.org",
    "jicofo.xmpp.client.xmpp-domain": "meet.example.org",
    "jicofo.xmpp.client.conference-muc-jid": "conference.meet.example.org",
    "jicofo.xmpp.client.username": "focus",
    "jicofo.xmpp.client.password": "secret",
    "jicofo.xmpp.client.use-tls": True,
    "jicofo.xmpp.client.disable-certificate-verification": False,
    "jicofo.xmpp.service.enabled": False,
}
JVB = {
    f"{CLIENT}.hostname": "192.0.2.1",
    f"{CLIENT}.port": "5223",
    f"{CLIENT}.domain": "auth.meet.example.org",
    f"{CLIENT}.username": "jvb",
    f"{CLIENT}.password": "secret",
    f"{CLIENT}.muc_jids": "rooms@internal.auth.meet.example.org",
    f"{CLIENT}.muc_nickname": "one",
    f"{CLIENT}.disable_certificate_verification": False,
    f"{CLIENT}.security_mode": "required",
    "videobridge.apis.rest.enabled": True,
    "videobridge.rest.shutdown.enabled": True,
    "videobridge.http-servers.private.host": "127.0.0.1",
    "videobridge.http-servers.private.port": 8081,
    "videobridge.ice.udp.port": 10001,
    "videobridge.health.interval": "10 seconds",
    "videobridge.health.timeout": "30 seconds",
    "videobridge.health.require-valid-address": False,
    "ice4j.harvest.mapping.aws.enabled": False,
    "ice4j.harvest.mapping.stun.addresses": [],
    "ice4j.harvest.mapping.static-mappings": [],
}


def flat(content: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Each value by its path."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


def of_jicofo(**keys: Any) -> dict[str, Any]:
    return flat(jicofo_configuration(MEETING, JicofoConfiguration(http_port=8889, **keys), "secret"))


def of_jvb(**keys: Any) -> dict[str, Any]:
    return flat(jvb_configuration(MEETING, Bridge("one", 10001, 8081, 9090), JvbConfiguration(**keys), "secret"))


def test_jicofo_is_told_all_that_it_needs() -> None:
    assert of_jicofo() == JICOFO


def test_a_bridge_is_told_all_that_it_needs() -> None:
    assert of_jvb() == JVB


def test_a_bridge_behind_a_router_is_told_its_addresses() -> None:
    told = of_jvb(public_address="203.0.113.7", local_address="10.0.0.5", stun=("stun.example.org:3478",))
    assert told == JVB | {
        "videobridge.health.require-valid-address": True,
        "ice4j.harvest.mapping.stun.addresses": ["stun.example.org:3478"],
        "ice4j.harvest.mapping.static-mappings": [{"local-address": "10.0.0.5", "public-address": "203.0.113.7"}],
    }


def test_what_the_administrator_adds_prevails() -> None:
    assert of_jicofo(extra={"jicofo": {"health": {"interval": "5 seconds"}, "new": 1}}) == JICOFO | {
        "jicofo.health.interval": "5 seconds",
        "jicofo.new": 1,
    }
    assert of_jvb(extra={"videobridge": {"ice": {"udp": {"port": 4}}}, "jmt": {"x": []}}) == JVB | {
        "videobridge.ice.udp.port": 4,
        "jmt.x": [],
    }


def test_a_connection_in_capitals_is_the_same_one() -> None:
    shard = {"HOSTNAME": "192.0.2.9"}
    extra = {"videobridge": {"apis": {"xmpp-client": {"configs": {"shard": shard}}}, "UPPER": {"CASE": 1}}}
    assert of_jvb(extra=extra) == JVB | {f"{CLIENT}.hostname": "192.0.2.9", "videobridge.UPPER.CASE": 1}


def test_a_path_in_quotes_is_refused() -> None:
    with pytest.raises(ValueError, match="without quotes"):
        JvbConfiguration(extra={"videobridge.ice.udp.port": 1})
    JvbConfiguration(extra={"org.jitsi.videobridge.SINGLE_PORT_HARVESTER_PORT": 1})


@pytest.mark.parametrize("kind", [JicofoConfiguration, JvbConfiguration])
@pytest.mark.parametrize("value", [date(2026, 1, 1), float("nan")])
def test_what_no_file_of_theirs_can_have_is_refused(kind: type[Any], value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has a text of its own.
        kind(extra={"jicofo": [value]})


json_tables = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.one_of(st.integers(), st.text(), st.booleans(), st.lists(st.integers())),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner),
    ),
)


@given(json_tables, json_tables)
def test_merging_keeps_both_and_lets_the_extra_prevail(base: dict[str, Any], extra: dict[str, Any]) -> None:
    before = json.dumps([base, extra])
    both = merged(base, extra)
    assert json.dumps([base, extra]) == before
    assert list(both) == list(dict.fromkeys([*base, *extra]))
    for key, value in both.items():
        if key not in extra:
            assert value == base[key]
        elif isinstance(extra[key], dict) and isinstance(base.get(key), dict):
            assert value == merged(base[key], extra[key])
        else:
            assert value == extra[key]


@given(json_tables)
def test_a_file_is_its_content_whatever_the_order(content: dict[str, Any]) -> None:
    assert json.loads(hocon(content)) == content
    assert hocon(dict(reversed(content.items()))) == hocon(content)


def test_java_is_told_where_all_is() -> None:
    told = java_properties(Path("/run/a.conf"), Path("/run/t.p12"), Path("/run/l.properties"))
    assert told.split(" ") == [
        "-Dconfig.file=/run/a.conf",
        "-Djavax.net.ssl.trustStore=/run/t.p12",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
        "-Djavax.net.ssl.trustStorePassword=changeit",
        "-Djava.util.logging.config.file=/run/l.properties",
    ]
    assert b"\n.level=FINE\n" in logging_properties("FINE")


@pytest.mark.parametrize("name", ["a b", "a\tb", "a*", "a?", "[a]", "a\\b", "a\nb"])
@pytest.mark.parametrize("place", range(3))
def test_paths_that_a_shell_tears_apart_are_refused(name: str, place: int) -> None:
    paths = [Path("/run"), Path("/run"), Path("/run")]
    paths[place] /= name
    with pytest.raises(ValueError, match="without blanks"):
        java_properties(*paths)


def test_todays_names_prevail_over_old_ones_and_these_over_ours() -> None:
    old = {"org.jitsi.jicofo.BRIDGE_MUC": "old@b"}
    assert of_jicofo(extra=old) == JICOFO | {"jicofo.bridge.brewery-jid": "old@b"}
    both = {**old, "jicofo": {"bridge": {"brewery-jid": "new@b"}}}
    assert of_jicofo(extra=both)["jicofo.bridge.brewery-jid"] == "new@b"
    port = {"org": {"jitsi": {"videobridge": {"SINGLE_PORT_HARVESTER_PORT": 7}}}}
    assert of_jvb(extra=port) == JVB | {"videobridge.ice.udp.port": 7}


def test_files_are_written_without_loading_what_makes_certificates() -> None:
    modules = "accounts, java, jicofo_file, jvb_file, prosody_file"
    script = f"import sys; from herd_services.jitsi import {modules}; sys.exit('cryptography' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
