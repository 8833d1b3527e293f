"""A branch that undoes a commit: nothing is checked out, and no other branch moves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler.load.git import author_of, branch_at, reverted
from reconciler.load.revision import repository_of
from reconciler.model.errors import SourceUnavailable


@dataclass(frozen=True, slots=True)
class Undone:
    """A commit on top of the head that undoes another one. Nothing refers to it yet."""

    undoes: str
    head: str
    commit: str
    subject: str
    """The first line of the message of the commit that is undone."""


def undo(folder: Path, rev: str) -> Undone:
    """Undo a commit on top of the head of the repository that a folder lies in.

    Raises SourceUnavailable when it is no part of the head, when later commits have changed the same lines,
    and when nothing of it is left.
    """
    with repository_of(folder, str(folder)) as repository:
        commit, head = repository.commit(rev), repository.commit("HEAD")
        if not repository.is_ancestor(commit, head):
            raise SourceUnavailable(f"{rev} is not part of HEAD", hint="check out the branch that has it")
        said = repository.ask("log", "-1", "--format=%s", "--end-of-options", commit)
        subject = said.decode(errors="replace").strip()
        message = f'Revert "{subject}"\n\nThis reverts commit {commit}.\n'
        made = reverted(repository, commit, head, author_of(repository), message)
    return Undone(commit, head, made, subject)


def name_it(folder: Path, branch: str, undone: Undone) -> None:
    """Create a branch at the commit. Raises SourceUnavailable when there is one of that name already."""
    with repository_of(folder, f"the branch {branch}") as repository:
        branch_at(repository, branch, undone.commit)
