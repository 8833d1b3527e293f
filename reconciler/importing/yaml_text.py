"""The YAML of documents that tunnelwright writes: in one style, and each value on its line. Pure."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML


def yaml_text(body: Mapping[str, Any], *, ascii_only: bool = False, indented: bool = True) -> str:
    """A document as YAML, in the order of its keys. With `ascii_only` other characters are escaped; unless
    `indented`, the items of a list begin in the column of its key."""
    writer = YAML()
    # A long ID stays on its line.
    writer.width = 2**16
    writer.allow_unicode = not ascii_only
    if indented:
        writer.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    writer.dump(body, text)
    return text.getvalue()
