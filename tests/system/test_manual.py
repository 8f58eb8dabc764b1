"""The manual pages say what is so: every option, key, default, method and error, and none that is not there.

herd.toml.5 is written by hand; the classes that read the configuration say what has to be in it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import types
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import attrs
import click
import pytest

from herd.core import interface
from herd.core.action import TAKEN_NAMES
from herd.core.errors import ConfigurationError
from herd.core.limits import Limits
from herd.core.service import Surroundings
from herd.daemon import config
from herd.daemon.accesslist import AccessConfiguration, settled
from herd.daemon.config import Installed
from herd.daemon.logpolicy import LogPolicy
from herd.daemon.main import main as herdd
from herd.daemon.root import ROOT
from herd.daemon.structuring import structure
from herd.daemon.verbs import VERBS
from herdctl import options

MAN = Path(__file__).parents[2] / "man"
PAGES = ["herd-protocol.7", "herd.1", "herd.toml.5", "herdd.8"]
SURROUNDINGS = Surroundings(
    Path("/var/lib/herd"), Path("/run/herd-services"), Path("/var/log/herd"), "root", is_root=True
)
# A value of each type, for keys that have to be there.
SAMPLES: dict[Any, Any] = {Path: "/x", str: "meet.example.org", tuple: ["/x"]}


@cache
def page(name: str) -> str:
    """Its source, each line of it whole, with what roff writes otherwise as people write it."""
    text = (MAN / name).read_text().replace("\\\n", "")
    return text.replace("\\-", "-").replace("\\(dq", '"').replace("\\(aq", "'").replace("\\e", "\\").replace("\\&", "")


# Both commands.


def flags(command: click.Command) -> set[str]:
    found = {option for each in command.params if isinstance(each, click.Option) for option in each.opts}
    return found | {"-h", "--help"}


def told_flags(name: str) -> set[str]:
    """The options that begin an item before the actions: `.It Fl s , -socket Ar path`."""
    before = page(name).partition("Every service has these actions")[0]
    items = re.findall(r"^\.It Fl (.*)", before, re.MULTILINE)
    return {f"-{word}" for each in items for word in re.sub(r" (Ar|Pq) .*", "", each).split(" , ")}


@pytest.mark.parametrize(("name", "command"), [("herd.1", options._command), ("herdd.8", herdd)])
def test_the_pages_have_every_option_and_no_other(name: str, command: click.Command) -> None:
    assert told_flags(name) == flags(command)


def test_the_page_of_herd_has_every_action_of_herdd_and_of_every_service() -> None:
    told = set(re.findall(r"^(?:\.It )?\.?Cm ([a-z]+)", page("herd.1"), re.MULTILINE))
    assert told >= {*VERBS, *ROOT, "log", "watch", "audit"}
    items = re.findall(r"^\.It (?:Xo\n\.)?Cm ([a-z]+)", page("herd.1"), re.MULTILINE)
    assert set(items) == {*VERBS, *ROOT, "log", "watch", "audit"}
    assert {*VERBS, "log", "watch", "audit"} <= TAKEN_NAMES


@pytest.mark.parametrize("action", sorted(ROOT))
def test_the_page_of_herd_has_every_option_of_the_actions_of_root(action: str) -> None:
    item = re.search(rf"^\.It (?:Xo\n\.)?Cm {action}\b.*?(?=^\.It|^\.El)", page("herd.1"), re.MULTILINE | re.DOTALL)
    if wanted := set(re.findall(r"--[a-z-]+", ROOT[action].usage)):
        assert item is not None
        assert {f"-{each}" for each in re.findall(r"Fl (-[a-z-]+)", item[0])} == wanted


def test_the_page_of_herd_has_every_exit_status() -> None:
    told = re.findall(r"^\.It ([0-9])$", page("herd.1"), re.MULTILINE)
    assert told == re.findall(r"\b([0-6]) [a-z]", options._EXAMPLES.partition("Exit status:")[2])


# The configuration.


def tables() -> dict[str, type[Any]]:
    """Every table by its heading, each class under its first name."""
    found: dict[str, type[Any]] = {"[log]": LogPolicy, "[access]": AccessConfiguration, "[limits.NAME]": Limits}
    for section in Installed().values():
        kind = section.configuration
        if section.shape == "several":
            for field in attrs.fields(attrs.resolve_types(kind)):
                found |= dict(nested(field.name, field.type))
        else:
            found |= dict(nested(f"{section.name}.NAME" if section.shape == "named" else section.name, kind))
    first = {kind: heading for heading, kind in reversed(found.items())}
    return {heading: kind for heading, kind in found.items() if first[kind] == heading}


def nested(name: str, kind: Any) -> Iterator[tuple[str, type[Any]]]:
    """The table, and those in it."""
    name = name.replace("_", "-")
    heading = f"[{name}]"
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is tuple:
        kind, heading = get_args(kind)[0], f"[[{name}]]"
    elif get_origin(kind) is dict:
        kind, heading = get_args(kind)[1], f"[{name}.X]"
    if attrs.has(kind):
        # Their annotations are texts.
        attrs.resolve_types(kind)
        yield heading, kind
        for field in attrs.fields(kind):
            yield from nested(f"{name}.{field.name}", field.type)


@cache
def told() -> Mapping[str, Mapping[str, str]]:
    """What the page has: by table and key, what stands behind the key."""
    found = {}
    for part in re.split(r"^\.Ss ", page("herd.toml.5"), flags=re.MULTILINE)[1:]:
        heading, _, rest = part.partition("\n")
        items = re.findall(r"^\.It Ic (\S+)(.*)\n(?!\.(?:It|El))", rest, re.MULTILINE)
        found[heading] = {key: after.strip() for key, after in items}
    return found


def test_the_page_of_the_configuration_has_every_table_and_no_other() -> None:
    assert set(told()) == {*tables(), "[person.NAME]"}


def test_it_names_every_table_that_is_taken_those_by_an_old_name_too() -> None:
    with pytest.raises(ConfigurationError) as caught:
        config.read({"xyzzy": {}}, SURROUNDINGS, Installed())
    names = re.findall(r"\[(\w+)\]", caught.value.message.partition("the tables are:")[2])
    assert {*Installed(), "log", "limits", "person", "access"} <= set(names)
    assert [name for name in names if not re.search(rf"\[{name}[].]", page("herd.toml.5"))] == []


@pytest.mark.parametrize("heading", sorted(tables()))
def test_it_has_every_key_of_a_table_with_a_sentence_and_no_other(heading: str) -> None:
    keys = [field.name.replace("_", "-") for field in attrs.fields(tables()[heading])]
    assert list(told()[heading]) == keys


def test_it_has_every_server_that_knows_people() -> None:
    kinds = {section.identity.kind for section in Installed().values() if section.identity is not None}
    assert set(told()["[person.NAME]"]) == kinds


@pytest.mark.parametrize("heading", sorted(tables()))
def test_it_has_the_default_of_every_key(heading: str) -> None:
    kind, behind = tables()[heading], told()[heading]
    given: dict[str, Any] = {}
    for field in attrs.fields(kind):
        key = field.name.replace("_", "-")
        if field.default is attrs.NOTHING:
            assert behind[key] == "Pq required"
            given[key] = SAMPLES[get_origin(field.type) or field.type]
        elif field.default is None:
            assert behind[key] == ""
        else:
            assert behind[key].startswith("No = "), f"{key} has a default"
            given[key] = tomllib.loads(f"it = {behind[key].removeprefix('No = ')}")["it"]
    required = {key: value for key, value in given.items() if behind[key] == "Pq required"}
    assert structure(kind, given, heading) == structure(kind, required, heading)


def examples(name: str) -> list[str]:
    return re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page(name), re.MULTILINE | re.DOTALL)


def test_every_table_of_the_configuration_has_an_example() -> None:
    parts = re.split(r"^\.Ss ", page("herd.toml.5"), flags=re.MULTILINE)[1:]
    assert all(part.count(".Bd -literal") == 1 for part in parts)


@pytest.mark.parametrize("example", examples("herd.toml.5"))
def test_the_examples_are_right(example: str) -> None:
    read = config.read(tomllib.loads(example), SURROUNDINGS, Installed())
    assert read.services or read.people or read.log != LogPolicy() or read.access != settled(None)


# The interface.


def test_the_page_of_the_interface_has_every_method_with_its_parameters() -> None:
    source = re.sub(r"#.*", "", interface.SUPERVISOR + interface.VARLINK_SERVICE)
    wanted = {
        name: re.findall(r"(\w+: [^,\n]+)", parameters)
        for name, parameters in re.findall(r"^method (\w+)\(([^)]*)\)", source, re.MULTILINE)
    }
    items = re.findall(r"^\.(?:It |It Xo\n\.)Fn (\w+)(.*)", page("herd-protocol.7"), re.MULTILINE)
    assert {name: re.findall(r'"([^"]*)"', rest) for name, rest in items} == wanted


def test_the_page_of_the_interface_has_every_error() -> None:
    source = interface.SUPERVISOR + interface.VARLINK_SERVICE
    wanted = re.findall(r"^error (\w+)", source, re.MULTILINE)
    assert sorted(re.findall(r"^\.It Er (\w+)", page("herd-protocol.7"), re.MULTILINE)) == sorted(wanted)


# As pages.


def test_every_page_is_here_and_is_installed_by_the_wheel() -> None:
    assert sorted(each.name for each in MAN.iterdir()) == PAGES
    project = tomllib.loads((MAN.parent / "pyproject.toml").read_text())
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert {f"man/{name}": f"share/man/man{name[-1]}/{name}" for name in PAGES}.items() <= shared.items()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    "command",
    [["man", "--warnings=w", "--local-file"], ["lexgrog"], ["mandoc", "-T", "lint", "-W", "warning"]],
    ids=["man", "lexgrog", "mandoc"],
)
def test_the_pages_are_shown_without_a_warning(name: str, command: list[str]) -> None:
    environment = {"MANWIDTH": "80", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    shown = subprocess.run([*command, MAN / name], capture_output=True, text=True, env=environment)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "parse failed" not in shown.stdout
    if command[0] == "mandoc":
        assert shown.stdout == ""


def test_the_options_are_those_that_help_shows() -> None:
    for module, name in (("herdctl.cli", "herd.1"), ("herd.daemon.main", "herdd.8")):
        code = f"from {module} import main; main()"
        shown = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
        assert set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", shown.stdout, re.MULTILINE)) <= told_flags(name)
