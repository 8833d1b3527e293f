"""What a command was given, as an error may repeat it: a key may be pasted in any place."""

from __future__ import annotations

import os
from collections.abc import Iterable

from reconciler.model.quoting import NOT_SHOWN, is_plain_name, is_plain_revision


def without_given(text: str, words: Iterable[str]) -> str:
    """A sentence without those arguments that may be keys. Of a path only such parts are left out; what is
    there is no key."""
    # Of `--base=REV` the value counts.
    values = {word.partition("=")[2] if word.startswith("--") else word for word in words}
    for value in sorted(values, key=len, reverse=True):
        if not is_plain_revision(value):
            text = text.replace(value, _shown(value))
    return text


def _shown(value: str) -> str:
    if "/" not in value:
        return value if os.path.lexists(value) else NOT_SHOWN
    known, parts = "", []
    for part in value.split("/"):
        place = f"{known}{part}"
        parts.append(part if is_plain_name(part) or os.path.lexists(place) else "…")
        known = f"{place}/"
    return "/".join(parts)
