"""Counts looks at the entries of a mapping: a walk through it for each router is the square of a fleet."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from dataclasses import dataclass, field
from typing import TypeVar

_Value = TypeVar("_Value")


@dataclass(slots=True)
class Visits:
    """How many entries were looked at, in all mappings that share this."""

    count: int = 0


@dataclass(slots=True, eq=False)
class Counted(Mapping[str, _Value]):
    """A mapping that counts each look at an entry, and a walk through it as a look at each."""

    of: Mapping[str, _Value]
    visits: Visits = field(default_factory=Visits)

    def __getitem__(self, key: str) -> _Value:
        self.visits.count += 1
        return self.of[key]

    def __iter__(self) -> Iterator[str]:
        for key in self.of:
            self.visits.count += 1
            yield key

    def __len__(self) -> int:
        return len(self.of)

    def keys(self) -> KeysView[str]:
        self.visits.count += len(self.of)
        return self.of.keys()

    def values(self) -> ValuesView[_Value]:
        self.visits.count += len(self.of)
        return self.of.values()

    def items(self) -> ItemsView[str, _Value]:
        self.visits.count += len(self.of)
        return self.of.items()
