"""Foreign data, taken apart: every part has the type that it must have, or it was not understood.

Whatever comes back from a router is data of unknown shape. Decoders reach into it through this module alone,
so that each of them gives a value or raises AnswerNotUnderstood, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from reconciler.model.bounds import ANSWER_DEPTH, ANSWER_NUMBER
from reconciler.model.errors import AnswerNotUnderstood

_SHOWN: Final = 60
"""Characters of a foreign text that a message quotes."""


class Fields:
    """One mapping of an answer. `where` says where it stands: the command, then the names on the way."""

    __slots__ = ("_values", "_where")

    def __init__(self, value: object, *where: str) -> None:
        if not isinstance(value, Mapping):
            raise not_understood(value, "a section", *where)
        self._values: Mapping[object, object] = value
        self._where = where

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def names(self) -> tuple[str, ...]:
        """The names of all fields, in their order."""
        return tuple(text(name, *self._where) for name in self._values)

    def text(self, name: str, default: str | None = None) -> str:
        """A field that holds text; `default` where there is no such field."""
        return text(self._value(name, default), *self._where, name)

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A field that holds a list of texts."""
        where = (*self._where, name)
        return tuple(text(item, *where) for item in sequence(self._value(name, default), *where))

    def number(self, name: str, default: int | None = None) -> int:
        """A field that holds a whole number from 0, as a number or in decimal digits."""
        return number(self._value(name, default), *self._where, name)

    def items(self, name: str, default: tuple[object, ...] | None = None) -> tuple[object, ...]:
        """A field that holds a list."""
        return sequence(self._value(name, default), *self._where, name)

    def section(self, name: str, default: Mapping[str, object] | None = None) -> Fields:
        """A field that holds a mapping."""
        return Fields(self._value(name, default), *self._where, name)

    def sections(self) -> Iterator[tuple[str, Fields]]:
        """Every field by its name, all of them mappings."""
        for name in self.names():
            yield name, self.section(name)

    def raw(self) -> dict[str, object]:
        """All of it, not looked into."""
        return {name: self._values[name] for name in self.names()}

    def _value(self, name: str, default: object) -> object:
        found = self._values.get(name, default)
        if found is None:
            what = "is missing" if name not in self._values else "has no value"
            raise AnswerNotUnderstood(what, where=_place(*self._where, name))
        return found


def text(value: object, *where: str) -> str:
    """A value that is text, with nothing in it that cannot be encoded."""
    if not isinstance(value, str):
        raise not_understood(value, "text", *where)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise not_understood(value, "text that can be encoded", *where) from None
    return value


def number(value: object, *where: str) -> int:
    """A value that is a whole number from 0 up to what a counter of 64 bits holds."""
    found = value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _SHOWN:
        found = int(value)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= ANSWER_NUMBER:
        raise not_understood(value, f"a whole number from 0 to {ANSWER_NUMBER}", *where)
    return found


def sequence(value: object, *where: str) -> tuple[object, ...]:
    """A value that is a list."""
    if not isinstance(value, list | tuple):
        raise not_understood(value, "a list", *where)
    return tuple(value)


def from_json(said: str | bytes, *where: str) -> object:
    """What a tool printed as JSON (RFC 8259): UTF-8, without NaN, and nested no deeper than its bound."""
    try:
        written = said if isinstance(said, str) else said.decode()
        value: object = json.loads(written, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else f"it is not JSON: {error}"
        raise AnswerNotUnderstood(what[:_SHOWN], where=_place(*where)) from None
    level: list[object] = [value]
    for _ in range(ANSWER_DEPTH):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return value
    raise AnswerNotUnderstood(f"it is nested more than {ANSWER_DEPTH} levels deep", where=_place(*where))


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not a number")


def not_understood(value: object, wanted: str, *where: str) -> AnswerNotUnderstood:
    """The error that says what a part of an answer is, and what it should have been."""
    return AnswerNotUnderstood(f"{_shown(value)} is not {wanted}", where=_place(*where))


def _shown(value: object) -> str:
    if isinstance(value, str):
        return repr(value[:_SHOWN]) + ("…" if len(value) > _SHOWN else "")
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, list | tuple):
        return "a list"
    plain = value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**_SHOWN)
    return repr(value) if plain else f"a value of type {type(value).__name__}"


def _place(*where: str) -> str:
    # Some of the names are the router's own.
    return ": ".join(part if part.isprintable() and len(part) <= _SHOWN else _shown(part) for part in where)
