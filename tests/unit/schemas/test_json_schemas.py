"""The committed JSON Schemas: current, valid, and of one mind with the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from referencing import Registry, Resource

from reconciler.load import load_tree
from schemas.generate import FOLDER, json_schemas, main, stale
from schemas.kinds import KINDS

ROOT = Path(__file__).parents[3]


def validator() -> Draft202012Validator:
    """For any document, by the schema that editors are pointed to."""
    contents = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
    registry: Registry[Any] = Registry().with_resources(
        (name, Resource.from_contents(content)) for name, content in contents.items()
    )
    return Draft202012Validator(contents["tunnelwright.schema.json"], registry=registry)


def test_committed_schemas_are_current() -> None:
    assert stale() == []
    assert main(["--check"]) == 0


def test_every_schema_is_valid() -> None:
    for text in json_schemas().values():
        Draft202012Validator.check_schema(json.loads(text))


def test_the_desired_state_fits_its_schema() -> None:
    documents = load_tree(ROOT / "desired_state").documents
    assert documents
    for document in documents:
        validator().validate(document.data)


@pytest.mark.parametrize("spec", [{}, {"cidr": "10.0.0.0/99"}, {"cidr": "10.0.0.0/8", "more": 1}])
def test_the_schema_refuses_what_the_model_refuses(spec: dict[str, Any]) -> None:
    document = {
        "apiVersion": "tunnelwright/v1",
        "kind": "VpcNetwork",
        "metadata": {"name": "a"},
        "spec": spec,
    }
    assert not validator().is_valid(document)


def test_stale_schemas_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    (tmp_path / "Vip.schema.json").unlink()
    (tmp_path / "Old.schema.json").write_text("{}")
    network = tmp_path / "VpcNetwork.schema.json"
    network.write_text(network.read_text().replace("A private network", "A network", 1))
    assert main(["--check"], tmp_path) == 1
    said = capsys.readouterr().err
    assert "Vip.schema.json: missing" in said
    assert "Old.schema.json: not in the models" in said
    assert "VpcNetwork.schema.json:" in said
    assert "python -m schemas.generate" in said
    assert main([], tmp_path) == 0
    assert stale(tmp_path) == []


def models(model: type[BaseModel], seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """A model and all that its fields lead to."""
    if model not in seen:
        seen.add(model)
        for field in model.model_fields.values():
            for part in _types(field.annotation):
                models(part, seen)
    return seen


def _types(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _types(part)]


def test_every_field_is_described_with_an_example() -> None:
    seen: set[type[BaseModel]] = set()
    for kind in KINDS.values():
        models(kind, seen)
    bare = [
        f"{model.__name__}.{name}"
        for model in seen
        for name, field in model.model_fields.items()
        if not field.description or (not field.examples and name not in {"spec", "metadata"})
    ]
    assert bare == []
