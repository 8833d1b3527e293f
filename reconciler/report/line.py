"""One line of text with the style that a terminal may give it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """`style` is a rich style (`green`, `bold red`), empty for none."""

    text: str = ""
    style: str = ""
