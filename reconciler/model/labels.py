"""Label selectors with the syntax and meaning of Kubernetes ("Labels and Selectors"). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.labels import LABEL_KEY, LABEL_VALUE


class Operator(StrEnum):
    """What a requirement says of the value of its label."""

    IN = "In"
    NOT_IN = "NotIn"
    """Also holds where the label is missing."""
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. `values` is empty for the two operators that concern existence."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it."""
        there = self.key in labels and (not self.values or labels[self.key] in self.values)
        return there is (self.operator in {Operator.IN, Operator.EXISTS})


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements that all must be met; without any, all labels match."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether it selects what has these labels."""
        return all(requirement.holds(labels) for requirement in self.requirements)


_REQUIREMENT: Final = re.compile(
    r"\s*(?:(?P<missing>!)\s*(?P<absent>[^\s!=,()]+)"
    r"|(?P<key>[^\s!=,()]+)"
    r"(?:\s*(?P<sign>==?|!=)\s*(?P<value>[^\s!=,()]*)"
    r"|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|$)"
)


def parse_labels(text: str) -> LabelSelector:
    """The label selector that a text means, as in `kubectl get -l`.

    Raises ValueError for any other text.
    """
    return LabelSelector(tuple(_requirements(text)))


def is_selector(word: str) -> bool:
    """Whether a word is a label selector rather than a name. The key of a label alone counts as a name."""
    return not {"=", "!", "("}.isdisjoint(word)


def _requirements(text: str) -> Iterator[Requirement]:
    position = 0
    while position < len(text) or position == 0:
        found = _REQUIREMENT.match(text, position)
        if found is None or (found.end() == len(text) and text.endswith(",")):
            raise ValueError("not a label selector")
        yield _requirement(found)
        position = found.end()


def _requirement(found: re.Match[str]) -> Requirement:
    key = found["absent"] or found["key"]
    if re.fullmatch(LABEL_KEY, key) is None:
        raise ValueError("not the key of a label")
    if found["missing"]:
        return Requirement(key, Operator.DOES_NOT_EXIST)
    if found["sign"] is None and found["set"] is None:
        return Requirement(key, Operator.EXISTS)
    given = found["values"] if found["set"] else found["value"]
    values = frozenset(value.strip() for value in given.split(","))
    if not all(re.fullmatch(LABEL_VALUE, value) for value in values):
        raise ValueError("not the value of a label")
    inside = found["sign"] in {"=", "=="} or found["set"] == "in"
    return Requirement(key, Operator.IN if inside else Operator.NOT_IN, values)
