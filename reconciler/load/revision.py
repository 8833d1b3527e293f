"""A revision of a Git repository as a source of documents, without a checkout."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.load.documents import Loaded, Source
from reconciler.load.reading import Composed, is_read, read, report_symbolic_link
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.errors import SourceUnavailable

if TYPE_CHECKING:
    from git import Repo

_SYMBOLIC_LINK = "120000"
_SUBMODULE = "160000"


@contextmanager
def _repository(folder: Path, what: str) -> Iterator[Repo]:
    """The repository that a folder lies in; whatever goes wrong in it is said of `what`."""
    # Imported here: reading a working tree does not pay for it.
    from git import GitCommandError, GitError, Repo  # noqa: PLC0415

    try:
        with Repo(folder, search_parent_directories=True) as repository:
            yield repository
    except GitCommandError as error:
        words = error.stderr.strip().removeprefix("stderr: ").strip("'")
        raise SourceUnavailable(f"cannot read {what}: {words}") from error
    except (GitError, ValueError, IndexError, OSError) as error:
        raise SourceUnavailable(f"cannot read {what}: {str(error) or 'not a Git repository'}") from error


def place_in_repository(folder: Path) -> str:
    """A folder's path from the root of its repository, without a slash at its end.

    Raises SourceUnavailable.
    """
    with _repository(folder, str(folder)) as repository:
        return _place(repository, folder).rstrip("/")


def default_base(repo: Path, head: str) -> str:
    """The commit at which `head` left the default branch: `origin/HEAD`, else `origin/main`, else `main`.

    Raises SourceUnavailable when there is none of them, or nothing in common.
    """
    from git import GitCommandError  # noqa: PLC0415

    with _repository(repo, str(repo)) as repository:
        for branch in ("origin/HEAD", "origin/main", "main"):
            with suppress(GitCommandError):
                return str(repository.git.merge_base("--end-of-options", branch, head))
    raise SourceUnavailable(
        f"where {head} left the default branch is not known",
        hint="name it: --base REV. A shallow clone lacks it: fetch with all of its history",
    )


def load_revision(
    repo: Path,
    rev: str,
    subdir: str = "",
    *,
    missing_is_empty: bool = False,
    composed: Composed | None = None,
) -> Loaded:
    """Read every document and every file of encrypted keys below `repo`/`subdir` as they are in one commit.

    `repo` is a repository or a folder in one. File names in the result are relative to it, as those of
    `load_tree` are. Revisions that are given one `composed` share the documents of files that are equal.
    Raises SourceUnavailable when there is no repository, no such revision, or (unless `missing_is_empty`) no
    such folder in it.
    """
    subdir = subdir.strip("/").removeprefix("./")
    with _repository(repo, f"{rev} of {repo}") as repository:
        commit = repository.git.rev_parse("--verify", "--end-of-options", f"{rev}^{{commit}}")
        found = Diagnostics()
        place = _place(repository, repo)
        blobs = _blobs(repository, commit, place, subdir, found, missing_is_empty=missing_is_empty)
        files = _contents(repository, blobs)
    return read(files, Source(str(repo), subdir, commit), found, composed)


def _place(repository: Repo, folder: Path) -> str:
    """The folder's path in the repository, with a slash at its end; empty for the repository itself."""
    root = repository.working_tree_dir
    if root is None:
        return ""
    place = folder.resolve().relative_to(Path(root).resolve()).as_posix()
    return "" if place == "." else f"{place}/"


def _blobs(
    repository: Repo, commit: str, place: str, subdir: str, found: Diagnostics, *, missing_is_empty: bool
) -> dict[str, str]:
    """File name -> blob id of each file to read.

    Raises SourceUnavailable when the folder is not in the commit.
    """
    folder = place + (f"{subdir}/" if subdir else "")
    listing = repository.git.ls_tree("-r", "-z", "--full-tree", commit, *(["--", folder] if folder else []))
    if not listing and folder and not missing_is_empty:
        raise SourceUnavailable(f"{folder} is not a folder of {commit[:12]}")
    blobs: dict[str, str] = {}
    for line in listing.rstrip("\0").split("\0") if listing else ():
        attributes, full_name = line.split("\t", 1)
        mode, _, blob = attributes.split(" ")
        name = full_name.removeprefix(place)
        if any(part.startswith(".") for part in full_name.removeprefix(folder).split("/")):
            continue
        if mode == _SYMBOLIC_LINK:
            report_symbolic_link(name, found)
        elif mode == _SUBMODULE:
            found.error("file-unreadable", Location(name), "a submodule is not part of the revision")
        elif is_read(name):
            blobs[name] = blob
    return blobs


def _contents(repository: Repo, blobs: dict[str, str]) -> dict[str, bytes]:
    """All blobs in one `git cat-file --batch`: a request for each costs eight times as long."""
    with tempfile.TemporaryFile() as requests:
        requests.write("".join(f"{blob}\n" for blob in blobs.values()).encode())
        requests.seek(0)
        reply = repository.git.cat_file(
            "--batch", istream=requests, stdout_as_string=False, strip_newline_in_stdout=False
        )
    files: dict[str, bytes] = {}
    start = 0
    for name in blobs:
        header_end = reply.index(b"\n", start)
        size = int(reply[start:header_end].rsplit(b" ", 1)[1])
        files[name] = reply[header_end + 1 : header_end + 1 + size]
        start = header_end + 1 + size + 1
    return files
