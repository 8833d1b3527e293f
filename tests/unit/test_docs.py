"""What the documentation names is there: links, files, tests, targets, commands, options, metrics."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.main import build_parser
from reconciler.service.metric_families import FAMILIES

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

SUFFIXES = {"conf", "git", "good", "io", "json", "md", "nft", "py", "recipients", "service", "txt", "yaml"}
"""A path that ends so is the name of a file, a package or a remote."""
FOREIGN_OPTIONS = {"--load-all", "--internal", "--filter", "--rounds", "--tunnels"}
"""Options of swanctl, Docker, Git and the benchmarks."""


def prose(page: Path) -> str:
    """A page without its fenced code, which may look like links and headings."""
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> list[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_list_has_every_page() -> None:
    """Those of `kinds` and `decisions` have lists of their own."""
    docs = ROOT / "docs"
    listed = {docs / link for link in re.findall(r"\]\(([^)#\s]+)\)", prose(docs / "README.md"))}
    assert {page for page in docs.glob("*/*.md") if page.parent.name != "decisions"} - listed == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_two_headings_share_an_anchor(page: Path) -> None:
    found = anchors(page)
    assert [anchor for anchor in set(found) if found.count(anchor) > 1 and page.name != "CHANGELOG.md"] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_a_page_names_are_there(page: Path) -> None:
    missing = []
    for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", prose(page)):
        path = ROOT / file
        if not path.is_file() or (name and f"def {name}(" not in path.read_text(encoding="utf-8")):
            missing.append(f"{file}::{name}")
    assert missing == []


def test_every_promise_of_security_names_its_tests() -> None:
    promises = prose(ROOT / "SECURITY.md").partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 20
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py::\w+`", row)] == []


def named(page: Path, pattern: str) -> set[str]:
    """What a page names in code, inline or in a block."""
    return set(re.findall(pattern, page.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    paths = named(page, r"`((?:reconciler|lab|schemas|deploy|scripts|bench|tests)/[\w./-]+)[`:]")
    assert sorted(path for path in paths if not (ROOT / path.split("::")[0]).exists()) == []


def test_modules_that_the_architecture_names_are_there() -> None:
    there = {
        path.name for folder in ("reconciler", "lab", "schemas") for path in (ROOT / folder).rglob("*.py")
    }
    names = named(ROOT / "docs/architecture.md", r"`([a-z_]+\.py)`")
    assert len(names) > 20
    assert names - there == set()


def _modules() -> dict[str, set[str]]:
    """The modules of each folder."""
    found: dict[str, set[str]] = {}
    for root in ("schemas", "reconciler", "lab"):
        for path in (ROOT / root).rglob("*.py"):
            if path.name not in {"__init__.py", "__main__.py"}:
                found.setdefault(str(path.parent.relative_to(ROOT)), set()).add(path.name)
    return found


def test_the_architecture_has_a_row_for_each_folder_and_names_its_modules() -> None:
    """Unless there is one for each thing of a kind, which says what it is by its name."""
    section = prose(ROOT / "docs/architecture.md").partition("\n## Modules\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z/]+)` \| (.*) \|$", section, re.MULTILINE))
    there = _modules()
    assert rows.keys() == there.keys()
    for folder, row in rows.items():
        names = re.findall(r"`([a-z_]+\.py)`", row)
        assert len(names) == len(set(names)), folder
        of_a_kind = re.match(r"(\[)?one module (or package )?for each", row) and set(names) < there[folder]
        assert of_a_kind or set(names) == there[folder], (folder, there[folder] ^ set(names))


def test_each_facet_of_the_architecture_is_compiled_and_compared_in_modules_of_its_name() -> None:
    section = prose(ROOT / "docs/architecture.md").partition("\n## Facets\n")[2].partition("\n## ")[0]
    facets = re.findall(r"^\| `([a-z]+)` \|", section, re.MULTILINE)
    assert len(facets) >= 7
    room = ROOT / "reconciler/facets"
    packages = {path.parent.name for path in room.glob("*/__init__.py")}
    assert {path.stem for path in room.glob("*.py")} - {"__init__"} | packages == set(facets)
    assert set(facets) <= {path.stem for path in (ROOT / "reconciler/diff").glob("*.py")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_that_a_page_names_are_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named(page, r"(?:`|^\$ )make ([a-z]+)") - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_metrics_that_a_page_names_are_there(page: Path) -> None:
    # A table of nftables is called so too.
    known = {family.full_name for family in FAMILIES} | {"tunnelwright_loading"}
    assert sorted(named(page, r"\b(tunnelwright_[a-z_]+[a-z])\b") - known) == []


def _fields(schema: object) -> Iterator[str]:
    """The names of all fields and of all values that one may choose."""
    if isinstance(schema, dict):
        properties, values = schema.get("properties"), schema.get("enum")
        yield from properties if isinstance(properties, dict) else ()
        yield from map(str, values) if isinstance(values, list) else ()
    if isinstance(schema, dict | list):
        for inner in schema.values() if isinstance(schema, dict) else schema:
            yield from _fields(inner)


def test_fields_and_settings_that_a_page_names_are_there() -> None:
    schemas = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "schemas").rglob("*.json")]
    fields = set(_fields(schemas))
    assert len(fields) > 100
    # Names of several words, alone or behind a path: no other words of a page look so.
    pattern = r"`(?:[a-z]\w*\.)*([a-z]+[A-Z]\w*)(?=[`:.\[])"
    unknown = {page.name: named(page, pattern) - fields for page in PAGES if page.name != "CHANGELOG.md"}
    assert {page: words for page, words in unknown.items() if words} == {}


def test_paths_of_fields_that_a_page_names_are_there() -> None:
    """Where the first word is a field, the others are too."""
    schemas = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "schemas").rglob("*.json")]
    fields = set(_fields(schemas))
    unknown = set()
    for page in PAGES:
        for path in named(page, r"`([a-z]\w*(?:\.[a-z]\w*)+)`"):
            first, *others = path.split(".")
            if first in fields and not fields.issuperset(others) and others[-1] not in SUFFIXES:
                unknown.add(f"{page.name}: {path}")
    assert unknown == set()


def test_modules_are_named_by_paths_that_are_there() -> None:
    """`room/module.py` is below one of the folders."""
    there = [str(path.relative_to(ROOT)) for path in ROOT.glob("[a-z]*/**/*.py")]
    unknown = {
        f"{page.name}: {path}"
        for page in PAGES
        for path in named(page, r"`([a-z_]+(?:/[a-z_]+)+\.py)`")
        if page.name != "CHANGELOG.md" and not any(f"/{other}".endswith(f"/{path}") for other in there)
    }
    assert unknown == set()


def test_options_that_a_page_names_alone_are_there() -> None:
    options = set().union(*dict(_commands(build_parser())).values())
    unknown = {
        f"{page.name}: {option}"
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for option in named(page, r"`(--[a-z][a-z-]*)(?=[` =])")
        if option not in options | FOREIGN_OPTIONS
    }
    assert unknown == set()


def _commands(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, set[str]]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                whole = f"{path} {name}".strip()
                inner = dict(_commands(below, whole))
                own = {option for found in below._actions for option in found.option_strings}
                # A page may speak of all commands of a group at once.
                yield whole, own.union(*inner.values())
                yield from inner.items()


def test_commands_and_options_that_a_page_names_are_there() -> None:
    options = dict(_commands(build_parser()))
    unknown = []
    for page in PAGES:
        for line in named(page, r"(?:^\$ |`)tunnelwright ([a-z][^`\n]*)"):
            # What stands in quotes is for a router.
            words = line.partition("'")[0].split()
            # Longest first: `lab up` before `lab`.
            known = next((key for key in (" ".join(words[:2]), words[0]) if key in options), None)
            if known is None:
                unknown.append(f"{page.name}: {line}")
                continue
            used = set(re.findall(r"(?<!\S)\[?(--[a-z][a-z-]*)", " ".join(words)))
            unknown += [f"{page.name}: {known} {option}" for option in used - options[known]]
    assert unknown == []
