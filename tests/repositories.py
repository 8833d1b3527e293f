"""Git repositories in which commits can be made, whatever the user's own settings are."""

from __future__ import annotations

from pathlib import Path

import git


def new_repository(folder: Path) -> git.Repo:
    """An empty repository with the branch main."""
    repository = git.Repo.init(folder, initial_branch="main", mkdir=True)
    with repository.config_writer() as config:
        config.set_value("user", "name", "tester")
        config.set_value("user", "email", "tester@localhost")
        config.set_value("commit", "gpgsign", "false")
    return repository
