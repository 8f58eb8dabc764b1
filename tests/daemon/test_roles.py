"""Roles on the control socket: who may ask for what, and what is told of it afterwards.

Every action comes from the definitions, so that a new one cannot be forgotten; the table of them is written out here,
so that a change of an action's role is seen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herd.core.errors import ConfigurationError
from herd.core.role import Access, Role
from herd.core.service import Service, Surroundings
from herd.daemon import config
from herd.daemon.accesslist import settled
from herd.daemon.root import ROOT
from herd.daemon.verbs import VERBS
from support import INTERFACE, Daemon, Wire, as_peer, herdd, program

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")
MODERATOR, OBSERVER, STRANGER, OTHER = 64001, 64002, 64003, 64004
ACCESS = f"[access]\nmoderator = [{MODERATOR}, {OTHER}]\nobserver = [{OBSERVER}]\n"
# Every service that there is, and none of them started.
EVERYTHING = """
[jami]
auto-start = false
[mumble]
auto-start = false
[jitsi]
domain = "meet.example.org"
auto-start = false
[coturn]
[jibri]
[jigasi]
sip-uri = "sip:x@example.org"
[nginx]
[[jvb]]
"""
OF_EVERY_SERVICE = {
    Role.OBSERVER: "status why doc",
    Role.MODERATOR: "",
    Role.ADMIN: "start stop restart enable disable",
}
TABLE = {
    "root": {
        Role.OBSERVER: "status why graph analyze doc",
        Role.MODERATOR: "ban unban bans",
        Role.ADMIN: "start reload upgrade stop",
    },
    "jami": {
        Role.OBSERVER: "list-accounts",
        Role.MODERATOR: "list-banned-contacts list-contacts list-moderators add-moderator ban-contact unban-contact "
        "remove-moderator add-contact remove-contact history export-bans import-bans list-conferences "
        "mute-participant unmute-participant hang-up account-diff",
        Role.ADMIN: "list-account-details enable-account disable-account create-account export-account remove-account",
    },
    "mumble-server": {
        Role.OBSERVER: "list-channels",
        Role.MODERATOR: "list-users kick mute unmute move register-user list-registered-users send-message ban unban "
        "list-bans export-bans import-bans history",
        Role.ADMIN: "set-superuser-password superuser-password",
    },
    "prosody": {
        Role.OBSERVER: "check",
        Role.MODERATOR: "list-users list-rooms list-occupants kick ban-jid unban-jid list-bans export-bans "
        "import-bans history",
        Role.ADMIN: "register-user delete-user reload-certificates rotate-secrets",
    },
    "jicofo": {
        Role.OBSERVER: "stats list-bridges check",
        Role.MODERATOR: "list-conferences",
        Role.ADMIN: "export-bridge",
    },
    "jvb": {Role.OBSERVER: "stats check", Role.ADMIN: "drain graceful-stop undrain"},
    "nginx": {Role.OBSERVER: "check", Role.ADMIN: "reload-certificates"},
    "coturn": {Role.OBSERVER: "check"},
    "jibri": {Role.OBSERVER: "stats check", Role.MODERATOR: "stop-recording"},
    "jigasi": {Role.OBSERVER: "stats check"},
}


def load(text: str, directory: Path) -> config.Configuration:
    (directory / "herd.toml").write_text(text)
    return config.load(
        directory / "herd.toml", Surroundings(directory, directory, directory, "root", is_root=os.geteuid() == 0)
    )


def sorted_out(actions: Any) -> dict[Role, set[str]]:
    return {role: {name for name, each in actions.items() if each.role is role} for role in Role}


def own(service: Service) -> dict[str, Any]:
    return {action.name: action for action in service.actions}


def written(row: dict[Role, str]) -> dict[Role, set[str]]:
    return {role: set(row.get(role, "").split()) for role in Role}


def test_each_action_has_the_role_that_is_written_here(tmp_path: Path) -> None:
    services = load(EVERYTHING, tmp_path).services
    found = {service.name: sorted_out(own(service)) for service in services if service.actions}
    found["root"] = sorted_out(ROOT)
    assert found == {name: written(row) for name, row in TABLE.items()}
    assert sorted_out(VERBS) == written(OF_EVERY_SERVICE)


# A real herdd, asked as others.


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with herdd(EVERYTHING + ACCESS) as daemon:
        yield daemon


def wire_of(daemon: Daemon, uid: int, *groups: int) -> Wire:
    with as_peer(uid, *groups):
        return daemon.wire()


def is_refused(wire: Wire, method: str, **parameters: Any) -> bool:
    reply = wire.call(method, **parameters)
    return reply.get("error") == f"{INTERFACE}.NotAllowed"


def audited(daemon: Daemon, name: str) -> list[dict[str, Any]]:
    """What the lines of a log of herdd's own say."""
    lines = (daemon.log_dir / f"{name}.log").read_text().splitlines()
    return [json.loads(line.partition(" ")[2]) for line in lines]


def everything(directory: Path) -> Iterator[tuple[str, str, Role]]:
    for name, verb in ROOT.items():
        yield "root", name, verb.role
    for service in load(EVERYTHING, directory).services:
        for word, each in {**VERBS, **own(service)}.items():
            yield service.name, word, each.role


@needs_root
@pytest.mark.parametrize(
    ("uid", "has"), [(STRANGER, None), (OBSERVER, Role.OBSERVER), (MODERATOR, Role.MODERATOR)], ids=str
)
def test_each_action_is_for_its_role_and_those_above(
    daemon: Daemon, tmp_path: Path, uid: int, has: Role | None
) -> None:
    wrong, count = [], 0
    with wire_of(daemon, uid) as wire:
        for service, action, role in everything(tmp_path):
            # No words: what would be allowed is told what is missing, or that the service does not run.
            refused = is_refused(wire, "Perform", action=action, service=service)
            count += 1
            if refused is (has is not None and has >= role):
                wrong.append((service, action))
        assert is_refused(wire, "Status") is (has is None)
        assert is_refused(wire, "Log") is (has is not Role.MODERATOR)
        assert is_refused(wire, "Log", audit=True)
        assert is_refused(wire, "Represent", role="admin") is (has is None)
        assert wire.call("org.varlink.service.GetInfo")["parameters"]["product"] == "herdd"
    assert (wrong, count > 150) == ([], True)


@needs_root
def test_whoever_has_no_role_learns_nothing(daemon: Daemon) -> None:
    with wire_of(daemon, STRANGER) as wire:
        for service in ("jami", "nothing"):
            reply = wire.call("Perform", action="status", service=service)
            assert reply["parameters"]["message"] == (
                f"cannot status {service}: it needs the role observer, and uid {STRANGER} has no role; "
                "ask an admin, or for the role: [access] in herd.toml gives it"
            )
        wire.send("Watch", more=True)
        reply = wire.receive() or {}
        assert reply["error"] == f"{INTERFACE}.NotAllowed"


@needs_root
def test_the_command_ends_with_6(daemon: Daemon) -> None:
    done = daemon.herd("stop", "root", user=MODERATOR)
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr.startswith(
        f"herd: cannot stop root: it needs the role admin, and uid {MODERATOR} has moderator; "
    )
    assert daemon.herd("status", user=OBSERVER).returncode == 0
    doc = daemon.herd("--json", "doc", "jami", "ban-contact", user=OBSERVER)
    assert json.loads(doc.stdout)["role"] == "moderator"


@needs_root
def test_changes_and_refusals_are_told_to_admins(daemon: Daemon) -> None:
    with wire_of(daemon, OTHER) as wire:
        wire.call("Perform", action="ban-contact", service="jami", arguments=["0" * 40, "--reason", "é\n"])
        wire.call("Perform", action="disable", service="jami")
        wire.call("Perform", action="status", service="jami")
    daemon.call("Perform", action="disable", service="jami")
    daemon.call("Perform", action="enable", service="jami")
    failed, refused = audited(daemon, "audit-asked")[-2:]
    disabled, enabled = audited(daemon, "audit")[-2:]
    assert failed.pop("message") == "cannot ban-contact: service jami is stopped; see: herd status jami"
    known = {"user": f"uid {OTHER}", "uid": OTHER, "pid": os.getpid(), "role": "moderator", "service": "jami"}
    words = ["0" * 40, "--reason", "é\n"]
    assert failed == {**known, "action": "ban-contact", "arguments": words, "outcome": "failed"}
    assert refused == {**known, "action": "disable", "arguments": [], "outcome": "refused"}
    assert [(each["user"], each["action"], each["outcome"]) for each in (disabled, enabled)] == [
        ("root", "disable", "done"),
        ("root", "enable", "done"),
    ]
    for name in ("audit", "audit-asked"):
        assert (daemon.log_dir / f"{name}.log").stat().st_mode & 0o777 == 0o640
    told = daemon.herd("audit", "-n", "1")
    assert told.stdout.split(" ", 1)[1] == f"root ({os.getpid()}, admin) enable jami: done\n"
    assert json.loads(daemon.herd("--json", "audit", "-n", "1").stdout)["action"] == "enable"
    assert daemon.herd("audit", "--since", "1h").stdout.count("ban-contact jami 0000") == 1
    assert daemon.herd("audit", user=MODERATOR).returncode == 6


@needs_root
def test_whoever_is_refused_again_and_again_does_not_fill_the_log() -> None:
    with herdd("") as daemon:
        with wire_of(daemon, STRANGER) as wire:
            for _ in range(100):
                wire.call("Status")
        assert [each["outcome"] for each in audited(daemon, "audit-asked")] == ["refused"] * 20


@needs_root
def test_whoever_fails_again_and_again_does_not_fill_the_log() -> None:
    with herdd(ACCESS) as daemon:
        for person in (None, "ann"):
            with wire_of(daemon, MODERATOR) as wire:
                if person is not None:
                    wire.call("Represent", role="moderator", person=person)
                for _ in range(50):
                    assert wire.call("Perform", action="ban", arguments=["é" * 300] * 16)["error"] != INTERFACE
        found = audited(daemon, "audit-asked")
        assert [(each["outcome"], each.get("person")) for each in found] == [("failed", None)] * 20 + [
            ("failed", "ann")
        ] * 20
        assert not (daemon.log_dir / "audit.log").exists()
        # What is told of each has a bound, too: 1 KiB, as it is written.
        lines = (daemon.log_dir / "audit-asked.log").read_bytes().splitlines()
        assert max(map(len, lines)) < 1100
        assert found[0]["arguments"][0] == "é" * 65 + "…"
        assert found[0]["arguments"][1:] == ["…"]


@needs_root
def test_strangers_together_push_out_nothing() -> None:
    web = program("web", "exec sleep infinity")
    with herdd(f"{web}[log]\nsize = 1000\nkeep = 0\n") as daemon:
        for action in ("disable", "enable") * 10:
            daemon.call("Perform", action=action, service="web")
        for uid in range(STRANGER, STRANGER + 10):
            with wire_of(daemon, uid) as wire:
                for _ in range(10):
                    assert is_refused(wire, "Perform", action="stop", service="root")
        assert len(audited(daemon, "audit-asked")) == 60
        # Whatever [log] says, there is room for all of it.
        assert len(audited(daemon, "audit")) == 20
        told = daemon.herd("audit", "-n", "100").stdout.splitlines()
        assert len(told) == 80
        assert told == sorted(told, key=lambda line: line.split(" ")[0])
        assert daemon.herd("reload", "root").returncode == 0
        assert len(audited(daemon, "audit")) == 21


# [access].


@needs_root
def test_groups_at_the_time_of_connecting_count() -> None:
    with herdd('[access]\nmoderator = ["@games"]\nobserver = ["nobody"]\n') as daemon:
        for groups, refused in (((65534, 60), False), ((60,), False), ((65534, 61), True)):
            with wire_of(daemon, 65534, *groups) as wire:
                assert is_refused(wire, "Perform", action="bans") is refused
                assert not is_refused(wire, "Status")
        with wire_of(daemon, STRANGER, *range(100_000, 101_000), 60) as wire:
            assert not is_refused(wire, "Perform", action="bans")


@needs_root
def test_a_reload_gives_and_takes_roles_of_those_who_are_connected() -> None:
    web = program("web", "exec sleep infinity")
    with herdd(web) as daemon:
        daemon.until_status("web", "running")
        with wire_of(daemon, OBSERVER) as wire, wire_of(daemon, OBSERVER) as stream:
            assert is_refused(wire, "Status")
            daemon.config.write_text(web + ACCESS + 'admin = ["nobody-here"]\n')
            assert daemon.herd("reload", "root").stdout == "Roles are given to others.\n"
            daemon.said("user nobody-here, whom [access] names, is not known here and has no role")
            assert not is_refused(wire, "Status")
            stream.send("Watch", more=True, service="web")
            assert "parameters" in (stream.receive() or {})
            daemon.config.write_text(web)
            assert daemon.herd("reload", "root").returncode == 0
            assert is_refused(wire, "Status")
            daemon.herd("restart", "web")
            reply = stream.receive() or {}
            assert reply["error"] == f"{INTERFACE}.NotAllowed"


@needs_root
def test_whoever_reads_the_audit_log_and_is_no_admin_any_more_reads_no_further() -> None:
    web = program("web", "exec sleep infinity")
    with herdd(f"{web}[access]\nadmin = [{OTHER}]\n") as daemon:
        daemon.call("Perform", action="disable", service="web")
        with wire_of(daemon, OTHER) as stream, wire_of(daemon, OTHER) as wire:
            stream.send("Log", more=True, audit=True, follow=True)
            assert "disable" in str((stream.receive() or {})["parameters"]["entries"])
            daemon.config.write_text(web + ACCESS)
            assert daemon.herd("reload", "root").returncode == 0
            assert wire.call("Log", audit=True)["parameters"]["message"].startswith(
                f"cannot audit root: it needs the role admin, and uid {OTHER} has moderator; "
            )
            assert not is_refused(wire, "Log")
            while "error" not in (reply := stream.receive() or {}):
                assert "reload" in str(reply["parameters"]["entries"])
            assert reply["error"] == f"{INTERFACE}.NotAllowed"


@needs_root
def test_strangers_get_few_connections_and_short_messages() -> None:
    with herdd("") as daemon:
        wires = [wire_of(daemon, STRANGER) for _ in range(8)]
        for wire in wires:
            assert is_refused(wire, "Status")
        wires.append(wire_of(daemon, STRANGER))
        assert wires[8].receive() is None
        wires[0].socket.sendall(b"x" * 5000)
        assert wires[0].receive() is None
        for wire in wires:
            wire.socket.close()
        with daemon.wire() as wire:
            assert not is_refused(wire, "Status")


def test_who_has_which_role(tmp_path: Path) -> None:
    text = '[access]\nadmin = ["games", 7]\nmoderator = ["@games", 7]\nobserver = ["nobody", "nobody-here", "@none"]\n'
    access = load(text, tmp_path).access
    root = {0: Role.ADMIN, os.geteuid(): Role.ADMIN}
    users = {5: Role.ADMIN, 7: Role.ADMIN, 65534: Role.OBSERVER}
    assert access == Access(root | users, {60: Role.MODERATOR}, ("nobody-here", "@none"))
    # The highest counts.
    assert access.role(65534, (60,)) is Role.MODERATOR
    assert access.role(64000, (1, 2)) is None
    assert load("[access]\n", tmp_path).access == Access(root)
    assert settled(None).users == root


def test_mistakes_in_access_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load('[access]\nadmin = "ann"\nmoderator = ["@", -1, "5"]\nowner = []\n', tmp_path)
    assert sorted(caught.value.problems) == [
        'cannot read [access] admin: "ann" is not a list in brackets',
        'cannot read [access] moderator[0]: "@" is nobody; write a user ("ann"), a group ("@group") or the number of '
        "a user (1000)",
        'cannot read [access] moderator[1]: -1 is nobody; write a user ("ann"), a group ("@group") or the number of '
        "a user (1000)",
        'cannot read [access] moderator[2]: "5" is nobody; write a user ("ann"), a group ("@group") or the number of '
        "a user (1000)",
        "cannot read [access]: unknown key owner; the keys are: admin, moderator, observer",
    ]
