"""The committed JSON Schemas: valid, and of one mind with the models."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError
from referencing import Registry, Resource
from ruamel.yaml import YAML

from reconciler.load import load_tree
from schemas.generate import ROOT, SCHEMAS, SETTINGS_EXAMPLE, json_schemas
from schemas.kinds import KINDS
from schemas.settings import ReconcileSettings


def validator() -> Draft202012Validator:
    """For any document, by the schema that editors are pointed to."""
    contents = {
        path.name: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / SCHEMAS).glob("*.json")
    }
    registry: Registry[Any] = Registry().with_resources(
        (name, Resource.from_contents(content)) for name, content in contents.items()
    )
    return Draft202012Validator(contents["tunnelwright.schema.json"], registry=registry)


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


def test_the_schema_of_the_settings_takes_what_the_model_takes() -> None:
    settings = YAML(typ="safe").load(ROOT / SETTINGS_EXAMPLE)
    schema = Draft202012Validator(json.loads(json_schemas()["ReconcileSettings.schema.json"]))
    schema.validate(settings)
    ReconcileSettings.model_validate(settings)
    named = re.search(r"\$schema=(\S+)", (ROOT / SETTINGS_EXAMPLE).read_text())
    assert named is not None
    assert ((ROOT / SETTINGS_EXAMPLE).parent / named[1]).is_file()
    for wrong in (
        {"interval": 0},
        {"brunch": "main"},
        {"listen": {"port": 70000}},
        {"status": {**settings["status"], "tokenFile": "hunter2"}},
        {"notify": [{"urlFile": "/u", "on": ["up"]}]},
    ):
        assert not schema.is_valid({**settings, **wrong})
        with pytest.raises(ValidationError):
            ReconcileSettings.model_validate({**settings, **wrong})


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
    models(ReconcileSettings, seen)
    for kind in KINDS.values():
        models(kind, seen)
    bare = [
        f"{model.__name__}.{name}"
        for model in seen
        for name, field in model.model_fields.items()
        if not field.description or (not field.examples and name not in {"spec", "metadata"})
    ]
    assert bare == []
