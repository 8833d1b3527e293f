"""Documents as text: what a tree expands to, and what was joined or would be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.importing.yaml_text import yaml_text
from reconciler.model.diagnostic import Location
from reconciler.model.listing import counted
from reconciler.model.visible import visible
from reconciler.report.line import Line


def documents_text(documents: Iterable[tuple[Location, Mapping[str, Any]]]) -> str:
    """A stream of YAML documents, each below a comment with the place of the one that was written. All of it
    is ASCII, so that no character changes what a terminal shows."""
    return "---\n".join(
        f"# {visible(str(place))}\n{yaml_text(body, ascii_only=True)}" for place, body in documents
    )


def difference_lines(name: str, before: str, after: str) -> Iterator[Line]:
    """The difference of one file as `diff -u` has it; a file without text is removed."""
    new = name if after else "/dev/null"
    return map(Line, difflib.unified_diff(before.splitlines(), after.splitlines(), name, new, lineterm=""))


def converted_lines(joined: Iterable[tuple[str, str, Iterable[str]]]) -> Iterator[Line]:
    """A line for each connection that was written, given by its file, its name and those of its ends; and how
    many there are."""
    number = 0
    for number, (file, name, ends) in enumerate(joined, 1):  # noqa: B007 - the last one is the count
        yield Line(f"{file}: {name} from {' and '.join(ends)}")
    yield Line(f"{counted(number, 'pair')} converted.", "bold")
