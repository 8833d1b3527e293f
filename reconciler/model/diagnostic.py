"""What an author can fix in Git: one finding at one place of one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypedDict, Unpack

from reconciler.model.bounds import MOST_CHARACTERS, MOST_FINDINGS, MOST_KEPT, MOST_RELATED, MOST_SUGGESTIONS
from reconciler.model.listing import counted


class Severity(StrEnum):
    """How much a finding matters: an error stops the run, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True, slots=True)
class Location:
    """A place in a source file. Line and column count from 1; 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: where, what is wrong, what is allowed, and what to do about it.

    `code` is a stable kebab-case word (`duplicate-key`, `cidr-overlap`); `path` is the dotted
    field path inside the document (`spec.peer.cidrs[1]`), empty when the whole document is meant.
    """

    severity: Severity
    code: str
    location: Location
    message: str
    path: str = ""
    allowed: str = ""
    hint: str = ""
    related: tuple[Location, ...] = ()
    """The first of the places to look at besides."""
    more_related: int = 0
    """How many of those there are beyond `related`."""
    stands_for: int = 1
    """Findings that this one counts: more than one where findings were left out of a report."""

    def below(self, folder: str) -> Diagnostic:
        """The same finding with its files named from where `folder` is named from."""
        if not folder:
            return self
        places = tuple(replace(place, file=f"{folder}/{place.file}") for place in self.related)
        location = replace(self.location, file=f"{folder}/{self.location.file}")
        return replace(self, location=location, related=places)


class Besides(TypedDict, total=False):
    """What a finding may say besides code, place and message: fields of Diagnostic."""

    path: str
    allowed: str
    hint: str
    related: tuple[Location, ...]
    more_related: int


class Diagnostics:
    """Collects findings so that all are reported at once. Texts and related places of each are bounded."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []
        self._count: Counter[Severity] = Counter()
        self._left_out: dict[Severity, Diagnostic] = {}
        """The first finding of each severity that was not kept."""

    def error(self, code: str, location: Location, message: str, **besides: Unpack[Besides]) -> None:
        """Record a finding that stops the run."""
        self._add(Diagnostic(Severity.ERROR, code, location, message, **besides))

    def warning(self, code: str, location: Location, message: str, **besides: Unpack[Besides]) -> None:
        """Record a finding that is reported and does not stop the run."""
        self._add(Diagnostic(Severity.WARNING, code, location, message, **besides))

    def _add(self, item: Diagnostic) -> None:
        self._count[item.severity] += 1
        if self._count[item.severity] > MOST_KEPT:
            self._left_out.setdefault(item.severity, item)
            return
        self._found.append(
            replace(
                item,
                message=_bounded(item.message),
                path=_bounded(item.path),
                allowed=_bounded(item.allowed),
                hint=_bounded(item.hint),
                related=item.related[:MOST_RELATED],
                more_related=item.more_related + max(len(item.related) - MOST_RELATED, 0),
            )
        )

    def extend(self, others: Iterable[Diagnostic]) -> None:
        """Take over findings of an earlier stage."""
        for item in others:
            self._add(item)

    @property
    def error_count(self) -> int:
        """How many errors there are, those that are not kept too."""
        return self._count[Severity.ERROR]

    @property
    def full(self) -> bool:
        """True when errors are not kept any more, but counted."""
        return Severity.ERROR in self._left_out

    def count_error(self) -> None:
        """Count an error without keeping it: once `full`, it needs neither place nor hint."""
        self._count[Severity.ERROR] += 1

    @property
    def many(self) -> bool:
        """True when there are so many findings that a hint which takes long to find is not worth it."""
        return len(self._found) >= MOST_SUGGESTIONS

    def __iter__(self) -> Iterator[Diagnostic]:
        """Every finding once, by file, line and column; at the end one that counts those that were too many
        to be kept."""
        yield from sorted(dict.fromkeys(self._found), key=lambda d: (d.location, d.path, d.code))
        for severity, item in self._left_out.items():
            yield _counting(item, self._count[severity] - MOST_KEPT)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The findings that stop the run, in order of place."""
        return tuple(d for d in self if d.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The findings that do not stop the run, in order of place."""
        return tuple(d for d in self if d.severity is Severity.WARNING)


def reported(found: Iterable[Diagnostic], most: int = MOST_FINDINGS) -> list[Diagnostic]:
    """What a report shows of findings: the first `most`, errors before warnings where not all have room, in
    their order; then for each severity one finding that counts the others, at the first of them."""
    items = list(found)
    if len(items) <= most:
        return items
    errors = [item for item in items if item.severity is Severity.ERROR]
    warnings = [item for item in items if item.severity is Severity.WARNING]
    kept = [errors[:most], warnings[: max(most - len(errors), 0)]]
    shown = set(map(id, (*kept[0], *kept[1])))
    counted = [
        _counting(everything[len(part)], sum(item.stands_for for item in everything[len(part) :]))
        for everything, part in zip((errors, warnings), kept, strict=True)
        if len(part) < len(everything)
    ]
    return [*(item for item in items if id(item) in shown), *counted]


def _counting(first: Diagnostic, count: int) -> Diagnostic:
    message = f"{counted(count, f'more {first.severity}')} from here on"
    hint = "correct the reported findings first"
    return Diagnostic(first.severity, "more-findings", first.location, message, hint=hint, stands_for=count)


def _bounded(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    # What is wrong may stand behind what the author wrote.
    end = MOST_CHARACTERS // 4
    left_out = len(text) - MOST_CHARACTERS
    return f"{text[: MOST_CHARACTERS - end]}… ({counted(left_out, 'more character')}) …{text[-end:]}"
