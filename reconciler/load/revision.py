"""A revision of a Git repository as a source of documents, without a checkout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path

from reconciler.load.documents import Loaded, Source
from reconciler.load.git import GitEnded, GitFailed, Repository, opened, refuse_links_below
from reconciler.load.listing import Choice, Entry, Kind, chosen, first_beyond, nothing
from reconciler.load.reading import Composed, read
from reconciler.load.sealed import report_private
from reconciler.load.tree import digest_of_tree
from reconciler.model.bounds import MOST_CANDIDATES
from reconciler.model.diagnostic import Diagnostics
from reconciler.model.errors import SourceBroken, SourceUnavailable
from reconciler.model.suggestion import did_you_mean, known

_KINDS = {b"40000": Kind.FOLDER, b"040000": Kind.FOLDER, b"120000": Kind.LINK, b"160000": Kind.SUBMODULE}


_NO_SUCH_REVISION = "Needed a single revision"
"""What `git rev-parse --verify` says of a name that leads to nothing."""


@contextmanager
def repository_of(place: Path | Repository, what: str) -> Iterator[Repository]:
    """The repository that a folder lies in; whatever goes wrong in it is said of `what`."""
    try:
        yield opened(place) if isinstance(place, Path) else place
    except GitFailed as error:
        kind = SourceBroken if isinstance(error, SourceBroken) else SourceUnavailable
        raise kind(f"cannot read {what}: {error.message}", hint=error.hint) from error
    except (ValueError, OSError) as error:
        raise SourceUnavailable(f"cannot read {what}: {error}") from error


def place_in_repository(folder: Path) -> str:
    """A folder's path from the root of its repository, without a slash at its end.

    Raises SourceUnavailable.
    """
    with repository_of(folder, str(folder)) as repository:
        return repository.place(folder).rstrip("/")


def default_base(repo: Path, head: str) -> str:
    """The commit at which `head` left the default branch: `origin/HEAD`, else `origin/main`, else `main`.

    Raises SourceUnavailable when there is none of them, or nothing in common.
    """
    with repository_of(repo, str(repo)) as repository:
        for branch in ("origin/HEAD", "origin/main", "main"):
            with suppress(GitFailed):
                return repository.ask("merge-base", "--end-of-options", branch, head).decode().strip()
    raise SourceUnavailable(
        f"the commit at which {head} left the default branch is unknown",
        hint="name it with --base REV, or fetch the complete history if this is a shallow clone",
    )


def has_uncommitted(folder: Path, committed: Loaded) -> bool:
    """Whether `committed`, a revision of `folder`, is checked out there and documents were edited since.

    Git is not asked: its `status` runs filters that a repository's configuration names.
    Raises SourceUnavailable when there is no repository.
    """
    with repository_of(folder, str(folder)) as repository:
        if repository.commit("HEAD") != committed.revision or not folder.is_dir():
            return False
    return digest_of_tree(folder) != committed.digest


def load_revision(
    repo: Path | Repository,
    rev: str,
    subdir: str = "",
    *,
    missing_is_empty: bool = False,
    composed: Composed | None = None,
) -> Loaded:
    """Read every document and every file of encrypted keys below `repo`/`subdir` as they are in one commit.

    `repo` is a folder in a repository, or a repository that was opened already. File names in the result are
    relative to it, as those of `load_tree` are. Revisions that are given one `composed` share the documents
    of files that are equal.
    Raises SourceUnavailable when there is no repository, no such revision, or (unless `missing_is_empty`) no
    such folder in it.
    """
    subdir = subdir.strip("/").removeprefix("./")
    if isinstance(repo, Path):
        refuse_links_below(repo / subdir)
    with repository_of(repo, f"{rev} of {repo}") as repository:
        commit = _commit(repository, rev)
        path, place = (repo, repository.place(repo)) if isinstance(repo, Path) else (repo.git_dir, "")
        return _load(repository, Source(str(path), subdir, commit), place, composed, missing_is_empty)


def _commit(repository: Repository, rev: str) -> str:
    """The id of the commit that is called so; where there is none, the hint says what may be meant."""
    try:
        return repository.commit(rev)
    except GitEnded as error:
        if _NO_SUCH_REVISION in error.message:
            names = repository.refs()
            there = f"the branches and tags are {known(names)}" if names else "the repository has no commit"
            cut = "this is a shallow clone: fetch the complete history" if repository.is_shallow() else there
            raise GitEnded("there is no such revision", hint=did_you_mean(rev, names) or cut) from error
        raise


def _meant(repository: Repository, commit: str, folder: str) -> str:
    """A hint for a folder that a commit does not have: one beside it, or the folders that there are."""
    beside, _, name = folder.rstrip("/").rpartition("/")
    words = ("ls-tree", "-d", "-z", "--name-only", "--full-tree", commit)
    paths = repository.items(*words, *(("--", f"{beside}/") if beside else ()))
    names = [os.fsdecode(path).rpartition("/")[2] for path in islice(paths, MOST_CANDIDATES)]
    shown = [found for found in names if not found.startswith(".")]
    return did_you_mean(name, shown) or (f"the folders there are {known(shown)}" if shown else "")


def _load(
    repository: Repository, source: Source, place: str, composed: Composed | None, missing_is_empty: bool
) -> Loaded:
    found = Diagnostics()
    choice = _chosen(repository, source, place, found)
    if choice is None and not missing_is_empty:
        raise SourceUnavailable(
            f"{_folder(source, place)} is not a folder of {str(source.commit)[:12]}",
            hint=_meant(repository, str(source.commit), _folder(source, place)),
        )
    choice = choice or chosen((), source.subdir, found)
    blobs = list(dict.fromkeys(entry.handle for entry in choice.files.values()))
    contents = dict(zip(blobs, repository.contents(blobs), strict=True))
    files = {name: contents[entry.handle] for name, entry in choice.files.items()}
    # One at a time, since there may be as many as a tree has entries; and equal ones once.
    looked_at: dict[str, list[str]] = {}
    for name, entry in choice.looked_at.items():
        looked_at.setdefault(entry.handle, []).append(name)
    for names, content in zip(looked_at.values(), repository.contents(list(looked_at)), strict=True):
        report_private(names, content, found)
    return read(files, source, found, composed, whole_tree=choice.whole)


def _folder(source: Source, place: str) -> str:
    """The folder of the desired state in its repository, with a slash at its end; empty for all of that."""
    return place + (f"{source.subdir}/" if source.subdir else "")


def _chosen(repository: Repository, source: Source, place: str, found: Diagnostics) -> Choice | None:
    """What is read of the revision; None when there is no such folder in it."""
    commit, folder = str(source.commit), _folder(source, place)
    where = ("--", folder) if folder else ()
    names = repository.items("ls-tree", "-r", "-t", "-z", "--name-only", "--full-tree", commit, *where)
    start = len(os.fsencode(folder))
    beyond = first_beyond((name for name in names if len(name) > start), start)
    if beyond is not None:
        return nothing(beyond[len(os.fsencode(place)) :], source.subdir, found)
    entries = _entries(repository, commit, place, folder)
    first = list(islice(entries, 1))
    if folder and not first:
        return None
    return chosen(chain(first, entries), source.subdir, found)


def _entries(repository: Repository, commit: str, place: str, folder: str) -> Iterator[Entry]:
    """Everything below `folder`, by names that begin after `place`."""
    where = ("--", folder) if folder else ()
    start = len(os.fsencode(place))
    for item in repository.items("ls-tree", "-r", "-t", "-l", "-z", "--full-tree", commit, *where):
        attributes, name = item.split(b"\t", 1)
        mode, _, blob, size = attributes.split()
        if len(name) <= len(os.fsencode(folder)):
            continue  # the folder itself, and those that it stands in
        kind = _KINDS.get(mode, Kind.FILE)
        yield Entry(name[start:], kind, blob.decode(), int(size) if size.isdigit() else 0)
