"""What may come back from a router: any value, and true answers with something wrong in them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

WORDS = (
    *("guarded", "peers", "interval", "net", "elem", "val", "0", "-1", "", "1e9", "ü"),
    *("a\x1b[31m", "\r\n::error::x", "\ud800"),
)

SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from((10**4000, -1, 0, 2**64))
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=12)
    | st.binary(max_size=6)
)
"""Whatever a value without members may be."""


def _nested(depth: int) -> Any:
    value: Any = "x"
    for level in range(depth):
        value = [value] if level % 2 else {"elem": value}
    return value


VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=8,
) | st.integers(1, 3000).map(_nested)
"""Whatever a value may be, nested thousands deep included."""


@st.composite
def twisted(draw: st.DrawFn, true: Any) -> Any:
    """A true value with up to three parts replaced, missing, wrapped, or under another name."""
    value = true
    for _ in range(draw(st.integers(1, 3))):
        value = draw(_twisted_once(value))
    return value


@st.composite
def _twisted_once(draw: st.DrawFn, value: Any) -> Any:
    inside = isinstance(value, dict | list | tuple) and len(value) > 0
    if not inside or draw(st.integers(0, 5)) == 0:
        return draw(st.one_of(VALUES, st.just([value]), st.just({"elem": value}), st.just({"val": value})))
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = draw(st.sampled_from(keys))
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    match draw(st.integers(0, 5)):
        case 0:
            del copy[key]
        case 1 if isinstance(copy, dict):
            copy[draw(st.sampled_from(WORDS))] = copy.pop(key)
        case _:
            copy[key] = draw(_twisted_once(value[key]))
    return copy


@st.composite
def twisted_text(draw: st.DrawFn, true: str) -> str:
    """A text with a piece replaced by another piece of it, by anything, or by nothing."""
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(true))] * 2)))
    start = draw(st.integers(0, len(true)))
    other = draw(st.one_of(st.text(max_size=8), st.just(true[start : start + 40]), st.sampled_from(WORDS)))
    return true[:first] + other + true[min(last, first + 60) :]


def as_json(value: Any) -> str:
    """A value as a tool might print it; what has no form in JSON as text."""
    try:
        return json.dumps(value, default=repr)
    except (ValueError, RecursionError):
        return "[" * 5000


def listings(true: str) -> st.SearchStrategy[str]:
    """What a tool prints as JSON: a true listing with something wrong in it, or anything else."""
    parsed = json.loads(true)
    return st.one_of(
        twisted(parsed).map(as_json),
        VALUES.map(as_json),
        twisted_text(true),
        st.text(max_size=20),
        st.sampled_from(("9" * 5000, "[" * 5000, "NaN", '"\\ud800"', "{}", "null")),
    )
