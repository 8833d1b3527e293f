"""What an author can fix in Git: one finding at one place of one file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum


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

    def below(self, folder: str) -> Diagnostic:
        """The same finding with its files named from where `folder` is named from."""
        if not folder:
            return self
        places = tuple(replace(place, file=f"{folder}/{place.file}") for place in self.related)
        location = replace(self.location, file=f"{folder}/{self.location.file}")
        return replace(self, location=location, related=places)


class Diagnostics:
    """Collects findings so that all are reported at once."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []

    def error(
        self,
        code: str,
        location: Location,
        message: str,
        *,
        path: str = "",
        allowed: str = "",
        hint: str = "",
        related: tuple[Location, ...] = (),
    ) -> None:
        """Record a finding that stops the run."""
        self._found.append(Diagnostic(Severity.ERROR, code, location, message, path, allowed, hint, related))

    def warning(
        self,
        code: str,
        location: Location,
        message: str,
        *,
        path: str = "",
        allowed: str = "",
        hint: str = "",
        related: tuple[Location, ...] = (),
    ) -> None:
        """Record a finding that is reported and does not stop the run."""
        self._found.append(
            Diagnostic(Severity.WARNING, code, location, message, path, allowed, hint, related)
        )

    def extend(self, others: Iterable[Diagnostic]) -> None:
        """Take over findings of an earlier stage."""
        self._found.extend(others)

    def __iter__(self) -> Iterator[Diagnostic]:
        """Every finding once, by file, line and column."""
        return iter(sorted(dict.fromkeys(self._found), key=lambda d: (d.location, d.path, d.code)))

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The findings that stop the run, in order of place."""
        return tuple(d for d in self if d.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The findings that do not stop the run, in order of place."""
        return tuple(d for d in self if d.severity is Severity.WARNING)
