"""How the events of one class are written and read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

Kind = TypeVar("Kind")
Value = TypeVar("Value")


class Item:
    """An object that is read back. What has another form than this version writes raises ValueError."""

    __slots__ = ("_values",)

    def __init__(self, values: object) -> None:
        if not isinstance(values, Mapping):
            raise ValueError("an object is expected")  # noqa: TRY004 - whatever is wrong is one error
        self._values: Mapping[str, object] = values

    def has(self, name: str) -> bool:
        """Whether there is a key with a value."""
        return self._values.get(name) is not None

    def value(self, name: str) -> object:
        """What there must be, `null` included."""
        if name not in self._values:
            raise ValueError(f"there is no {name}")
        return self._values[name]

    def text(self, name: str, default: str | None = None) -> str:
        """A text; `default` where there is no such key, as all of these."""
        return self._of(str, name, default)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        return texts(self.value(name))

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        return self._of(int, name, default)

    def time(self, name: str) -> datetime:
        """A point in time as ISO 8601, in UTC."""
        try:
            return datetime.fromisoformat(self.text(name)).astimezone(UTC)
        except OverflowError as error:
            raise ValueError("a time is outside of the calendar") from error

    def decimal(self, name: str) -> float:
        """A finite number, with a fraction or without: JSON has no other (RFC 8259, section 6), though Python
        reads some."""
        found = float(self.number(name) if isinstance(self.value(name), int) else self._of(float, name, None))
        if not math.isfinite(found):
            raise ValueError(f"{name} is not a finite number")
        return found

    def flag(self, name: str, *, default: bool | None = None) -> bool:
        """True or false."""
        return self._of(bool, name, default)

    def sequence(self, name: str) -> tuple[object, ...]:
        """A list of anything."""
        return tuple(self._of(list, name, None))

    def items(self, name: str) -> tuple[Item, ...]:
        """A list of objects."""
        return tuple(map(Item, self.sequence(name)))

    def _of(self, kind: type[Value], name: str, default: Value | None) -> Value:
        found = self.value(name) if default is None else self._values.get(name, default)
        # Python takes True for a number.
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            raise ValueError(f"{name} is not of the type {kind.__name__}")
        return found


def texts(value: object) -> tuple[str, ...]:
    """A list of texts. Raises ValueError."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("a list of texts is expected")
    return tuple(value)


@dataclass(frozen=True, slots=True)
class Form(Generic[Kind]):
    """The form of one class of events. `read` raises ValueError, KeyError or OverflowError for what has
    another form; keys that came later than others have a default there."""

    name: str
    """The `type` of its objects."""
    of: type[Kind]
    body: Callable[[Kind], dict[str, Any]]
    """The other keys."""
    read: Callable[[Item], Kind]

    def encode(self, event: Kind) -> dict[str, Any]:
        """An event as an object."""
        return {"type": self.name, **self.body(event)}


class Forms:
    """Forms of several classes of events."""

    def __init__(self, *forms: Form[Any]) -> None:
        self._by_class = {form.of: form for form in forms}
        self._by_name = {form.name: form for form in forms}

    def __iter__(self) -> Iterator[Form[Any]]:
        return iter(self._by_class.values())

    def named(self, name: object) -> Form[Any] | None:
        """That of a `type`, if there is one."""
        return self._by_name.get(name) if isinstance(name, str) else None

    def encode(self, event: object) -> dict[str, Any]:
        """An event of one of the classes as an object."""
        return self._by_class[type(event)].encode(event)
