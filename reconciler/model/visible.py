"""Text from outside as one line that can be shown anywhere: what would move a cursor, end a line, hide or
reorder characters, or be a command to a CI runner, becomes an escape that is seen. Pure.

Every line for people is made with it (`reconciler/report/line.py`), and every other writer begins with it.
"""

from __future__ import annotations

import re
from typing import Final

from reconciler.model.bounds import LONGEST_LINE
from reconciler.model.listing import counted

_CUT = 40
"""Characters left for saying that a line was cut."""
_BYTES: Final = range(0xDC80, 0xDD00)
"""What stands in a str for a byte that is not UTF-8 (PEP 383)."""
# What `repr` takes for printable although it is invisible: joiners, fillers, selectors (Unicode 15.0,
# Default_Ignorable_Code_Point), all but the two that choose between text and emoji.
_HIDDEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
# GitHub's runner takes `::name::` at the beginning of a line, behind blanks too, and `##[name]` anywhere
# (actions/runner, ActionCommand.cs); Azure's agent takes `##vso[…]` and TeamCity `##teamcity[…]` anywhere.
_COMMANDS = (
    (re.compile(r"\A( *):(?=:)"), r"\1\\x3a"),
    (re.compile(r"##(?=\w*\[)"), r"#\\x23"),
)


def visible(text: str) -> str:
    """One line of at most LONGEST_LINE characters. Letters of every script stay; what `repr` would escape
    (controls, line ends, bidirectional and zero-width characters, lone surrogates) reads `\\x1b`, `\\u202e`.
    What is visible already comes back as it is.
    """
    shown = text
    if not text.isprintable():
        shown = "".join(c if c.isprintable() else _escape(c) for c in text[: LONGEST_LINE + 1])
    shown = _HIDDEN.sub(lambda found: _escape(found[0]), shown)
    for command, harmless in _COMMANDS:
        shown = command.sub(harmless, shown)
    if len(shown) > LONGEST_LINE:
        kept = LONGEST_LINE - _CUT
        return f"{shown[:kept]}… (cut: {counted(max(len(text) - kept, 1), 'more character')})"
    return shown


def encodable(text: str) -> str:
    """The text with each lone surrogate, which no encoding has, as an escape; a byte reads `\\xff`."""
    return _SURROGATES.sub(lambda found: _escape(found[0]), text)


def unambiguous(name: bytes) -> str:
    """A file name as text. Bytes that are no UTF-8 become `\\xff`, a backslash becomes two: two names are
    never the same text."""
    return name.replace(b"\\", b"\\\\").decode(errors="backslashreplace")


def _escape(character: str) -> str:
    number = ord(character)
    if number in _BYTES:
        return f"\\x{number - 0xDC00:02x}"
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if named is not None:
        return named
    if number > 0xFFFF:
        return f"\\U{number:08x}"
    return f"\\x{number:02x}" if number <= 0xFF else f"\\u{number:04x}"
