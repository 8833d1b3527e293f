"""The drawn timeline: every packet once, in the colour of its SA, and every moment with its words."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.timeline_svg import COLOURS, LABELS, LOST, MARGIN, WIDTH, Moment, Panel, Sent, drawing

SVG = "{http://www.w3.org/2000/svg}"
PICTURE = Path(__file__).parents[3] / "docs/images/make-before-break-timeline.svg"
MOMENTS = (Moment(10.0, "load at <a>"), Moment(10.2, "terminate"), Moment(10.201, "old SA gone"))
PACKETS = (
    *(Sent(9.95 + n / 100, 0, 0 if n < 12 else 1, arrived=True) for n in range(30)),
    Sent(10.205, 1, 0, arrived=False),
    Sent(10.21, 1, None, arrived=False),
    Sent(10.22, 1, 1, arrived=True),
    Sent(8.0, 0, 0, arrived=True),
)
PANEL = Panel("by & by", ("a → b", "b → a"), PACKETS, MOMENTS)


def drawn(*panels: Panel) -> tuple[ElementTree.Element, dict[str, int]]:
    """The picture, and how many marks it has of each colour, without the legend's own."""
    root = ElementTree.fromstring(drawing(panels, 0.1))  # noqa: S314 - our own text
    marks: dict[str, int] = {}
    for path in root.iter(f"{SVG}path"):
        colour, data = path.get("stroke"), str(path.get("d"))
        if colour:
            marks[colour] = marks.get(colour, 0) + len(re.findall(r"M", data))
    return root, {colour: number - 1 for colour, number in marks.items()}


def test_every_packet_of_the_window_is_drawn_once() -> None:
    _, marks = drawn(PANEL)
    # The packet of 8.0 was sent long before the first moment.
    assert marks == {COLOURS[0]: 12 + 1, COLOURS[1]: 18 + 1, LOST: 2}


def test_a_lost_packet_that_left_in_an_sa_keeps_its_tick() -> None:
    _, with_sa = drawn(PANEL)
    nothing = Panel(PANEL.title, PANEL.ways, tuple(p for p in PACKETS if p.arrived), MOMENTS)
    _, without = drawn(nothing)
    assert with_sa[COLOURS[0]] - without[COLOURS[0]] == 1
    assert without[LOST] == 0


def test_moments_stand_at_their_times_and_do_not_run_into_one_another() -> None:
    root, _ = drawn(PANEL)
    lines = [
        re.match(r"M([\d.]+) ", str(p.get("d"))) for p in root.iter(f"{SVG}path") if p.get("class") == "m"
    ]
    found = [float(line[1]) for line in lines if line]
    scale = (WIDTH - LABELS - MARGIN) / 0.401
    assert found == [pytest.approx(LABELS + (m.time - 9.9) * scale, abs=0.1) for m in MOMENTS]
    texts = {text.text: text for text in root.iter(f"{SVG}text")}
    assert texts["terminate"].get("y") != texts["old SA gone"].get("y")
    assert texts["load at <a>"].get("y") == texts["terminate"].get("y")


def test_panels_share_one_scale() -> None:
    longer = Panel("longer", PANEL.ways, (), (Moment(0.0, "x"), Moment(0.8, "y")))
    root, _ = drawn(PANEL, longer)
    lines = [
        re.match(r"M([\d.]+) ", str(p.get("d"))) for p in root.iter(f"{SVG}path") if p.get("class") == "m"
    ]
    first, second, _, x, y = [float(line[1]) for line in lines if line]
    assert (y - x) / (second - first) == pytest.approx(0.8 / 0.2, rel=0.01)


def test_a_panel_without_moments_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        drawing([Panel("nothing", ("a",), (), ())], 0.1)


def test_the_picture_of_the_documentation_is_small_and_says_what_it_shows() -> None:
    assert PICTURE.stat().st_size < 150_000
    root = ElementTree.parse(PICTURE).getroot()  # noqa: S314 - our own file
    title = root.find(f"{SVG}title")
    assert title is not None
    assert re.fullmatch(r"tunnelwright apply: .*: \d+ of \d+ packets lost; swanctl: .* lost", str(title.text))
    assert "prefers-color-scheme:dark" in PICTURE.read_text(encoding="utf-8")
