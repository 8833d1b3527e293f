"""One line of text with the style that a terminal may give it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.model.visible import visible


@dataclass(frozen=True, slots=True)
class Line:
    """`style` is a rich style (`green`, `bold red`), empty for none. `text` is visible, wherever it comes
    from: a line is one line, and no part of it is a command to a terminal or a CI runner."""

    text: str = ""
    style: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", visible(self.text))


def joined(lines: Iterable[Line]) -> str:
    """Lines as a text without styles."""
    return "".join(f"{line.text}\n" for line in lines)
