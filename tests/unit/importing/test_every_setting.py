"""Every setting of swanctl.conf is in the document, is refused, or has a warning."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.importing import Draft, draft, from_root
from reconciler.importing.leftovers import report_leftovers, report_unused_keys
from reconciler.importing.separation import collect
from reconciler.importing.sources import keys_of
from reconciler.importing.vocabulary import (
    CHILD,
    IKE,
    KEY,
    LOCAL,
    REMOTE,
    SHUNTS,
    STOCK_UPDOWN,
    Dropped,
    Fate,
    Refused,
    Taken,
    Vocabulary,
)
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.secret import Secret

ROOT = Path(__file__).parents[3]
OPTIONS = (Path(__file__).parent / "swanctl_options.txt").read_text().split()
"""Every setting and section that swanctl.conf(5) has."""
SETTINGS = [
    option
    for option in OPTIONS
    if not any(other.startswith(f"{option}.") for other in OPTIONS) and not option.endswith("<suffix>")
] + [option for option in OPTIONS if option.endswith(".id<suffix>")]
PAGE = ROOT / "docs" / "reference" / "import.md"
Tree = dict[str, Any]
BASE: Tree = {
    "connections": {
        "office": {
            "version": "2",
            "local_addrs": "203.0.113.10",
            "remote_addrs": "198.51.100.7",
            "proposals": "aes256-sha256-modp2048",
            "dpd_delay": "30s",
            "local": {"auth": "psk", "id": "a.example"},
            "remote": {"auth": "psk", "id": "b.example"},
            "children": {
                "net": {
                    "local_ts": "10.1.0.0/24",
                    "remote_ts": "10.2.0.0/24",
                    "esp_proposals": "aes256-sha256-modp2048",
                }
            },
        }
    },
    "secrets": {"ike-office": {"id-1": "b.example", "secret": "one"}},
}
PLACES = {"<conn>": "office", "<child>": "net", "<name>": "office", "<attr>": "dns", "<suffix>": "-office"}
OTHER_VALUES = {
    "version": "1",
    "local_addrs": "203.0.113.11",
    "remote_addrs": "198.51.100.8",
    "proposals": "aes128-sha256-modp2048",
    "esp_proposals": "aes128-sha256-modp2048",
    "reauth_time": "2h",
    "rekey_time": "2h",
    "life_time": "2h",
    "dpd_delay": "10s",
    "dpd_action": "trap",
    "local_ts": "10.1.1.0/24",
    "remote_ts": "10.2.1.0/24",
    "id": "other.example",
    "auth": "pubkey",
    "secret": "another",
}
"""What the document has, so that another value has to change it; of all other settings any value will do."""


def placed(option: str) -> tuple[str, ...]:
    """Where an option of the manual is in the tree."""
    for name, word in PLACES.items():
        option = option.replace(name, word)
    *sections, last = option.replace("id-office", "id-1").split(".")
    # In the sections that the tree has.
    sections = [
        name.removesuffix("-office") if name.startswith(("local", "remote")) else name for name in sections
    ]
    return (*sections, last)


def planted(options: Mapping[tuple[str, ...], str]) -> tuple[str, dict[tuple[str, ...], set[int]]]:
    """The tree with settings, one in a line; for each of them its line and those where its sections begin."""
    tree = _copied(BASE)
    for path, value in options.items():
        section = tree
        for name in path[:-1]:
            section = section.setdefault(name, {})
        section[path[-1]] = value
    lines: list[str] = []
    begin: dict[tuple[str, ...], int] = {}

    def write(path: tuple[str, ...], section: Tree) -> None:
        for name, value in section.items():
            begin[(*path, name)] = len(lines) + 1
            if isinstance(value, dict):
                lines.append(f"{name} {{")
                write((*path, name), value)
                lines.append("}")
            else:
                lines.append(f"{name} = {value}")

    write((), tree)
    around = {path: {begin[path[:length]] for length in range(2, len(path) + 1)} for path in options}
    return "\n".join(lines) + "\n", around


def _copied(tree: Tree) -> Tree:
    return {name: _copied(value) if isinstance(value, dict) else value for name, value in tree.items()}


def imported(text: str) -> tuple[list[Draft | None], set[int]]:
    """What an import takes, and the lines that have a finding."""
    found = Diagnostics()
    whole = collect("swanctl.conf", lambda _: {"swanctl.conf": Secret(text.encode())})
    report_leftovers(whole, found)
    keys = keys_of(whole.root, found)
    sources = [*from_root(whole.root)]
    report_unused_keys(sources, keys, found)
    return [draft(source, keys, (), found) for source in sources], {item.location.line for item in found}


def said(item: Draft | None) -> tuple[object, ...] | None:
    if item is None:
        return None
    values = {name: getattr(item, name) for name in Draft.__slots__ if name not in {"location", "places"}}
    return tuple(values.items())


@pytest.mark.parametrize("option", SETTINGS)
def test_every_setting_of_the_manual_is_taken_refused_or_has_a_warning(option: str) -> None:
    path = placed(option)
    before, _ = imported(planted({})[0])
    text, around = planted({path: OTHER_VALUES.get(path[-1], "odd")})
    after, lines = imported(text)
    assert lines & around[path] or list(map(said, before)) != list(map(said, after))


VALUES = st.sampled_from(
    ["yes", "no", "0", "1", "2h", "odd", "%any", "a.example", "trap", "10.9.0.0/16", "tunnel"]
)


@given(st.dictionaries(st.sampled_from([placed(option) for option in SETTINGS]), VALUES, max_size=6))
def test_what_a_setting_has_no_finding_for_is_in_the_document(options: dict[tuple[str, ...], str]) -> None:
    """Without the settings that have no finding and that hold anyway, the document would be another one."""
    text, around = planted(options)
    drafts, lines = imported(text)
    if drafts == [None]:
        assert lines, "it is refused, so there is a reason"
        return
    for path, value in options.items():
        if not lines & around[path] and not _holds_anyway(path, value):
            without = {other: kept for other, kept in options.items() if other != path}
            assert said(imported(planted(without)[0])[0][0]) != said(drafts[0])


def _holds_anyway(path: tuple[str, ...], value: str) -> bool:
    if path[0] == "secrets" and path[-1].startswith("id"):
        # They only choose the key (vici's README, load-shared): one without any is everybody's.
        return value in {"%any", "a.example", "b.example"}
    known: Mapping[str, Fate] = {4: LOCAL if path[2:3] == ("local",) else REMOTE, 5: CHILD}.get(
        len(path), IKE
    )
    fate = known.get(path[-1])
    return value in fate.harmless if isinstance(fate, Dropped | Refused) else value in _base_values(path)


def _base_values(path: tuple[str, ...]) -> Iterable[str]:
    """What a setting is anyway: what the tree has, or charon's default."""
    defaults = {"rekey_time": {"4h", "1h"}, "reauth_time": {"0"}, "dpd_action": {"clear"}, "dpd_delay": {"0"}}
    found: Any = BASE
    for name in path:
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return {*defaults.get(path[-1], ()), *([found] if isinstance(found, str) else [])}


SECTIONS: tuple[tuple[str, Vocabulary], ...] = (
    ("connections.<conn>", IKE),
    ("connections.<conn>.local<suffix>", LOCAL),
    ("connections.<conn>.remote<suffix>", REMOTE),
    ("connections.<conn>.children.<child>", CHILD),
    ("secrets.ike<suffix>", KEY),
)


def tables() -> str:
    """The tables of the page."""
    parts = []
    for title, known in SECTIONS:
        rows = "".join(f"| `{_shown(word)}` | {_words(word, fate)} |\n" for word, fate in known.items())
        parts.append(f"## `{title}`\n\n| setting | import |\n|---|---|\n{rows}")
    return "\n".join(parts)


def _shown(word: str) -> str:
    return word.replace("*", "<suffix>")


def _words(word: str, fate: Fate) -> str:
    match fate:
        case Taken(where):
            return f"taken: {where}"
        case Dropped(why, harmless):
            return f"warning: {why}{_unless(harmless)}"
        case Refused(why, harmless):
            more = ""
            if word == "mode":
                more = "; " + ", ".join(f"`{mode}` is refused by name" for mode in SHUNTS)
            if word == "updown":
                more = f"; strongSwan's own `_updown` is a warning: {STOCK_UPDOWN}"
            return f"refused: {why}{_unless(harmless)}{more}"


def _unless(harmless: Iterable[str]) -> str:
    words = ", ".join(f"`{word}`" for word in sorted(harmless, key=lambda word: (not word.isalpha(), word)))
    return f" (nothing for {words})" if words else ""


def test_the_page_has_what_an_import_does() -> None:
    """`UPDATE_GOLDEN=1` writes its tables anew."""
    text = PAGE.read_text()
    head = text[: text.index("## `connections.<conn>`")]
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(head + tables())
    assert PAGE.read_text() == head + tables()


def test_the_tables_have_every_setting_of_the_manual() -> None:
    listed = {f"{title}.{_shown(word)}" for title, known in SECTIONS for word in known}
    concerned = {
        re.sub(r"(\.(ca)?cert<suffix>)\..*", r"\1", option)
        for option in OPTIONS
        if option.startswith(("connections.<conn>.", "secrets.ike"))
    }
    sections = {title for title, _ in SECTIONS}
    assert listed == concerned - sections
