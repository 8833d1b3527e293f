"""Working trees and revisions to read, and what is reported of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from git import Repo

from reconciler.load import Loaded, load_revision, load_tree


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def run_git(folder: Path, *words: str) -> None:
    command = ["git", "-C", str(folder), "-c", "protocol.file.allow=always", *words]
    subprocess.run(command, check=True, capture_output=True)


def commit(root: Path) -> str:
    """All of a folder as one commit."""
    with Repo.init(root) as repository:
        repository.git.add(all=True)
        # GitPython's own index has no names that are not UTF-8.
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        run_git(root, *who, "commit", "--quiet", "--no-gpg-sign", "--message", "A change")
        return str(repository.git.rev_parse("HEAD"))


def codes(loaded: Loaded) -> list[tuple[str, str]]:
    return [(item.code, item.location.file) for item in loaded.diagnostics]


def both(root: Path) -> tuple[Loaded, Loaded]:
    commit(root)
    return load_tree(root), load_revision(root, "HEAD")
