"""The properties of sip-communicator.properties that guides of 2020 are full of, and what becomes of each."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from herd_services.jitsi import old_names

CLIENT = "videobridge.apis.xmpp-client.configs.shard"


def flat(content: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Each value by its path."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


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


def test_no_value_is_in_a_remark() -> None:
    for name in (*OLD, *GONE):
        assert "hunter2" not in "".join(old_names.translated({name: "hunter2"}).remarks)
