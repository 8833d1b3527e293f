"""The environment variable of each setting of `tunnelwright reconcile`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, get_args, get_origin

from pydantic import BaseModel

from schemas.settings import ReconcileSettings

PREFIX: Final = "TUNNELWRIGHT_"
"""What the name of every variable begins with."""

SEPARATOR: Final = "__"
"""What stands between a section and its field in the name of a variable."""

OTHER_VARIABLES: Final = frozenset(
    {"TUNNELWRIGHT_COMMAND", "TUNNELWRIGHT_IDENTITY", "TUNNELWRIGHT_LAB_BASE", "TUNNELWRIGHT_LAB_STATE"}
)
"""Variables with the prefix that are no settings, and are read elsewhere."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting that has a variable: every one but the lists and what is in them."""

    path: tuple[str, ...]
    """As the file has it: `("listen", "port")`."""
    variable: str
    is_text: bool
    """True when the variable's value is taken as it is, not read as YAML reads a scalar."""


def settings(model: type[BaseModel] = ReconcileSettings, above: Setting | None = None) -> Iterator[Setting]:
    """Every setting that has a variable, in the order of the file."""
    for name, field in model.model_fields.items():
        parts = set(_parts(field.annotation))
        path, start = ((), PREFIX) if above is None else (above.path, above.variable + SEPARATOR)
        is_text = not parts & {int, float, bool}
        setting = Setting((*path, field.alias or name), start + name.upper(), is_text)
        section = next(
            (part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)), None
        )
        if tuple in parts:
            continue
        if section is None:
            yield setting
        else:
            yield from settings(section, setting)


def _parts(annotation: object) -> Iterator[object]:
    """The types that an annotation is made of: of `tuple[int, ...] | None` tuple, int and None."""
    yield get_origin(annotation) or annotation
    for part in get_args(annotation):
        yield from _parts(part)
