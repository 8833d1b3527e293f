"""The reply of `nft -j list table inet tunnelwright` -> LiveFirewall (libnftables-json(5)).

The table is ours, and any process of root may have put more into it. What is valid nftables is understood:
as an element like ours, or as something to take away. Any other answer is not understood.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from reconciler.facets.firewall import COPY, SET_TYPE, SETS, canonical, element_path
from reconciler.model.decoding import Fields, from_json, not_understood, text
from reconciler.model.router_config import LiveFirewall, Pair
from reconciler.model.swanctl import Change

_WHERE: Final = "nft list table"
_BROKEN_OFF: Final = re.compile(r'"table": \{[^{}]*"flags": *\s*$')
"""What nftables 1.0.6 prints of a table with flags: it fails at their names, and prints no more."""
_SET_OPTIONS: Final = {
    **{name: name for name in ("auto-merge", "comment", "gc-interval", "policy", "size", "timeout")},
    "stmt": "statements",
}
"""What a set may have besides its type, its flags and its elements, and ours has not."""


@dataclass(slots=True)
class _Table:
    """A table while its entries are read."""

    elements: dict[str, set[Pair]] = field(default_factory=lambda: {name: set() for name in SETS})
    rules: list[Mapping[str, Any]] = field(default_factory=list)
    unlike: list[Change] = field(default_factory=list)

    def differs(self, path: str, before: str, after: str | None = None) -> None:
        """Note something that is not as this tool loads it."""
        self.unlike.append(Change(path, before, after, "kernel"))


def decode(listing: str, *, copy: bool = False) -> LiveFirewall | None:
    """The table; None when there is none, for which the listing is empty. `copy`: whether a copy of it was
    left behind, which goes when the table is made anew.

    Raises AnswerNotUnderstood.
    """
    table = _Table()
    if copy:
        table.differs(f"table {COPY}", "left behind")
    if not listing.strip():
        if not copy:
            return None
        listing = '{"nftables": []}'
    if _BROKEN_OFF.search(listing):
        table.differs("table", "with flags")
        listing = '{"nftables": []}'
    for entry in Fields(from_json(listing, _WHERE), _WHERE).items("nftables"):
        for kind, body in Fields(entry, _WHERE).sections():
            _read(table, kind, body)
    return LiveFirewall(
        guarded=frozenset(table.elements["guarded"]),
        broadcast=frozenset(table.elements["broadcast"]),
        peers=frozenset(table.elements["peers"]),
        rules=canonical(table.rules),
        unlike=tuple(sorted(table.unlike, key=lambda change: change.path)),
    )


def _read(table: _Table, kind: str, body: Fields) -> None:
    match kind:
        case "metainfo":
            pass
        case "table":
            # A dormant table does nothing.
            if "flags" in body:
                table.differs("table", "with flags")
        case "set":
            _read_set(table, body)
        case "chain":
            body.text("name")
            table.rules.append({kind: body.raw()})
        case "rule":
            body.text("chain")
            body.items("expr", ())
            table.rules.append({kind: body.raw()})
        case _:
            table.differs(f"{kind} {body.text('name')}", "present")


def _read_set(table: _Table, body: Fields) -> None:
    name = body.text("name")
    if name not in SETS or _words(body, "type") != SET_TYPE:
        table.differs(f"set {name}", "present" if name not in SETS else "of another type")
        return
    flags = tuple(sorted(_words(body, "flags", ())))
    others = [flag for flag in flags if flag not in SETS[name]]
    others += [words for option, words in _SET_OPTIONS.items() if option in body and words not in others]
    others += [f"no {flag}" for flag in SETS[name] if flag not in flags]
    if others:
        table.differs(f"set {name}", f"with {', '.join(others)}")
    for element in body.items("elem", ()):
        pair, more = _read_element(element, _WHERE, name)
        if "interval" not in SETS[name] and not all(map(_is_address, pair)):
            # Such a set takes no networks and no ranges, so this one goes with the set as it is.
            table.differs(element_path(name, pair), "present")
            continue
        table.elements[name].add(pair)
        if more:
            table.differs(element_path(name, pair), f"with {', '.join(more)}", "present")


def _words(body: Fields, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """A list of words, which nftables prints as one word where there is only one."""
    if name in body and (word := body.raw()[name]) and isinstance(word, str):
        return (text(word, _WHERE, name),)
    if name == "type" and isinstance(body.raw().get(name), Mapping):
        # `typeof`: an expression stands for the type.
        return ()
    return body.texts(name, default)


def _read_element(element: object, *where: str) -> tuple[Pair, tuple[str, ...]]:
    """An element, and the names of what it has besides: a comment, a counter, a timeout."""
    fields = Fields(element, *where)
    if "elem" in fields:
        inner = fields.section("elem")
        pair, _ = _read_element(inner.raw().get("val"), *where, "val")
        return pair, tuple(sorted(name for name in inner.names() if name not in {"val", "expires"}))
    parts = fields.items("concat")
    if len(parts) != len(SET_TYPE):
        raise not_understood(element, f"an element of {len(SET_TYPE)} parts", *where)
    first, second = (_read_part(part, *where) for part in parts)
    return (first, second), ()


def _read_part(part: object, *where: str) -> str:
    try:
        if not isinstance(part, Mapping):
            return _network(text(part, *where), 32)
        fields = Fields(part, *where)
        if "range" in fields:
            first, last = (IPv4Address(text(end, *where, "range")) for end in fields.items("range"))
            if first <= last:
                return f"{first}-{last}"
        elif "prefix" in fields:
            prefix = fields.section("prefix")
            return _network(prefix.text("addr"), prefix.number("len"))
    except ValueError:
        pass
    raise not_understood(part, "an IPv4 address, network or range", *where)


@lru_cache(maxsize=10_000)
def _network(address: str, length: int) -> str:
    """A network as nftables prints it, a /32 as an address. Raises ValueError."""
    # Kept, because most stand in many elements.
    return str(IPv4Network((address, length))).removesuffix("/32")


def _is_address(part: str) -> bool:
    return "/" not in part and "-" not in part
