"""Which of pydantic's errors of one document follow from another one, and what the author meant. Pure.

A misspelt field is unknown, and its right name is missing. The same holds for a field with wrong indentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from reconciler.load import Path, dotted
from reconciler.model.listing import listed
from reconciler.model.suggestion import nearest


@dataclass(slots=True)
class Causes:
    """What remains to be reported, and what is known of some of it."""

    details: list[ErrorDetails]
    hints: dict[Path, str] = field(default_factory=dict)
    """Path of an unknown field, or of one without a value -> what to do about it."""


def causes(details: Sequence[ErrorDetails], model: type[BaseModel]) -> Causes:
    """The errors of one document without those that follow from others. `model` is what it was checked
    against."""
    missing = {_path(detail): detail for detail in details if _is_missing(detail)}
    unknown = [_path(detail) for detail in details if detail["type"] == "extra_forbidden"]
    found = Causes([])
    explained: set[Path] = set()
    for empty in (_path(detail) for detail in details if _is_empty(detail)):
        inside = [path for path in unknown if path[:-1] == empty[:-1] and path[-1] in fields_at(model, empty)]
        if inside:
            found.hints[empty] = f"indent {listed(str(path[-1]) for path in inside)} below it"
            explained.update(inside)
    for path in unknown:
        if path in explained:
            continue
        here = [str(name) for *above, name in missing if tuple(above) == path[:-1]]
        meant = nearest(str(path[-1]), here)
        elsewhere = [other for other in missing if other[-1] == path[-1]]
        if meant:
            found.hints[path] = f"did you mean {meant!r}?"
            explained.add((*path[:-1], meant))
        elif elsewhere:
            found.hints[path] = _belongs(elsewhere)
            explained.add(elsewhere[0])
        elif path[-1] not in fields_at(model, path[:-1]) and (places := list(_places(model, path))):
            found.hints[path] = _belongs(places)
    found.details = [detail for detail in details if _path(detail) not in explained]
    return found


def _belongs(places: Sequence[Path]) -> str:
    """`places` are paths of the field where it would be known."""
    owners = listed((dotted(place[:-1]) or "the top level" for place in places), between=" or ")
    return f"it belongs to {owners}: correct its indentation"


def _places(model: type[BaseModel], path: Path) -> Iterator[Path]:
    """Where the field of a path would be known: in a mapping around it, or in one beside it."""
    *above, name = path
    around = [tuple(above[:depth]) for depth in range(len(above))]
    beside = [(*above, other) for other in fields_at(model, tuple(above))]
    for place in (*around, *beside):
        if name in fields_at(model, place):
            yield (*place, name)


def _path(detail: ErrorDetails) -> Path:
    return tuple(detail["loc"])


def _is_missing(detail: ErrorDetails) -> bool:
    # A rule of ours that misses one of several fields names the mapping.
    return detail["type"] == "missing" and not detail.get("ctx")


def _is_empty(detail: ErrorDetails) -> bool:
    return detail["type"] == "model_type" and detail["input"] is None


def is_field(model: type[BaseModel], name: object) -> bool:
    """Whether a document has a field of this name anywhere, so that the name is no key."""
    return name in _every_field(model)


def _every_field(model: type[BaseModel]) -> frozenset[str]:
    if model not in _FIELDS:
        inner = (_model_in(part.annotation) for part in model.model_fields.values())
        deeper = (_every_field(part) for part in inner if part is not None)
        _FIELDS[model] = frozenset(_aliases(model)).union(*deeper)
    return _FIELDS[model]


_FIELDS: dict[type[BaseModel], frozenset[str]] = {}


def _aliases(model: type[BaseModel]) -> Mapping[str, Any]:
    return {part.alias or name: part for name, part in model.model_fields.items()}


def fields_at(model: type[BaseModel], path: Path) -> list[str]:
    """The field names of the mapping at a path, as they are written in YAML; none for what is no mapping with
    fields."""
    current: type[BaseModel] = model
    for part in path:
        if isinstance(part, int):
            continue
        known = _aliases(current).get(part)
        inner = None if known is None else _model_in(known.annotation)
        if inner is None:
            return []
        current = inner
    return list(_aliases(current))


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model inside `Model | None`, `tuple[Model, ...]` or `Annotated[...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        inner = _model_in(part)
        if inner is not None:
            return inner
    return None
