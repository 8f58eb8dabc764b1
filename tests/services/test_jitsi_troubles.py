"""The ten classic troubles of Jitsi Meet, each brought about and recognised: `herd check`, `herd why`.

Where the programs are doubles, what they say of a trouble is what the real ones say of it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from guests import put_out
from herd_services.jitsi import symptoms
from meet import BREWERY, DOMAIN, certificate, meet, running
from support import PATIENCE, Daemon, herdd, short_directory


def _checked(daemon: Daemon, name: str) -> str:
    """What `herd check` says of a service that is not as it should be."""
    done = daemon.herd("check", name)
    assert (done.returncode, done.stderr) == (1, "")
    return str(done.stdout)


def _until_why(daemon: Daemon, name: str, text: str) -> None:
    """Return once `herd why` says so: its program has to come to say it."""
    end = time.monotonic() + PATIENCE
    while text not in (said := daemon.herd("why", name).stdout):
        assert time.monotonic() < end, said


def test_all_is_as_it_should_be(programs: tuple[Path, Path]) -> None:
    with running(meet(programs)) as daemon:
        for name in ("prosody", "jvb"):
            done = daemon.herd("check", name)
            assert (done.returncode, done.stderr) == (0, ""), done.stdout
            assert all(line.startswith("  + ") for line in done.stdout.splitlines())


def test_1_a_password_that_is_another(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with running(it) as daemon:
        (daemon.state_dir / "secrets" / "xmpp-jvb").write_text("another\n")
        for name in ("prosody", "jvb"):
            said = _checked(daemon, name)
            assert "  - jvb can log in: not so: jvb@" in said
            assert "Likely: Prosody does not know the account, or by another password; " in said
        assert daemon.herd("restart", "prosody").returncode == 0
        daemon.until_status("jvb", "running")
        assert daemon.herd("check", "jvb").returncode == 0


def test_2_a_room_elsewhere(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    it.jitsi["auto-start"] = True
    it.jicofo["extra"] = {"jicofo": {"bridge": {"brewery-jid": "jvbbrewery@elsewhere.example.org"}}}
    with herdd(it.text()) as daemon:
        _until_why(daemon, "jicofo", "Likely: the room is not on this Prosody, or none is named")


def test_3_a_room_that_does_not_let_it_in(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    it.jitsi["auto-start"] = True
    it.prosody["extra"] = {"admins": [f"focus@auth.{DOMAIN}"]}
    with herdd(it.text()) as daemon:
        _until_why(daemon, "jvb", "Likely: Prosody did not let it into the room")


def test_4_a_jicofo_outside_of_the_room(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    with running(it) as daemon:
        put_out(daemon, it, BREWERY, "focus")
        said = _checked(daemon, "jicofo")
        assert f"  - it is in the room {BREWERY}: not so: focus is not in the room" in said
        assert "Likely: it is alive, and stays outside of the room" in said


def test_5_a_certificate_that_is_not_to_be_trusted(programs: tuple[Path, Path]) -> None:
    it = meet(programs, bridges=2)
    other = it.jvb.pop()
    with running(it) as daemon, short_directory() as directory:
        stranger = certificate(directory, (f"auth.{DOMAIN}",))["certificate"]
        (directory / "password").write_bytes((daemon.state_dir / "secrets" / "xmpp-jvb").read_bytes())
        other |= {"address": "127.0.0.1", "port": it.prosody["port"], "domain": DOMAIN, "certificate": stranger}
        other |= {"password-file": str(directory / "password")}
        alone = evolve(it, jvb=[other]).text()
        with herdd(alone[alone.index("[[jvb]]") :]) as second:
            _until_why(
                second, "jvb", "Likely: the certificate that Prosody shows is not the one that was to be trusted"
            )


def test_6_no_address_for_the_world(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    it.jvb[0] |= {"public-address": "203.0.113.7", "local-address": "127.0.0.1"}
    it.jvb[0]["extra"] = {"videobridge": {"stats": {"interval": "100 ms"}, "health": {"interval": "100 ms"}}}
    with running(it) as daemon:
        end = time.monotonic() + PATIENCE
        while "No valid IP addresses" not in (said := daemon.herd("check", "jvb").stdout):
            assert time.monotonic() < end, said
        assert "Likely: it finds no address by which the world reaches it; name them in [[jvb]]" in said


# 7, a port that another has, is told before anything is started: test_jitsi_service.py.


def test_8_a_health_that_is_switched_off(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    it.jicofo["extra"] = {"jicofo": {"health": {"enabled": False}}}
    with running(it) as daemon:
        said = _checked(daemon, "jicofo")
        assert "  - it says that it is well: not so: that is switched off; remove health from extra\n" in said


@pytest.mark.double
def test_9_a_heap_that_is_not_to_be_had(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    it.jitsi["auto-start"] = True
    it.jvb[0]["extra"] = {"double": {"fault": "no-memory"}}
    with herdd(it.text()) as daemon:
        _until_why(daemon, "jvb", "Likely: there is not the memory that it was promised")


@pytest.mark.double
def test_10_a_library_without_which_nobody_can_join(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    it.jvb[0]["extra"] = {**_quick(it.jvb[0]), "double": {"fault": "no-dcsctp"}}
    with running(it) as daemon:
        said = json.loads(daemon.herd("--json", "check", "jvb").stdout)
        assert all(each["problem"] is None for each in said["checks"])
        (trouble,) = said["troubles"]
        assert trouble["cause"].startswith("its native library cannot be loaded: nobody can join")


def _quick(bridge: dict[str, Any]) -> dict[str, Any]:
    extra: dict[str, Any] = bridge["extra"]
    return extra


@pytest.mark.parametrize("name", ["prosody", "jicofo", "jvb"])
def test_every_trouble_has_a_cause_and_a_mend(name: str) -> None:
    for each in getattr(symptoms, f"OF_{name.upper()}"):
        assert not each.cause.endswith(".")
        assert each.remedy
