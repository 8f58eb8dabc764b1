"""`herd graph` and `herd analyze` of a real herdd."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from support import Daemon, herdd, program

SLEEP = "exec sleep infinity"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    config = [
        program("setup", "true", one_shot=True),
        program("net", SLEEP, requirement=["setup"]),
        program("web", SLEEP, requirement=["net"], aliases=["http"]),
        program("app", SLEEP, requirement=["http"]),
        program("bad", ["/no/such/program"]),
    ]
    with herdd("".join(config)) as daemon:
        daemon.until_status("app", "running")
        daemon.until("bad", lambda facts: facts["failing"])
        yield daemon


def test_the_graph_is_shepherds_and_graphviz_takes_it(daemon: Daemon) -> None:
    text = daemon.herd("graph").stdout
    assert text.startswith('digraph "Service Graph" {\n')
    assert '"app" -> "web";' in text
    subprocess.run(["dot", "-Tsvg"], input=text, text=True, check=True, capture_output=True)


def test_what_it_says_to_programs(daemon: Daemon) -> None:
    services = json.loads(daemon.herd("--json", "graph").stdout)["services"]
    assert {"name": "app", "requirement": ["web"]} in services


def test_a_drawing_comes_along_for_terminals(daemon: Daemon) -> None:
    reply = daemon.call("Perform", action="graph", service="root")
    assert "+ net" in reply["parameters"]["drawing"]
    assert "* setup" in reply["parameters"]["drawing"]


def test_starts_are_analyzed(daemon: Daemon) -> None:
    text = daemon.herd("analyze").stdout
    assert text.startswith("4 services ready after ")
    assert "bad (failed)" in text
    # The chain, the last one first.
    chain = text.rpartition(":\n")[2]
    assert [line.split("@")[0].strip(" └─") for line in chain.splitlines()] == ["app", "web", "net", "setup"]
    assert json.loads(daemon.herd("--json", "analyze").stdout)


def test_starts_are_drawn(daemon: Daemon) -> None:
    picture = ElementTree.fromstring(daemon.herd("analyze", "root", "--svg").stdout)
    assert picture.tag.endswith("svg")


def test_another_option_is_refused(daemon: Daemon) -> None:
    done = daemon.herd("analyze", "root", "--png")
    assert (done.returncode, done.stderr) == (
        2,
        "herd: cannot analyze root: --png is unknown; did you mean --svg?; it is used as: herd analyze root [--svg]\n",
    )
