"""Machine output: one JSON object a line, the first of `type` `version`. Keys are only ever added within
a major version. Key material appears as fingerprints, as everywhere in a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.report.encoding import json_text

FORMAT = "1.0"


def version_line(tunnelwright: str) -> dict[str, Any]:
    """What every output begins with."""
    return {"type": "version", "format": FORMAT, "tunnelwright": tunnelwright}


def dump(objects: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Each object as one line of JSON."""
    return map(json_text, objects)
