"""A commit that undoes another one, made without a checkout: no file, no branch and no index changes."""

from __future__ import annotations

import os
from dataclasses import dataclass

from reconciler.load.git.process import GitFailed
from reconciler.load.git.repository import Repository
from reconciler.model.listing import listed


class RevertConflict(GitFailed):
    """Later commits have changed the same lines."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a commit."""

    name: str
    email: str


def author_of(repository: Repository) -> Author:
    """The author that Git would note here: of `GIT_AUTHOR_NAME` and `GIT_AUTHOR_EMAIL`, else of the
    operator's configuration (`user.name`, `user.email`). Raises GitFailed."""
    name, email = (
        os.environ.get(f"GIT_AUTHOR_{word.upper()}") or _configured(repository, f"user.{word}")
        for word in ("name", "email")
    )
    if not name or not email:
        raise GitFailed(
            "Git does not know who makes the commit",
            hint='`git config --global user.name "…"` and `git config --global user.email …`',
        )
    return Author(name, email)


def reverted(repository: Repository, commit: str, onto: str, author: Author, message: str) -> str:
    """A commit on top of `onto` that undoes what `commit`, one of its ancestors, has changed; of a merge,
    what it brought to its first parent. Its id; nothing refers to it yet.

    It is the merge of `onto` and the former content, with `commit` as the base of both, as `git revert` does
    it (git-merge-tree(1)). Raises GitFailed, and RevertConflict.
    """
    # Without a work tree Git finds no attributes in it, which could name a way to merge.
    bare = Repository(repository.git_dir)
    identity = ("-c", f"user.name={author.name}", "-c", f"user.email={author.email}")

    def made(tree: str, parent: str, words: str) -> str:
        answer = bare.ask(*identity, "commit-tree", tree, "-p", parent, "-m", words)
        return answer.decode().strip()

    before = repository.commit(f"{commit}^1")
    former = made(repository.ask("rev-parse", f"{before}^{{tree}}").decode().strip(), commit, "former")
    tree = _merged(bare, onto, former)
    if tree == repository.ask("rev-parse", f"{onto}^{{tree}}").decode().strip():
        raise GitFailed("nothing of that commit is left to undo")
    return made(tree, onto, message)


def branch_at(repository: Repository, name: str, commit: str) -> None:
    """A new branch at a commit. Raises GitFailed when there is one of that name, or it is no name."""
    repository.ask("check-ref-format", f"refs/heads/{name}")
    # The zeroes say that there must be none.
    repository.ask("update-ref", f"refs/heads/{name}", commit, "0" * len(commit))


def _merged(repository: Repository, ours: str, theirs: str) -> str:
    """The tree of two commits together. Raises RevertConflict."""
    words = ("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", ours, theirs)
    # 1 says that there are conflicts; their files follow the tree.
    answer = repository.ask(*words, codes=(0, 1))
    tree, *files = [item.decode(errors="replace") for item in answer.split(b"\0") if item]
    if files:
        raise RevertConflict(
            f"later commits have changed the same lines of {listed(dict.fromkeys(files))}",
            hint="undo it by hand: `git revert` stops at them",
        )
    return tree


def _configured(repository: Repository, name: str) -> str:
    """A setting of the operator; empty where there is none."""
    answer = repository.ask("config", "--get", name, codes=(0, 1), away=True)
    return answer.decode(errors="replace").strip()
