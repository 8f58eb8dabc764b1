"""What Jicofo and the bridges are told: each key by its name in their reference.conf, and those of long ago."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herd_services.jitsi import old_names
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
    return flat(jvb_configuration(MEETING, Bridge("one", 10001, 8081), JvbConfiguration(**keys), "secret"))


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


def test_a_public_address_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs local_address"):
        JvbConfiguration(public_address="203.0.113.7")


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


# Properties in guides of 2020, values they had, and what has become of them.
OLD = {
    "org.jitsi.videobridge.STATISTICS_INTERVAL": ("5000", {"videobridge.stats.interval": "5000 milliseconds"}),
    "org.jitsi.videobridge.xmpp.user.shard.HOSTNAME": ("localhost", {f"{CLIENT}.hostname": "localhost"}),
    "org.jitsi.videobridge.xmpp.user.shard.MUC_JIDS": ("a@b", {f"{CLIENT}.muc_jids": "a@b"}),
    "org.jitsi.videobridge.xmpp.user.shard.DISABLE_CERTIFICATE_VERIFICATION": (
        "true",
        {f"{CLIENT}.disable_certificate_verification": True},
    ),
    "org.jitsi.videobridge.SINGLE_PORT_HARVESTER_PORT": (10003, {"videobridge.ice.udp.port": 10003}),
    "org.jitsi.videobridge.rest.jetty.port": ("9090", {"videobridge.http-servers.public.port": "9090"}),
    "org.jitsi.videobridge.rest.jetty.host": ("::", {"videobridge.http-servers.public.host": "::"}),
    "org.jitsi.videobridge.rest.private.jetty.port": (1, {"videobridge.http-servers.private.port": 1}),
    "org.jitsi.videobridge.rest.private.jetty.host": ("::1", {"videobridge.http-servers.private.host": "::1"}),
    "org.ice4j.ice.harvest.DISABLE_AWS_HARVESTER": ("true", {"ice4j.harvest.mapping.aws.enabled": False}),
    "org.ice4j.ice.harvest.STUN_MAPPING_HARVESTER_ADDRESSES": (
        "a:1,b:2",
        {"ice4j.harvest.mapping.stun.addresses": ["a:1", "b:2"]},
    ),
    "org.ice4j.ice.harvest.ALLOWED_INTERFACES": ("eth0;eth1", {"ice4j.harvest.allowed-interfaces": ["eth0", "eth1"]}),
    "org.ice4j.ice.harvest.ALLOWED_ADDRESSES": ("10.0.0.1", {"ice4j.harvest.allowed-addresses": ["10.0.0.1"]}),
    "org.jitsi.jicofo.BRIDGE_MUC": ("a@b", {"jicofo.bridge.brewery-jid": "a@b"}),
    "org.jitsi.jicofo.ALWAYS_TRUST_MODE_ENABLED": (
        "true",
        {"jicofo.xmpp.client.disable-certificate-verification": True},
    ),
    "org.jitsi.jicofo.health.ENABLE_HEALTH_CHECKS": ("false", {"jicofo.health.enabled": False}),
    "org.jitsi.jicofo.HOSTNAME": ("h", {"jicofo.xmpp.client.hostname": "h"}),
    "org.jitsi.jicofo.XMPP_DOMAIN": ("h", {"jicofo.xmpp.client.xmpp-domain": "h"}),
    "org.jitsi.jicofo.FOCUS_USER_DOMAIN": ("h", {"jicofo.xmpp.client.domain": "h"}),
    "org.jitsi.jicofo.FOCUS_USER_NAME": ("h", {"jicofo.xmpp.client.username": "h"}),
    "org.jitsi.jicofo.FOCUS_USER_PASSWORD": ("h", {"jicofo.xmpp.client.password": "h"}),
    "org.jitsi.jicofo.auth.URL": (
        "XMPP:meet.example.org",
        {
            "jicofo.authentication.enabled": True,
            "jicofo.authentication.type": "XMPP",
            "jicofo.authentication.login-url": "meet.example.org",
        },
    ),
    "org.jitsi.jicofo.jibri.BREWERY": ("a@b", {"jicofo.jibri.brewery-jid": "a@b"}),
    "org.jitsi.jicofo.jigasi.BREWERY": ("a@b", {"jicofo.jigasi.brewery-jid": "a@b"}),
    "JICOFO_HOST": ("h", {"jicofo.xmpp.client.hostname": "h"}),
    "JICOFO_HOSTNAME": ("h", {"jicofo.xmpp.client.xmpp-domain": "h"}),
    "JICOFO_AUTH_DOMAIN": ("h", {"jicofo.xmpp.client.domain": "h"}),
    "JICOFO_AUTH_USER": ("h", {"jicofo.xmpp.client.username": "h"}),
    "JICOFO_AUTH_PASSWORD": ("h", {"jicofo.xmpp.client.password": "h"}),
}
GONE = [
    "org.jitsi.videobridge.ENABLE_STATISTICS",
    "org.jitsi.videobridge.STATISTICS_TRANSPORT",
    "org.jitsi.videobridge.AUTHORIZED_SOURCE_REGEXP",
    "org.jitsi.videobridge.DISABLE_TCP_HARVESTER",
    "org.jitsi.videobridge.TCP_HARVESTER_PORT",
    "JVB_OPTS",
    "JICOFO_SECRET",
    "VIDEOBRIDGE_MAX_MEMORY",
]


def in_tables(name: str, value: object) -> dict[str, Any]:
    """As TOML reads a key with dots that is not in quotes."""
    return tomllib.loads(f"{name} = {json.dumps(value)}")


@pytest.mark.parametrize("name", OLD)
@pytest.mark.parametrize("is_nested", [False, True])
def test_an_old_property_is_written_under_todays_name(name: str, is_nested: bool) -> None:
    value, expected = OLD[name]
    extra, remarks = old_names.translated(in_tables(name, value) if is_nested else {name: value})
    assert flat(extra) == expected
    (remark,) = remarks
    assert remark.startswith(f"{name} is called ")
    assert any(path in remark for path in expected)


@pytest.mark.parametrize("name", GONE)
def test_what_is_gone_is_said_to_be(name: str) -> None:
    extra, (remark,) = old_names.translated(in_tables(name, "x"))
    assert extra == {}
    assert remark.startswith(f"{name} is gone: ")


@pytest.mark.parametrize(
    "name", ["org.jitsi.jicofo.NEVER_HEARD_OF", "net.java.sip.communicator.X", "org.jitsi.jicofo.auth.URL"]
)
def test_what_nobody_knows_is_left_out_and_said(name: str) -> None:
    extra, (remark,) = old_names.translated({name: "x", "jicofo": {"a": 1}})
    assert extra == {"jicofo": {"a": 1}}
    assert remark.startswith(f"{name} means nothing today")


def test_the_two_halves_of_an_address_become_one() -> None:
    halves = {"LOCAL": "10.0.0.5", "PUBLIC": "203.0.113.7"}
    extra = {f"org.ice4j.ice.harvest.NAT_HARVESTER_{side}_ADDRESS": value for side, value in halves.items()}
    found, remarks = old_names.translated(extra)
    mapping = [{"local-address": "10.0.0.5", "public-address": "203.0.113.7"}]
    assert flat(found) == {"ice4j.harvest.mapping.static-mappings": mapping}
    assert len(remarks) == 2
    assert old_names.translated(dict([extra.popitem()])).extra == {}


def test_todays_names_prevail_over_old_ones_and_these_over_ours() -> None:
    old = {"org.jitsi.jicofo.BRIDGE_MUC": "old@b"}
    assert of_jicofo(extra=old) == JICOFO | {"jicofo.bridge.brewery-jid": "old@b"}
    both = {**old, "jicofo": {"bridge": {"brewery-jid": "new@b"}}}
    assert of_jicofo(extra=both)["jicofo.bridge.brewery-jid"] == "new@b"
    port = {"org": {"jitsi": {"videobridge": {"SINGLE_PORT_HARVESTER_PORT": 7}}}}
    assert of_jvb(extra=port) == JVB | {"videobridge.ice.udp.port": 7}


def test_no_value_is_in_a_remark() -> None:
    for name in (*OLD, *GONE):
        assert "hunter2" not in "".join(old_names.translated({name: "hunter2"}).remarks)


def test_files_are_written_without_loading_what_makes_certificates() -> None:
    modules = "accounts, java, jicofo_file, jvb_file, prosody_file"
    script = f"import sys; from herd_services.jitsi import {modules}; sys.exit('cryptography' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
