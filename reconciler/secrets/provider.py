"""What every source of keys answers to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Protocol, TypeAlias

from reconciler.model.errors import SecretUnavailable
from reconciler.model.fabric import PskRef
from reconciler.model.secret import Secret

Answers: TypeAlias = Mapping[PskRef, Secret | SecretUnavailable]
"""Each reference with its key, or with why there is none: all that is wrong is reported at once."""


class Provider(Protocol):
    """One source of keys."""

    def read(self, references: Sequence[PskRef]) -> Answers:
        """Answer every one of these references, which are all of this source. Raises nothing."""
        ...


def read_containers(
    references: Sequence[PskRef], opened: Callable[[PskRef], Mapping[str, object]]
) -> Answers:
    """Answer each reference to a field of something that holds several, which is opened once.

    `opened` gives the fields of what a reference names, and raises SecretUnavailable.
    """
    answers: dict[PskRef, Secret | SecretUnavailable] = {}
    for _, group in groupby(references, key=lambda reference: reference.name):
        several = list(group)
        try:
            fields = opened(several[0])
        except SecretUnavailable as error:
            answers |= dict.fromkeys(several, error)
        else:
            answers |= {reference: _value(fields, reference.field) for reference in several}
    return answers


def _value(fields: Mapping[str, object], name: str) -> Secret | SecretUnavailable:
    value = fields.get(name)
    if isinstance(value, str) and value:
        return Secret(value.encode())
    reason = "is not there" if value is None else "is not a non-empty text"
    return SecretUnavailable(f"the field {name} {reason}")
