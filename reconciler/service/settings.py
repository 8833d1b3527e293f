"""The reconciler's own settings: one typed YAML file, of which the environment may replace single values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from reconciler.load import Document, dotted
from reconciler.load import Path as FieldPath
from reconciler.load.bounded import read_bounded
from reconciler.load.composer import compose
from reconciler.load.documents import Marks
from reconciler.load.scalars import resolve
from reconciler.model.bounds import MOST_VALUES_OF_DOCUMENT, SETTINGS_BYTES
from reconciler.model.credentials import without_credentials
from reconciler.model.diagnostic import Diagnostic, Diagnostics, Location
from reconciler.model.listing import counted
from reconciler.model.suggestion import did_you_mean
from reconciler.secrets import default_folder
from reconciler.validate.schema_errors import report_schema_errors
from schemas.keys import KEY_PREFIX
from schemas.settings import ReconcileSettings
from schemas.variables import OTHER_VARIABLES, PREFIX, SEPARATOR, Setting, settings

_VARIABLES = {setting.variable: setting for setting in settings()}
_NAMES = [variable.removeprefix(PREFIX) for variable in _VARIABLES]
_SECTIONS = {name.partition(SEPARATOR)[0].lower() for name in _NAMES if SEPARATOR in name}
_LISTS = {name for name in ReconcileSettings.model_fields if name.upper() not in _NAMES} - _SECTIONS


@dataclass(frozen=True, slots=True)
class Effective:
    """The settings that count, and where each of them was said."""

    values: ReconcileSettings
    document: Document
    variables: Mapping[FieldPath, str]
    """Where a variable has replaced what the file says: its name."""

    def where(self, path: FieldPath) -> Location:
        """Where a setting was said: in the file, by a variable, or nowhere (`default`). Of a section, where
        the first of it was said."""
        if path in self.variables:
            return _location(self.variables[path])
        if self.document.has(path):
            return self.document.locate(path)
        inside = (name for known, name in self.variables.items() if known[: len(path)] == path)
        return next(map(_location, inside), Location("default"))

    def said(self) -> list[tuple[str, object, Location]]:
        """Every setting by its dotted path, with its value (None for one that is not set) and where it was
        said, in the order of the reference. User and password of the repository's address are left out."""
        shown: dict[FieldPath, object] = {
            ("repository",): without_credentials(self.values.repository),
            ("secrets",): self.values.secrets or str(default_folder()),
        }
        return [
            (dotted(path), shown.get(path, value), self.where(path))
            for path, value in _leaves(self.values, ())
        ]


def read_settings(path: Path | None, environment: Mapping[str, str], found: Diagnostics) -> Effective | None:
    """The settings of a file, or of the environment alone; None when there are errors, which are in `found`.

    `TUNNELWRIGHT_LISTEN__PORT=8081` replaces `listen.port`, and makes the section that the file has not.
    Raises SourceUnavailable.
    """
    document = _read(path, found)
    _check_names(environment, found)
    if document is None:
        return None
    data: dict[str, Any] = deepcopy(document.data) if isinstance(document.data, dict) else {}
    variables: dict[FieldPath, str] = {}
    for variable, setting in _VARIABLES.items():
        if variable in environment and _put(data, setting, environment[variable]):
            variables[setting.path] = variable
    try:
        values = ReconcileSettings.model_validate(data)
    except ValidationError as error:
        problems = Diagnostics()
        report_schema_errors(error, ReconcileSettings, document, problems)
        found.extend(_placed(item, variables) for item in problems)
        return None
    return None if found.errors else Effective(values, document, variables)


def _put(data: dict[str, Any], setting: Setting, text: str) -> bool:
    """Whether the value has a place: what should be a section and is none stays, for the model to refuse."""
    mapping = data
    for name in setting.path[:-1]:
        if mapping.get(name) is None:
            mapping[name] = {}
        if not isinstance(mapping[name], dict):
            return False
        mapping = mapping[name]
    mapping[setting.path[-1]] = text if setting.is_text else resolve(text)
    return True


def _placed(item: Diagnostic, variables: Mapping[FieldPath, str]) -> Diagnostic:
    """What a variable said is blamed on the variable; what is missing could be said by one."""
    for path, variable in variables.items():
        if item.path == dotted(path):
            return replace(item, location=_location(variable))
    if item.code == "missing-field":
        named = [setting.variable for setting in _VARIABLES.values() if dotted(setting.path) == item.path]
        return replace(item, hint=f"set it in the file, or with the variable {named[0]}") if named else item
    return item


def _check_names(environment: Mapping[str, str], found: Diagnostics) -> None:
    """Report variables that are meant for settings and are none. Others have the prefix too, as keys do."""
    for variable in sorted(environment):
        name = variable.removeprefix(PREFIX)
        if name in _NAMES or variable in OTHER_VARIABLES or variable.startswith(KEY_PREFIX):
            continue
        if name == variable:
            continue
        section = name.partition(SEPARATOR)[0].lower()
        if section in _LISTS:
            message, allowed = f"{section!r} is a list, and lists have no variable", ""
            hint = "set it in the file"
        else:
            hint = did_you_mean(name, _NAMES)
            if not (hint or SEPARATOR in name or section in _SECTIONS):
                continue
            message = "this variable is not a setting"
            inside = [v for v in _VARIABLES if v.startswith(f"{PREFIX}{section.upper()}{SEPARATOR}")]
            allowed = ", ".join(inside or _VARIABLES)
            hint = hint.replace("'", f"'{PREFIX}", 1)
        found.error("unknown-field", _location(variable), message, allowed=allowed, hint=hint)


def _location(variable: str) -> Location:
    return Location(f"environment variable {variable}")


def _leaves(model: BaseModel, path: FieldPath) -> Iterator[tuple[FieldPath, object]]:
    for name, field in type(model).model_fields.items():
        here, value = (*path, field.alias or name), getattr(model, name)
        items = list(enumerate(value)) if isinstance(value, tuple) else []
        if isinstance(value, BaseModel):
            yield from _leaves(value, here)
        elif any(isinstance(item, BaseModel) for _, item in items):
            for number, item in items:
                yield from _leaves(item, (*here, number))
        else:
            yield here, list(value) if isinstance(value, tuple) else value


def _read(path: Path | None, found: Diagnostics) -> Document | None:
    if path is None:
        nowhere = Marks()
        nowhere.add(1, 1)
        return Document({}, nowhere, "settings", 0)
    content = read_bounded(path, SETTINGS_BYTES)
    documents, whole = compose(content, str(path), found)
    if not whole:
        return None
    if len(documents) != 1 or not isinstance(documents[0].data, dict):
        found.error("not-a-document", Location(str(path), 1, 1), "the settings must be one mapping")
        return None
    if documents[0].values > MOST_VALUES_OF_DOCUMENT:
        message = (
            f"{counted(documents[0].values, 'key')} and values; at most {MOST_VALUES_OF_DOCUMENT:,} are read"
        )
        found.error("document-too-large", Location(str(path), 1, 1), message)
        return None
    return documents[0]
