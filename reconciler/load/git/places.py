"""Finds repositories: by their `.git` alone, and never behind a link or inside the content that is read."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.load.git.process import GitFailed
from reconciler.load.git.repository import Repository
from reconciler.model.bounds import GIT_FILE
from reconciler.model.errors import SourceUnavailable


def refuse_links_below(folder: Path) -> None:
    """Raise SourceUnavailable for a folder that a link of its repository leads to: what is there may lie
    outside of the repository, and another place of it than the one that is deployed. A link above the
    repository is its owner's."""
    links: list[Path] = []
    here = Path(os.path.abspath(folder))  # noqa: PTH100 - `resolve` would follow them
    for place in (here, *here.parents):
        if os.path.lexists(place / ".git"):
            if links:
                raise SourceUnavailable(
                    f"{folder} is behind the symbolic link {links[-1]}, which is not followed",
                    hint="name the folder itself",
                )
            return
        if place.is_symlink():
            links.append(place)


def found_above(folder: Path) -> Repository | None:
    """The repository that a folder lies in: the first `.git` in it or above it. None without one.

    Raises GitFailed for a `.git` that leads back into the folder that it stands in, which only content can
    have put there.
    """
    try:
        here = folder.resolve()
        for place in (here, *here.parents):
            entry = place / ".git"
            if os.path.lexists(entry):
                return Repository(_git_dir(entry), place)
    except (OSError, RuntimeError, ValueError) as error:
        # What cannot be read, links in a circle, a zero byte in a name.
        raise GitFailed(f"the search for a repository above {folder} failed: {error}") from error
    return None


def opened(folder: Path) -> Repository:
    """As `found_above`. Raises GitFailed when there is none."""
    repository = found_above(folder)
    if repository is None:
        raise GitFailed("not a Git repository")
    return repository


def initialised(folder: Path, branch: str) -> Repository:
    """A new bare repository without anything from a template. Raises GitFailed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    repository = Repository(folder)
    repository.ask("init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}")
    return repository


def _git_dir(entry: Path) -> Path:
    """Where a `.git` leads."""
    place = entry.parent
    target = entry.resolve()
    if target.is_file():
        with target.open("rb") as file:
            line = file.read(GIT_FILE)
        if not line.startswith(b"gitdir: "):
            raise GitFailed(f"{entry} is neither a Git repository nor a link to one")
        target = (place / os.fsdecode(line.removeprefix(b"gitdir: ").rstrip(b"\r\n"))).resolve()
    if target != place / ".git" and target.is_relative_to(place):
        raise GitFailed(f"{entry} points into its own folder")
    if not (target / "HEAD").exists():
        raise GitFailed(f"{entry} is not a Git repository")
    return target
