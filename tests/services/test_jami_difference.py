"""What an account is held against, without any jamid: lists, secrets, what an archive knows."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from herd_services.jami.archive import inspect
from herd_services.jami.configuration import AccountConfiguration
from herd_services.jami.difference import differences
from herd_services.jami.judgement import Standing
from herd_services.password import first_line

_A, _B, _C = "a" * 40, "b" * 40, "c" * 40
_PLAIN = {
    "Account.username": "d" * 40,
    "Account.defaultModerators": f"{_A}/{_B}",
    "Account.allModeratorEnabled": "false",
    "TURN.password": "theirs",
    "TLS.privateKeyFile": "a key",
    "ringAccountKey": "key",
    "ringAccountCert": "certificate",
    "ringCaKey": "authority",
    "ringAccountContacts": {
        _A: {"added": 2, "removed": 1},
        _B: {"added": 1, "removed": 2},
        _C: {"added": 0, "removed": 1, "banned": True},
        "odd": "nothing",
    },
}
_ARCHIVE = inspect(gzip.compress(json.dumps(_PLAIN).encode()))
_AS_EXPORTED = Standing(
    contacts=frozenset({_A}), banned=frozenset({_C}), moderators=frozenset({_A, _B}), anyone_moderates=False
)


def _account(**keys: object) -> AccountConfiguration:
    return AccountConfiguration(Path("/etc/herd/assembly.gz"), **keys)  # type: ignore[arg-type]


def test_an_archive_knows_its_people() -> None:
    assert _ARCHIVE.contacts == {_A}
    assert _ARCHIVE.banned == {_C}
    assert differences(_account(), _ARCHIVE, {}, _AS_EXPORTED) == []


def test_no_secret_is_told() -> None:
    live = {"TURN.password": "ours", "TLS.privateKeyFile": "/a/path"}
    (found,) = differences(_account(), _ARCHIVE, live, _AS_EXPORTED)
    assert found.text == "TURN.password is not as in the archive"
    assert found.facts() == {"what": "detail", "name": "TURN.password", "of": "archive"}
    for text in (repr(_ARCHIVE), repr(found)):
        assert 'key"' not in text
        assert "theirs" not in text


def test_of_what_list_account_details_keeps_for_admins_no_value_is_told() -> None:
    account = _account(name_server_uri="https://ann:word@ns.example.org", rendezvous_point=True)
    live = {"RingNS.uri": "https://elsewhere.example.org", "Account.rendezVous": "false"}
    assert [each.facts() for each in differences(account, None, live, _AS_EXPORTED)] == [
        {"what": "detail", "name": "Account.rendezVous", "expected": "true", "live": "false", "of": "declaration"},
        {"what": "detail", "name": "RingNS.uri", "of": "declaration"},
    ]
    told = [each.text for each in differences(account, None, live, _AS_EXPORTED)]
    assert told == ["Account.rendezVous is false, and true declared", "RingNS.uri is not as declared"]


def test_what_is_declared_counts_before_the_archive() -> None:
    account = _account(allowed_contacts=(_B, _C), moderators=())
    told = [each.text for each in differences(account, _ARCHIVE, {}, _AS_EXPORTED)]
    assert told == [
        f"contact {_B} is declared, and not there",
        f"contact {_C} is declared, and not there",
        f"contact {_A} is there, and not declared",
        # A contact that is declared is no banned one.
        f"ban {_C} is there, and not in the archive",
        f"moderator {_A} is there, and not declared",
        f"moderator {_B} is there, and not declared",
    ]


@pytest.mark.parametrize("anyone", [True, False])
def test_of_an_encrypted_archive_only_what_is_declared_is_told(anyone: bool) -> None:
    live = Standing(frozenset({_A}), frozenset({_C}), frozenset({_B}), anyone_moderates=anyone)
    assert differences(_account(), None, {"Account.rendezVous": "true"}, live) == []
    told = [each.text for each in differences(_account(moderators=(_B,)), None, {}, live)]
    assert told == (["anyone moderates, and moderators are declared"] if anyone else [])


@pytest.mark.parametrize(
    ("content", "password"), [(b"one", "one"), (b"one\ntwo\n", "one"), (b"one\r\n", "one"), (b" a \n", " a ")]
)
def test_a_password_is_the_first_line_as_it_stands(content: bytes, password: str) -> None:
    assert first_line(content) == password
