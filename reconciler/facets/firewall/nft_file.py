"""The nftables table as a file in the language of nft(8), which a router loads before its network comes up.

In JSON it could not stand in one transaction with the router's own rules, which are a file of that
language. It is made of the same rules as the table that an apply loads, so the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from reconciler.facets.firewall import FAMILY, SETS, TABLE, compile_rules, elements
from reconciler.model.router_config import Firewall, Pair

END = "# end"
"""The last line: a file without it is not whole."""


def render(desired: Firewall, kept: Mapping[str, frozenset[Pair]]) -> str:
    """A transaction that replaces the table, or makes it. `kept` are more elements, by their set."""
    lines = [f"table {FAMILY} {TABLE}", f"delete table {FAMILY} {TABLE}", f"table {FAMILY} {TABLE} {{"]
    for name, flags in SETS.items():
        lines += [f"    set {name} {{", "        type ipv4_addr . ipv4_addr"]
        lines += [f"        flags {', '.join(flags)}"] if flags else []
        pairs = elements(desired, name, kept)
        if pairs:
            listed = (f"            {first} . {second}" for first, second in sorted(pairs))
            lines += ["        elements = {", ",\n".join(listed), "        }"]
        lines.append("    }")
    lines += _chains(desired.mss, desired.outside)
    return "\n".join([*lines, "}", END, ""])


@lru_cache(maxsize=64)
def _chains(mss: int, outside: frozenset[str]) -> tuple[str, ...]:
    """The lines of all chains: thousands of routers have the same."""
    entries = compile_rules(mss, outside)
    rules: dict[str, list[str]] = {}
    for entry in entries:
        if "rule" in entry:
            words = " ".join(map(_words, entry["rule"]["expr"]))
            rules.setdefault(entry["rule"]["chain"], []).append(f"        {words}")
    lines: list[str] = []
    for entry in entries:
        if "chain" in entry:
            chain = entry["chain"]
            hook = f"type {chain['type']} hook {chain['hook']} priority {chain['prio']}"
            lines += [f"    chain {chain['name']} {{", f"        {hook}; policy {chain['policy']};"]
            lines += [*rules.get(chain["name"], ()), "    }"]
    return tuple(lines)


def _words(expression: object) -> str:
    """An expression or statement of libnftables-json(5), of those that our rules have."""
    if isinstance(expression, bool):
        return "exists" if expression else "missing"
    if not isinstance(expression, Mapping):
        return str(expression)
    [(kind, body)] = expression.items()
    return _WRITERS[kind](body)


def _match(body: Mapping[str, Any]) -> str:
    # What is equal, and a flag that is set, have no operator.
    between = "" if body["op"] in {"==", "in"} else f" {body['op']}"
    right = _words(body["right"])
    if body["left"] in ({"meta": {"key": "iifname"}}, {"meta": {"key": "oifname"}}):
        right = f'"{right}"'
    return f"{_words(body['left'])}{between} {right}"


_WRITERS: Final[Mapping[str, Callable[[Any], str]]] = {
    "match": _match,
    "concat": lambda parts: " . ".join(map(_words, parts)),
    "payload": lambda body: f"{body['protocol']} {body['field']}",
    "meta": lambda body: f"meta {body['key']}",
    "rt": lambda body: f"rt {body['key']}",
    "ct": lambda body: f"ct {body['key']}",
    "tcp option": lambda body: f"tcp option {body['name']} {body['field']}",
    "set": lambda members: f"{{ {', '.join(map(_words, members))} }}",
    "mangle": lambda body: f"{_words(body['key'])} set {_words(body['value'])}",
    "snat": lambda body: f"snat {body['family']} to {_words(body['addr'])}",
    "counter": lambda _: "counter",
    "drop": lambda _: "drop",
    "accept": lambda _: "accept",
}
"""How each kind is written."""
