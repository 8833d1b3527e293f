"""A key that was pasted anywhere into a document is in no output: as the value and as the name of each field,
and as a field that does not belong where it is, in every mapping of every kind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler.load import Source
from reconciler.load.reading import read
from reconciler.model.diagnostic import Diagnostics
from reconciler.operations.revisions import between
from reconciler.policy import Judgement
from reconciler.report import markdown
from reconciler.report.diagnostic_text import diagnostic_lines
from reconciler.report.json.diagnostics import diagnostic_object
from reconciler.report.json.lines import dump
from reconciler.report.json.plan import plan_objects
from reconciler.report.junit import junit
from reconciler.report.mermaid import graph_lines
from reconciler.report.plan_text import plan_lines
from reconciler.report.sarif import sarif
from reconciler.secrets import SecretStore, missing
from reconciler.validate import validate
from schemas.kinds import KINDS

ROOT = Path(__file__).parents[3]
KEYS = {
    "words": "Sup3rSecretKey!",
    "base64": "9vT+uJ5yq0mW/8eXh1fKz3bL7cRkQwYpN2sD4aGiHlE=",
    "hexadecimal": "5f4dcc3b5aa765d61d8327deb882cf99",
}
WHERE_IT_IS_SAID = {("spec", "identity", "local"), ("spec", "identity", "peer")}
"""What a peer receives, and a plan has to show: an ID may be any text, also the serial number of a device."""

Place = tuple[str | int, ...]


def documents(folder: Path) -> list[dict[str, Any]]:
    yaml = YAML(typ="safe", pure=True)
    parts = [item for path in sorted(folder.glob("*.yaml")) for item in yaml.load_all(path.read_text())]
    return [item for item in parts if "kind" in item]


BASE = documents(ROOT / "tests" / "errors" / "base")
"""A small tree that is valid."""
EVERY = [*documents(ROOT / "docs" / "reference" / "examples"), *BASE]
"""With one of each kind that has all of its fields."""


def places(data: Any, here: Place = ()) -> Iterator[Place]:
    yield here
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for part, value in items:
        yield from places(value, (*here, part))


def at(data: Any, place: Place) -> Any:
    for part in place:
        data = data[part]
    return data


def planted(document: dict[str, Any], key: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The document with the key in one place, for each place and each way to put it there."""
    for place in places(document):
        if place:
            changed = deepcopy(document)
            at(changed, place[:-1])[place[-1]] = key
            yield place, changed
        if place and isinstance(at(document, place[:-1]), dict):
            changed = deepcopy(document)
            mapping = at(changed, place[:-1])
            mapping[key] = mapping.pop(place[-1])
            yield place, changed
        if isinstance(at(document, place), dict):
            for extra in ({key: "x"}, {key: None}, {"key": {"file": key}}, {"psk": key}, {"file": key}):
                changed = deepcopy(document)
                at(changed, place).update(extra)
                yield place, changed
        elif isinstance(at(document, place), list):
            changed = deepcopy(document)
            at(changed, place).append({"key": key})
            yield place, changed


def outputs(tree: list[dict[str, Any]]) -> dict[str, str]:
    content = "\n---\n".join(json.dumps(item, default=str) for item in tree).encode()
    fabric, found = validate(read({"a.yaml": content}, Source("", ""), Diagnostics()))
    items = list(found)
    written = {
        "text": "\n".join(line.text for line in diagnostic_lines(items)),
        "json": "\n".join(dump(map(diagnostic_object, items))),
        "sarif": sarif(items, "1"),
        "junit": junit(items, []),
        "markdown": markdown.comment(None, Judgement(), (), items, base="a", head="b", unchanged=""),
    }
    if not found.errors:
        bare = replace(fabric, tunnels={})
        for name, (base, head) in {"plan": (bare, fabric), "plan back": (fabric, bare)}.items():
            step = between(base, head, datetime.now(UTC))
            written[name] = "\n".join(
                [
                    *(line.text for line in plan_lines(step.plan)),
                    *dump(plan_objects(step.plan)),
                    *step.notes,
                    markdown.comment(step.plan, step.judgement, (), (), base="a", head="b", unchanged=""),
                ]
            )
        written["graph"] = "\n".join(graph_lines(fabric))
    return written


def test_every_kind_is_tried() -> None:
    assert {item["kind"] for item in EVERY} == set(KINDS)
    assert not any(key in text for text in outputs(BASE).values() for key in KEYS.values())
    assert "plan" in outputs(BASE)


@pytest.mark.parametrize("form", KEYS)
def test_a_key_in_any_place_of_a_document_is_in_no_output(form: str) -> None:
    """The forms take turns from place to place; `make fuzz` tries each form in each of them."""
    turn, turns = [*KEYS].index(form), 1 if "FUZZ_EXAMPLES" in os.environ else len(KEYS)
    key = KEYS[form]
    leaks = set()
    for document in EVERY:
        rest = [item for item in BASE if item is not document and item["metadata"] != document["metadata"]]
        for place, changed in islice(planted(document, key), turn % turns, None, turns):
            if place in WHERE_IT_IS_SAID:
                continue
            said = outputs([*rest, changed])
            leaks |= {(document["kind"], place, name) for name, text in said.items() if key in text}
    assert sorted(leaks, key=str) == []


REFERENCES = (
    {"file": "{key}.psk"},
    {"age": "{key}.age"},
    {"age": "keys/{key}.age"},
    {"sops": {"file": "{key}.sops.yaml", "field": "psk"}},
    {"sops": {"file": "keys/a.sops.yaml", "field": "{key}"}},
    {"vault": {"path": "secret/tunnelwright/{key}"}},
    {"vault": {"path": "secret/tunnelwright/a", "field": "{key}"}},
    {"env": "TUNNELWRIGHT_KEY_{key}"},
)


def written(reference: Any, key: str) -> Any:
    if isinstance(reference, dict):
        return {name: written(value, key) for name, value in reference.items()}
    return reference.format(key=key)


@pytest.mark.parametrize("key", [*KEYS.values(), "9vT-uJ5yq0mW_8eXh1fKz3bL7cRkQwYpN2sD4aGiHlE"])
def test_a_key_in_the_place_of_a_name_with_an_ending_is_in_no_output(key: str, tmp_path: Path) -> None:
    leaks = []
    for reference in REFERENCES:
        used = key.upper() if "env" in reference else key
        changed = deepcopy(BASE)
        for document in changed:
            if document["kind"] == "IPsecTunnel":
                document["spec"]["authentication"]["key"] = written(reference, used)
        said = outputs(changed)
        content = "\n---\n".join(json.dumps(item, default=str) for item in changed).encode()
        fabric, found = validate(read({"a.yaml": content}, Source("", ""), Diagnostics()))
        if not found.errors:
            answers = SecretStore(tmp_path, {}).ask({tunnel.psk for tunnel in fabric.tunnels.values()})
            error = missing(answers)
            said["missing"] = f"{error.message} {error.hint}"
        leaks += [(reference, name) for name, text in said.items() if used in text]
    assert leaks == []


def test_a_key_in_the_lock_file_is_in_no_output() -> None:
    for key in KEYS.values():
        lock = f"{key!r}: 203.0.113.9\nshared: {key!r}\n{key!r}x: [{key!r}]\n".encode()
        loaded = read({"vips.lock.yaml": lock}, Source("", ""), Diagnostics())
        _, found = validate(loaded)
        said = "\n".join(dump(map(diagnostic_object, found)))
        assert len(list(found)) > 0
        assert key not in said


def test_what_is_no_key_is_still_quoted() -> None:
    """So that a message says which of many words is misspelt."""
    document = deepcopy(next(item for item in BASE if item["kind"] == "IPsecTunnel"))
    document["spec"]["dscription"] = "x"
    document["spec"]["peer"]["address"] = "203.0.113.300"
    document["spec"]["router"] = "router-x"
    rest = [item for item in BASE if item["metadata"] != document["metadata"]]
    wrong = outputs([*rest, document])["text"]
    assert "the field 'dscription' is unknown here" in wrong
    assert "did you mean 'description'?" in wrong
    assert "'203.0.113.300' is not an IPv4 address" in wrong
    del document["spec"]["dscription"]
    document["spec"]["peer"]["address"] = "203.0.113.20"
    assert "there is no VpcRouter named 'router-x'" in outputs([*rest, document])["text"]
