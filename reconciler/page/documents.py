"""Commits and documents of a clone that is there: read, and never fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler.load import Loaded, load_revision
from reconciler.load.git import Repository
from reconciler.model.bounds import COMMIT_BYTES
from reconciler.model.errors import SourceUnavailable


@dataclass(frozen=True, slots=True)
class CloneReader:
    """The clone of a service, beside it. Both methods raise SourceUnavailable."""

    clone: Path
    folder: str
    """That of the desired state in it."""

    def raw(self, commit: str) -> bytes:
        """A commit: headers, message."""
        return self._repository().ask("cat-file", "commit", commit, most=COMMIT_BYTES)

    def load(self, commit: str) -> Loaded:
        """The documents of a commit."""
        return load_revision(self._repository(), commit, self.folder)

    def _repository(self) -> Repository:
        if not self.clone.is_dir():
            raise SourceUnavailable("the repository was not fetched yet")
        return Repository(self.clone)
