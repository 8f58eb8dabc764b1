"""The timeline as a picture: sound XML that shows each start where and as long as it was."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herd.core.chart import svg
from herd.core.timeline import Span

GREY, BLUE, ORANGE, RED = "#d0d0d0", "#56b4e9", "#e69f00", "#c1121f"
SPANS = [
    Span("app", ("net",), 10.0, 12.0, 12.5, 14.0),
    Span("net", (), 10.0, 10.0, 11.0, 12.0),
    Span("bad", (), 10.0, 10.0, failed=11.0),
]


class Picture:
    """An SVG document, read."""

    def __init__(self, spans: list[Span]) -> None:
        self.root = ElementTree.fromstring(svg(spans))

    def all(self, tag: str) -> list[ElementTree.Element]:
        return list(self.root.iter(f"{{http://www.w3.org/2000/svg}}{tag}"))

    @property
    def texts(self) -> list[str]:
        return [each.text or "" for each in self.all("text")]

    def row(self, name: str) -> ElementTree.Element:
        (row,) = [each for each in self.all("g") if (each[0].text or "").startswith(name)]
        return row

    def bars(self, name: str) -> list[tuple[str, float, float]]:
        """Colour of filling or else frame, and where it begins and ends."""
        found = []
        for bar in self.row(name).iter("{http://www.w3.org/2000/svg}rect"):
            begin = float(bar.attrib["x"])
            fill = bar.attrib["fill"]
            found.append((bar.get("stroke", "") if fill == "none" else fill, begin, begin + float(bar.attrib["width"])))
        return found


def test_bars_lie_where_the_axis_says() -> None:
    picture = Picture(SPANS)
    axis = {each.text: float(each.attrib["x"]) for each in picture.all("text") if each.get("fill") == "#555"}
    assert float(picture.all("g")[0][1].attrib["x"]) < axis["0 s"] < axis["4 s"] < float(picture.root.attrib["width"])
    assert list(axis) == ["0 s", "0.5 s", "1 s", "1.5 s", "2 s", "2.5 s", "3 s", "3.5 s", "4 s"]
    expected = [
        (GREY, axis["0 s"], axis["2 s"]), (BLUE, axis["2 s"], axis["2.5 s"]), (ORANGE, axis["2.5 s"], axis["4 s"]),
        (RED, axis["2 s"], axis["4 s"]),
    ]  # fmt: skip
    for (colour, *found), (wanted, *places) in zip(picture.bars("app"), expected, strict=True):
        assert colour == wanted
        assert found == pytest.approx(places, abs=0.2)


def test_the_critical_path_is_marked_and_joined() -> None:
    picture = Picture(SPANS)
    framed = {name: RED in [colour for colour, *_ in picture.bars(name)] for name in ("app", "net", "bad")}
    assert framed == {"app": True, "net": True, "bad": False}
    assert [each.text for each in picture.all("text") if each.get("font-weight")][1:] == ["net", "app"]
    assert len([each for each in picture.all("path") if each.get("stroke") == RED]) == 1


def test_rows_stand_in_the_order_of_turns_and_tell_everything() -> None:
    rows = Picture(SPANS).all("g")
    assert [row[0].text for row in rows] == [
        "bad (failed): waiting for requirements 0ms, preparation and execution 1.000s",
        "net: waiting for requirements 0ms, preparation and execution 1.000s, readiness and set-up 1.000s",
        "app: waiting for requirements 2.000s, preparation and execution 500ms, readiness and set-up 1.500s"
        "; requires net",
    ]
    heights = [float(row[1].attrib["y"]) for row in rows]
    assert heights == sorted(set(heights))
    assert Picture(SPANS).texts[0] == "2 services ready after 4.000s, 1 failed."


@pytest.mark.parametrize(
    ("length", "last"),
    [
        (0, "1 ms"), (0.0052, "5 ms"), (0.34, "300 ms"), (3.7, "3.5 s"), (59, "50 s"), (61, "60 s"), (130, "120 s"),
        (601, "10 min"), (3600, "60 min"), (86400 * 2, "48 h"), (86400.0 * 1000, "24000 h"),
    ],
)  # fmt: skip
def test_the_axis_has_sensible_marks(length: float, last: str) -> None:
    marks = [each.text for each in Picture([Span("a", (), 7, 7, 7, 7 + length)]).all("text") if each.get("fill")]
    assert (marks[-1], 2 <= len(marks) <= 12) == (last, True)


def test_one_row_three_hundred_and_none() -> None:
    assert Picture([]).texts[0] == "No service has been started yet."
    assert len(Picture(SPANS[:1]).all("g")) == 1
    many = Picture([Span(f"s{number}", (), number, number, number, number + 1) for number in range(300)])
    assert len(many.all("g")) == 300
    assert many.texts.count("0 s") == 2
    assert float(many.root.attrib["height"]) > 300 * float(many.all("g")[1][1].attrib["y"]) / 10


def test_what_took_no_time_is_still_to_be_seen() -> None:
    assert all(end - begin > 0.9 for _, begin, end in Picture([Span("a", (), 5, 5, 5, 5)]).bars("a"))


@given(st.lists(st.text(), unique=True, max_size=5))
def test_any_name_is_sound_xml_and_is_shown(names: list[str]) -> None:
    picture = Picture([Span(name, tuple(names), 0, 1, 2, 3) for name in names])
    shown = sorted("".join(char if char.isprintable() else "\ufffd" for char in name) for name in names)
    assert sorted((row[1].text or "").removesuffix("…") for row in picture.all("g")) == [
        name[:35] if len(name) > 36 else name for name in shown
    ]


def test_nothing_comes_from_elsewhere() -> None:
    text = svg(SPANS).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert [word for word in ("http", "href", "url(", "script", "@import") if word in text] == []
