"""Plain scalars by YAML 1.2's core schema (yaml.org/spec/1.2.2, section 10.3.2)."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from reconciler.model.bounds import MOST_DIGITS

Scalar: TypeAlias = str | int | float | bool | None

_WORDS: Final[dict[str, Scalar]] = {
    "": None,
    **dict.fromkeys(("null", "Null", "NULL", "~")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

_BASES: Final = ("0x", "0o")
_FIRST: Final = frozenset("0123456789+-.nNtTfF~")


def resolve(text: str) -> Scalar:
    """The value of a plain scalar: `012` is 12, `no` is text, `0o14` is 12. What has more digits than any
    number here stays text, which is refused wherever a number is wanted."""
    if text and text[0] not in _FIRST:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _DECIMAL.fullmatch(text) or _BASED.fullmatch(text):
        if len(text) > MOST_DIGITS:
            return text
        return int(text, 0 if text.startswith(_BASES) else 10)
    return float(text) if _FLOAT.fullmatch(text) else text
