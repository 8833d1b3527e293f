"""A branch with commits to be previewed, and undone."""

from __future__ import annotations

import shutil
from pathlib import Path

from reconciler.cli.main import main
from tests.repositories import new_repository

ROOT = Path(__file__).parents[3]


class Branch:
    """A repository with the project's desired state on main, and commits on a branch."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "desired_state"
        self.repository = new_repository(folder)
        shutil.copytree(ROOT / "tests" / "sites", self.tree)
        self.commit()
        self.repository.git.checkout("-b", "change")

    def commit(self) -> None:
        self.repository.git.add("--all")
        self.repository.git.commit("--message", "change", "--allow-empty")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.tree / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    def preview(self, *words: str) -> int:
        return main(["preview", str(self.tree), *words])
