"""Prosody and Jicofo on one host, a bridge on another, each with a herdd of its own; the cable cut and mended."""

from __future__ import annotations

from pathlib import Path

from meet import meet, occupants
from support import herdd, short_directory, toml
from two_hosts import two_hosts


def test_a_bridge_on_another_host_comes_back_when_the_cable_does(programs: tuple[Path, Path]) -> None:
    it = meet(programs)
    (bridge,) = it.jvb
    with two_hosts() as (first, second), short_directory() as directory:
        it.prosody["interfaces"] = ["127.0.0.1", first.address]
        with herdd(it.text(), inside=first.inside) as here:
            assert here.herd("start", "jicofo").returncode == 0
            # The address that others reach is the one that is not of the loopback.
            assert here.herd("export-bridge", "jicofo", str(directory)).returncode == 0
            config = (directory / "herd.toml").read_text().replace("/etc/herd", str(directory))
            assert f'address = "{first.address}"' in config
            keys = "".join(f"{key} = {toml(value)}\n" for key, value in {**bridge, "nickname": "far"}.items())
            with herdd(config + keys, inside=second.inside) as there:
                there.until_status("jvb", "running")
                assert occupants(here) == {"focus", "far"}
                first.ip("link", "set", first.device, "down")
                there.until("jvb", lambda facts: facts["health"] or facts["status"] != "running")
                first.ip("link", "set", first.device, "up")
                there.until("jvb", lambda facts: facts["status"] == "running" and not facts["health"])
                assert occupants(here) == {"focus", "far"}
                assert here.status("jicofo")["status"] == "running"
