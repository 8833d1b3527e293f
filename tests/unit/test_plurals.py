"""Texts count with `counted`: a plural that is written right after a number is wrong of one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for room in ("reconciler", "lab") for path in (ROOT / room).rglob("*.py"))
ALWAYS_MANY = {
    ("reconciler/cli/commands/reconcile.py", "seconds"),  # of a setting, with fractions
    ("reconciler/importing/connection.py", "seconds"),  # the end of a range
    ("reconciler/service/notifier.py", "seconds"),
    ("reconciler/service/notifications.py", "answers"),  # the verb, after a name
    ("reconciler/validate/shapes.py", "ends"),  # two of each connection
    ("reconciler/diagnosis/path_mtu.py", "bytes"),  # sizes of packets
    ("reconciler/facets/firewall/nft_listing.py", "parts"),  # of a set's type
    ("reconciler/report/plan_text.py", "routers"),  # said only of several
}
"""(file, noun) where a number is never 1."""
BOUND = re.compile(r"(?:.*\.)?[A-Z][A-Z_]+(?: // .*)?")
"""A constant: a bound, which is never 1."""
BETWEEN = {"contains", "for", "from", "has", "in", "of", "on", "or", "receives", "sends"}
"""Words after which a noun is not what the value counts."""
FOLLOWS = re.compile(r" ((?:[a-z]+ ){0,2})(\w+)")
NUMBER = re.compile(r" (?:are|were|differ)\b.*")
"""The verb that agrees with a plural."""


def calls(tree: ast.AST) -> Iterator[list[str]]:
    """The noun, and its plural if one is given, of every call of `counted` that writes them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "counted":
            words = [str(each.value) for each in node.args[1:] if isinstance(each, ast.Constant)]
            if words:
                yield words


def plurals_of(trees: dict[str, ast.Module]) -> set[str]:
    """The plural of every noun that is counted anywhere."""
    found = set[str]()
    for tree in trees.values():
        for noun, *plural in calls(tree):
            found.add(NUMBER.sub("", plural[0]).split()[-1] if plural else f"{noun.split()[-1]}s")
    return found


def uncounted(tree: ast.Module, nouns: set[str]) -> Iterator[tuple[int, str]]:
    """(line, noun) of each such noun that an f-string has right after a value, other words between them."""
    for text in (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)):
        for value, after in zip(text.values, text.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            match = FOLLOWS.match(str(after.value))
            words = [] if match is None else [*match[1].split(), match[2]]
            noun = next((word for word in words if word in nouns), "")
            counts = noun and BETWEEN.isdisjoint(words[: words.index(noun)])
            if counts and not BOUND.fullmatch(ast.unparse(value.value)):
                yield value.lineno, noun


TREES = {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
NOUNS = plurals_of(TREES)


def test_what_is_counted_by_hand_is_found() -> None:
    assert {"bytes", "packets", "addresses", "queries", "tunnels"} <= NOUNS
    source = 'f"{n} more unused packets", f"{len(a)} bytes", f"{bounds.MOST} bytes", f"{a}, bytes"'
    assert [noun for _, noun in uncounted(ast.parse(source), NOUNS)] == ["packets", "bytes"]


@pytest.mark.parametrize("room", ["reconciler", "lab"])
def test_no_plural_is_written_after_a_number(room: str) -> None:
    assert [
        f"{place}:{line}: {noun}"
        for place, tree in TREES.items()
        if place.startswith(room)
        for line, noun in uncounted(tree, NOUNS)
        if (place, noun) not in ALWAYS_MANY
    ] == []
