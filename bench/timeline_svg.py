"""Draws timelines of packets as SVG. Pure.

The picture has a background of its own, light or dark as the reader's system is: it can be read on any page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from reconciler.report.encoding import xml

WIDTH, MARGIN, LABELS = 960, 16, 132
ROW, LANE, TICK = 17, 40, 24
LETTER = 6.8
"""Width of a letter, about, in the picture's own units."""
COLOURS = ("#3b82f6", "#f59e0b", "#10b981", "#a855f7")
"""Of the first SA of a direction, of the next, and so on; readable on light and dark."""
LOST = "#ef4444"
STYLE = """\
text{font:12px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}.t{font-weight:600;font-size:14px}
.s{fill:#59636e}.m{stroke:#59636e;stroke-dasharray:2 3}.l{stroke:#d1d9e0}.b{fill:#fff}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.s{fill:#9198a1}.m{stroke:#9198a1}.l{stroke:#3d444d}.b{fill:#0d1117}}"""


@dataclass(frozen=True, slots=True)
class Sent:
    """One packet. `time` is in seconds, `way` an index of the panel's ways."""

    time: float
    way: int
    sa: int | None
    """Which SA of its way carried it, the first is 0; None for one that no SA carried."""
    arrived: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened at a time, in seconds."""

    time: float
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One change. Times are seconds of any clock."""

    title: str
    ways: tuple[str, ...]
    packets: tuple[Sent, ...]
    moments: tuple[Moment, ...]

    @property
    def lost(self) -> int:
        """How many packets did not arrive."""
        return sum(not packet.arrived for packet in self.packets)

    def window(self, edge: float) -> tuple[float, float]:
        """From before the first moment to after the last. Raises ValueError without moments."""
        times = [moment.time for moment in self.moments]
        return min(times) - edge, max(times) + edge


def drawing(panels: Sequence[Panel], edge: float) -> str:
    """All panels below one another, in one scale of time; `edge` seconds are shown around the moments.

    Raises ValueError for a panel without moments.
    """
    span = max(end - start for start, end in (panel.window(edge) for panel in panels))
    scale = (WIDTH - LABELS - MARGIN) / span
    body: list[str] = []
    height = MARGIN
    for panel in panels:
        lines, height = _panel(panel, edge, span, scale, height)
        body += lines
    body += _legend(panels, height)
    height += ROW + MARGIN
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{xml(_words(panels))}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="b" width="{WIDTH}" height="{height}"/>',
            *body,
            "</svg>\n",
        )
    )


def _words(panels: Iterable[Panel]) -> str:
    """What the picture shows, for who cannot see it."""
    return "; ".join(f"{panel.title}: {panel.lost} of {len(panel.packets)} packets lost" for panel in panels)


def _panel(panel: Panel, edge: float, span: float, scale: float, top: int) -> tuple[list[str], int]:
    """The panel's lines, and where it ends."""
    start, _ = panel.window(edge)

    def x(time: float) -> float:
        return round(LABELS + (time - start) * scale, 1)

    lines = [f'<text class="t" x="{MARGIN}" y="{top + 14}">{xml(panel.title)}</text>']
    rows = list(_rows(panel.moments, x))
    lanes = top + 24 + ROW * (1 + max(row for _, row, _, _ in rows))
    bottom = lanes + LANE * len(panel.ways)
    for moment, row, left, anchor in rows:
        at, y = x(moment.time), top + 24 + ROW * row
        lines.append(f'<path class="m" d="M{at} {y + 4}V{bottom}"/>')
        lines.append(f'<text x="{left}" y="{y + 12}" text-anchor="{anchor}">{xml(moment.text)}</text>')
    for number, way in enumerate(panel.ways):
        middle = lanes + LANE * number + LANE // 2
        lines.append(f'<text class="s" x="{MARGIN}" y="{middle + 4}">{xml(way)}</text>')
        shown = [p for p in panel.packets if p.way == number and start <= p.time <= start + span]
        lines += _lane(shown, x, middle)
    lines += _axis(edge, span, scale, bottom)
    return lines, bottom + 42


def _rows(moments: Iterable[Moment], x: Callable[[float], float]) -> Iterator[tuple[Moment, int, float, str]]:
    """Each moment with the first row in which its text runs into no other, and where the text stands."""
    free: dict[int, float] = defaultdict(float)
    for moment in sorted(moments, key=lambda m: m.time):
        at, wide = x(moment.time), len(moment.text) * LETTER
        anchor, left = ("start", at + 4) if at + 4 + wide < WIDTH - MARGIN else ("end", at - 4)
        begins = left if anchor == "start" else left - wide
        row = next(r for r in range(len(free) + 1) if free[r] <= begins)
        free[row] = max(begins + wide + 6, at + 6)
        yield moment, row, left, anchor


def _lane(packets: Iterable[Sent], x: Callable[[float], float], middle: int) -> Iterator[str]:
    """A tick for each packet, all of one SA in one path; a cross for each that did not arrive."""
    ticks: dict[int, list[float]] = defaultdict(list)
    crosses = []
    for packet in packets:
        if packet.sa is not None:
            ticks[packet.sa].append(x(packet.time))
        if not packet.arrived:
            crosses.append(x(packet.time))
    for sa, found in sorted(ticks.items()):
        path = "".join(f"M{at} {middle - TICK // 2}v{TICK}" for at in found)
        yield f'<path stroke="{COLOURS[sa % len(COLOURS)]}" stroke-width="2.5" d="{path}"/>'
    if crosses:
        path = "".join(f"M{at - 5:.1f} {middle - 5}l10 10m0 -10l-10 10" for at in crosses)
        yield f'<path stroke="{LOST}" stroke-width="2.5" fill="none" d="{path}"/>'


def _axis(edge: float, span: float, scale: float, y: int) -> Iterator[str]:
    """Milliseconds since the first moment."""
    yield f'<path class="l" d="M{LABELS} {y}H{WIDTH - MARGIN}"/>'
    for milliseconds in range(0, int((span - edge) * 1000) + 1, 50 if span < 1 else 200):
        at = round(LABELS + (edge + milliseconds / 1000) * scale, 1)
        yield f'<text class="s" x="{at}" y="{y + 15}" text-anchor="middle">{milliseconds}</text>'
    yield f'<text class="s" x="{MARGIN}" y="{y + 15}">ms</text>'


def _legend(panels: Sequence[Panel], y: int) -> Iterator[str]:
    most = max((p.sa for panel in panels for p in panel.packets if p.sa is not None), default=0)
    words = ["in the old SA", "in the new SA", "in a third SA", "in a fourth SA"][: most + 1]
    at = LABELS
    for text, colour in zip(words, COLOURS, strict=False):
        yield f'<path stroke="{colour}" stroke-width="2.5" d="M{at} {y - 2}v16"/>'
        yield f'<text x="{at + 8}" y="{y + 10}">{text}</text>'
        at += 120
    yield f'<path stroke="{LOST}" stroke-width="2.5" d="M{at - 5} {y + 1}l10 10m0 -10l-10 10"/>'
    yield f'<text x="{at + 12}" y="{y + 10}">lost; with a tick below it: after it had left in that SA</text>'
