"""What `[jami]` becomes: the words jamid is executed with, and whom it runs as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from herd.core.preparation import Clear
from herd.core.service import Service, Surroundings
from herd_services.jami.configuration import AccountConfiguration, JamiConfiguration
from herd_services.jami.service import SECTION


def built(*, is_root: bool = True, **keys: Any) -> dict[str, Service]:
    surroundings = Surroundings(
        Path("/var/lib/herd"), Path("/run/herd-services"), Path("/var/log/herd"), "root", is_root=is_root
    )
    return {service.name: service for service in SECTION.build(JamiConfiguration(**keys), surroundings)}


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        ({}, set()),
        ({"enable_logging": False}, {"--console"}),
        ({"debug": True}, {"--debug"}),
        ({"auto_answer": True}, {"--auto-answer"}),
        ({"enable_logging": False, "debug": True, "auto_answer": True}, {"--console", "--debug", "--auto-answer"}),
    ],
)
def test_options_of_jamid(keys: dict[str, bool], options: set[str]) -> None:
    program, *words = built(**keys)["jami"].program.command
    assert program == "/usr/libexec/jamid"
    assert set(words) == {"--persistent", *options}


def test_certificates_reach_jamid() -> None:
    assert "SSL_CERT_DIR" not in built()["jami"].program.environment
    assert built(nss_certs=Path("/etc/ssl/certs"))["jami"].program.environment["SSL_CERT_DIR"] == "/etc/ssl/certs"


@pytest.mark.parametrize("name", ["jami", "jami-dbus-session"])
def test_under_root_it_runs_as_the_user_of_the_configuration_and_else_as_who_runs_herdd(name: str) -> None:
    mine = built(user="calls", group="voice")[name].program
    assert (mine.user, mine.group) == ("calls", "voice")
    assert built(is_root=False, user="calls", group="voice")[name].program.user is None
    assert built()[name].program.user == "jami"


def test_what_says_the_same_is_the_same_so_that_a_reload_leaves_it_alone() -> None:
    accounts = (AccountConfiguration(Path("/etc/herd/assembly.gz"), moderators=("a" * 40,)),)
    assert built(account=accounts) == built(account=accounts)
    assert built(account=accounts)["jami"] != built(account=())["jami"]
    assert built(account=accounts)["jami"] != built(account=accounts, fresh=True)["jami"]


def test_only_a_fresh_one_with_accounts_declared_clears_what_was_there() -> None:
    def clears(**keys: Any) -> bool:
        names = [each.names for each in built(**keys)["jami"].preparation if isinstance(each, Clear)]
        return any(".local/share/jami" in each for each in names)

    assert clears(fresh=True, account=())
    assert not clears(fresh=True)
    assert not clears(account=())
