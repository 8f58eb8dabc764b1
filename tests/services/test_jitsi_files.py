"""Prosody's configuration, accounts and certificate: with them a real Prosody serves as all others need it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from herd_services.jitsi.accounts import file_of, matches, record
from herd_services.jitsi.configuration import ProsodyConfiguration
from herd_services.jitsi.deployment import BRIDGE, FOCUS
from prosody import MEETING, PASSWORDS, Client, Prosody, Refusal, laid_out, running, service

MUC = "http://jabber.org/protocol/muc"
DISCO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"


@pytest.fixture(scope="module")
def prosody() -> Iterator[Prosody]:
    """One for all tests that only look at it."""
    with running(admins=("ann@meet.example.org",)) as made:
        yield made


def test_prosodyctl_finds_nothing_wrong(prosody: Prosody) -> None:
    checked = prosody.prosodyctl("check", "config")
    assert "All checks passed" in checked.stdout, checked.stdout
    assert checked.returncode == 0


@pytest.mark.parametrize("name", [FOCUS, BRIDGE])
def test_services_log_in_over_verified_tls_and_find_both_mucs(prosody: Prosody, name: str) -> None:
    with service(prosody, name) as client:
        for muc in (MEETING.internal_muc, MEETING.conference_muc):
            features = {each.get("var") for each in client.ask("get", muc, DISCO).iter()}
            assert MUC in features


def test_wrong_password_is_refused(prosody: Prosody) -> None:
    with pytest.raises(Refusal, match="not-authorized"):
        Client(prosody, MEETING.auth_domain, FOCUS, PASSWORDS[BRIDGE])


@pytest.mark.parametrize("first", [FOCUS, BRIDGE])
def test_focus_and_bridge_meet_whoever_comes_first(prosody: Prosody, first: str) -> None:
    room = f"first-{first}@{MEETING.internal_muc}"
    second = BRIDGE if first == FOCUS else FOCUS
    with service(prosody, first) as one, service(prosody, second) as other:
        one.enter(room, first)
        seen = other.enter(room, second)
        assert seen.find(f"{{{MUC}#user}}x/{{{MUC}#user}}item[@affiliation='owner']") is not None


def test_admins_learn_who_is_in_a_room_without_going_in(prosody: Prosody) -> None:
    with service(prosody, BRIDGE) as bridge, service(prosody, FOCUS) as focus:
        bridge.enter(MEETING.room, "a bridge")
        answer = focus.ask("get", MEETING.room, f"<query xmlns='{MUC}#admin'><item role='moderator'/></query>")
        assert [each.get("nick") for each in answer.iter(f"{{{MUC}#admin}}item")] == ["a bridge"]


def test_browsers_neither_enter_the_services_room_nor_make_rooms(prosody: Prosody) -> None:
    with service(prosody, FOCUS) as focus, Client(prosody, MEETING.domain) as anybody:
        focus.enter(MEETING.room, FOCUS)
        with pytest.raises(Refusal, match="registration-required"):
            anybody.enter(MEETING.room, "a false bridge")
        conference = f"talk@{MEETING.conference_muc}"
        with pytest.raises(Refusal, match="not-allowed"):
            anybody.enter(conference, "somebody")
        focus.enter(conference, FOCUS)
        anybody.enter(conference, "somebody")


@pytest.mark.parametrize("path", ["/http-bind", "/xmpp-websocket"])
def test_browsers_are_answered_and_other_sites_pages_are_not(prosody: Prosody, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", prosody.http_port, timeout=60)
    connection.request("GET", path, headers={"Origin": "https://elsewhere.example"})
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] is None
    connection.close()


def test_options_of_the_administrator_prevail() -> None:
    with laid_out(extra={"c2s_require_encryption": False, "custom": {"a key": [1, 2.5, 'x"y']}}) as prosody:
        text = prosody.configuration.read_text()
        assert "c2s_require_encryption = false\n" in text
        assert "c2s_require_encryption = true\n" not in text
        assert prosody.prosodyctl("check", "config").returncode == 0


@pytest.mark.parametrize("name", ["a-b", "1a", "", "end", "a b", "VirtualHost", "Include", "x\ny"])
def test_names_that_are_no_options_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no option of Prosody"):
        ProsodyConfiguration(extra={name: 1})


def test_prosodys_own_records_are_found_and_understood(prosody: Prosody) -> None:
    address = f"ann-1.b_c@{MEETING.auth_domain}"
    made = prosody.prosodyctl("adduser", address, text="of her own\nof her own\n")
    assert made.returncode == 0, made.stdout
    content = (prosody.directory / "data" / file_of(address)).read_bytes()
    assert matches(content, "of her own")
    assert not matches(content, "of her Own")


def test_own_records_match_their_password_alone() -> None:
    content = record("secret", 'a "salt"')
    assert b"secret" not in content
    assert record("secret", "other") != content
    assert matches(record("secret", "salt"), "secret")
    assert not matches(record("secret", "salt"), "Secret")
    with pytest.raises(ValueError, match="beyond ASCII"):
        record("señor", "salt")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"return {};\n",
        record("secret", "salt").replace(b"10000", b"999999999"),
        record("secret", "salt").replace(b"10000", b"0"),
        record("secret", "salt").replace(b"{ ", b'{ password = "other", '),
        record("secret", "salt").replace(b"server_key", b"server"),
    ],
)
def test_what_is_no_usable_record_matches_nothing(content: bytes) -> None:
    assert not matches(content, "secret")
