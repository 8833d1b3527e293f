"""A repository in which this program commits by itself: those of the demo and the benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from git import Git, Repo

from reconciler.load.git.process import OPTIONS, OPTIONS_HERE, git_environment


class _OurGit(Git):
    """GitPython hands its own environment down; `env -i` takes it away again."""

    def execute(self, command: Any, *more: Any, **named: Any) -> Any:  # noqa: ANN401 - as GitPython has it
        """Start Git as the reconciler does (`reconciler/load/git/process.py`)."""
        beginning = ["env", "-i", *(f"{name}={value}" for name, value in git_environment().items()), "git"]
        return super().execute([*beginning, *OPTIONS, *OPTIONS_HERE, *command[1:]], *more, **named)


class _OurRepo(Repo):
    GitCommandWrapperType = _OurGit


def writable(folder: Path) -> Repo:
    """A repository of this program's own, made if need be, in which it commits: GitPython's, with every
    process started as the reconciler's are. The branch is `main`."""
    return _OurRepo.init(folder, initial_branch="main")
