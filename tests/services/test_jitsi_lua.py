"""What Lua makes of our literals: a real one reads them all, line by line, and tells what it got."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from herd_services.jitsi import lua

# One line for a line: texts in hexadecimal, tables with their keys in order.
READER = r"""
local function hex(s) return (s:gsub(".", function (c) return ("%02x"):format(c:byte()) end)) end
local function told(v)
    if type(v) == "string" then return "s" .. hex(v) end
    if type(v) == "number" then return "n" .. ("%.17g"):format(v) end
    if type(v) == "boolean" then return tostring(v) end
    local entries = {}
    for key, each in pairs(v) do entries[#entries + 1] = told(key) .. "=" .. told(each) end
    table.sort(entries)
    return "{" .. table.concat(entries, ",") .. "}"
end
for line in io.lines() do
    local chunk, problem = load("return " .. line)
    print(chunk and told(chunk()) or problem)
    io.flush()
end
"""

# An alphabet in which what is special to Lua is frequent.
texts = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("\0\n\r\\\"'01[]=-\x7f\x85\u2028\U0001f600")))
numbers = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(texts, numbers, st.booleans()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.one_of(texts, st.sampled_from(["end", "a_1"])), inner)),
)


class Lua:
    """The process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def read(self, literal: str) -> str:
        """What it says of a literal."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(literal.encode() + b"\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().decode().rstrip("\n")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lua]:
    """One for all."""
    script: Path = tmp_path_factory.mktemp("lua") / "reader.lua"
    script.write_text(READER)
    with subprocess.Popen(["lua5.4", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Lua(process)
        process.communicate()


def told(value: Any) -> str:
    """What the reader has to say."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return "s" + value.encode().hex()
        case int() | float():
            return f"n{value:.17g}"
        case list():
            return told(dict(enumerate(value, 1)))
    return "{" + ",".join(sorted(f"{told(key)}={told(each)}" for key, each in value.items())) + "}"


@given(texts)
@example("\0001")
@example('"\\\n\r]]--')
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_text_comes_back(reader: Lua, value: str) -> None:
    assert reader.read(lua.text(value)) == told(value)
    assert "\n" not in lua.text(value)


@given(values)
@example({"end": {"a b": [1, "x"], "a_b": {}}})
@example([5e-324, 1.7976931348623157e308, -0.5])
def test_every_value_comes_back(reader: Lua, value: Any) -> None:
    assert reader.read(lua.literal(value)) == told(value)


@pytest.mark.parametrize(
    "value", [None, b"x", date(2026, 1, 1), 2**53 + 1, float("nan"), float("inf"), {1: 2}, ["\ud800"]]
)
def test_what_lua_does_not_have_is_refused(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has a text of its own.
        lua.literal(value)
