"""The templates, and how values become HTML: every one passes the encoder of the output."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reconciler.model.listing import counted
from reconciler.model.record import Result
from reconciler.model.visible import encodable
from reconciler.page.rows import MARKS
from reconciler.report.encoding import xml
from reconciler.report.plan_text import value_text
from reconciler.report.status_text import child_text, ike_text, last_change_text, span

KINDS: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
"""Ending of a static file -> its type."""


def encoded(value: object) -> Markup:
    """A value as the content of an element, or of an attribute in quotes."""
    return value if isinstance(value, Markup) else Markup(xml(str(value)))  # noqa: S704 - it is encoded


def part(text: str) -> str:
    """A text as a part of a path, or as a value of a query."""
    return quote(encodable(text), safe="")


def number_of(count: int, noun: str) -> str:
    """`3 fields`."""
    return counted(count, noun)


@cache
def static() -> dict[str, tuple[str, bytes]]:
    """Name of each static file -> its type and its content."""
    folder = files(__package__).joinpath("static")
    found = {item.name: item.read_bytes() for item in folder.iterdir()}
    return {
        name: (KINDS[ending], content)
        for name, content in sorted(found.items())
        if (ending := name.rpartition(".")[2]) in KINDS
    }


def static_address(name: str) -> str:
    """Where a browser finds a static file. Another content has another address, so it may keep each."""
    _, content = static()[name]
    return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"


@cache
def environment() -> Environment:
    """All templates."""
    made = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        finalize=encoded,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "marks": MARKS,
        "results": frozenset(Result),
        "static": static_address,
    }
    made.filters |= {
        "child": child_text,
        "counted": number_of,
        "ike": ike_text,
        "last_change": last_change_text,
        "live": value_text,
        "part": part,
        "span": span,
    }
    return made
