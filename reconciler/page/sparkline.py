"""A series as the path of a small drawing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from reconciler.page.samples import Series

WIDTH, HEIGHT = 240.0, 48.0
"""Units of the drawing; it is scaled to its place."""


@dataclass(frozen=True, slots=True)
class Sparkline:
    """`path` and `area` are of SVG (SVG 2, section 9.3), the area closed at the bottom."""

    title: str
    path: str
    area: str
    latest: str
    highest: str
    span: str


def sparkline(title: str, series: Series, text: Callable[[float], str]) -> Sparkline | None:
    """The drawing of a series of which two values are known, which `text` writes. None for less."""
    known = series.known
    if len(known) < 2:
        return None
    longest = max(before for before, _ in series.points) or 1.0
    top = max(known) or 1.0
    parts: list[list[tuple[float, float]]] = [[]]
    for before, value in series.points:
        if value is None:
            parts.append([])
        else:
            x, y = WIDTH * (1 - before / longest), HEIGHT - (HEIGHT - 2) * max(value, 0.0) / top - 1
            parts[-1].append((x, y))
    lines = [part for part in parts if part]
    path = " ".join(_line(part) for part in lines)
    area = " ".join(f"{_line(p)} L{p[-1][0]:.1f},{HEIGHT:g} L{p[0][0]:.1f},{HEIGHT:g} Z" for p in lines)
    minutes = str(timedelta(seconds=round(longest)))
    return Sparkline(title, path, area, text(known[-1]), text(max(known)), minutes)


def _line(points: list[tuple[float, float]]) -> str:
    first, *rest = points
    return f"M{first[0]:.1f},{first[1]:.1f}" + "".join(f" L{x:.1f},{y:.1f}" for x, y in rest)
