"""The door to Git: nothing that comes with the content runs, and what is read has bounds."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from git import Actor, Repo

from lab.repository import writable
from reconciler.doors.processes import Timeouts, minimal, never, running
from reconciler.load import git, load_revision, load_tree
from reconciler.load.git import GitFailed, Repository, found_above, process
from reconciler.model import bounds
from reconciler.model.errors import SourceUnavailable

AUTHOR = Actor("Test", "test@example.com")
DOCUMENT = "a: 1\n"


def commit_all(root: Path) -> str:
    """All of a folder as one commit."""
    with Repo.init(root, initial_branch="main") as repository:
        repository.git.add("--all", "--force")
        return repository.index.commit("A change", author=AUTHOR, committer=AUTHOR).hexsha


def repository_in(folder: Path) -> Path:
    """A repository with one document; its root."""
    (folder / "tree").mkdir(parents=True)
    (folder / "tree" / "a.yaml").write_text(DOCUMENT)
    commit_all(folder)
    return folder


def run_git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def program(folder: Path, marker: Path) -> Path:
    """An executable that leaves a mark."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\ntouch {marker}\nexec cat\n")
    path.chmod(0o755)
    return path


SETTINGS: dict[str, str] = {
    "core.alternateRefsCommand": "{}",
    "core.askPass": "{}",
    "core.attributesFile": "{}",
    "core.editor": "{}",
    "core.fsmonitor": "{}",
    "core.gitProxy": "{}",
    "core.hooksPath": "{}/..",
    "core.pager": "{}",
    "core.sshCommand": "{}",
    "credential.helper": "!{}",
    "diff.external": "{}",
    "filter.x.clean": "{}",
    "filter.x.process": "{}",
    "filter.x.smudge": "{}",
    "gpg.program": "{}",
    "gpg.ssh.program": "{}",
    "log.showSignature": "true",
    "pager.cat-file": "{}",
    "pager.ls-tree": "{}",
    "uploadpack.packObjectsHook": "{}",
}
"""What a configuration can name a command by, or make one run by (git-config(1))."""


def read_everything(root: Path) -> None:
    """All that the command line asks Git for."""
    load_revision(root / "tree", "HEAD")
    load_tree(root / "tree")
    git.opened(root).ask("merge-base", "--end-of-options", "HEAD", "HEAD")


def test_no_configuration_of_the_repository_runs_a_command(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    root = repository_in(tmp_path / "clone")
    (root / "tree" / "empty").mkdir()
    named = program(tmp_path, marker)
    for name, value in SETTINGS.items():
        run_git(root, "config", name, value.format(named))
    (root / ".git" / "info" / "attributes").write_text("* filter=x diff=x\n")
    run_git(root, "config", "diff.x.textconv", str(named))
    hooks = root / ".git" / "hooks"
    for hook in ("post-index-change", "fsmonitor-watchman", "reference-transaction", "pre-auto-gc"):
        shutil.copy(named, hooks / hook)
    read_everything(root)
    assert not marker.exists()


def make_partial(root: Path, url: str, command: str) -> str:
    """Make the repository a partial clone that lacks its document; the id of what it lacks."""
    for name, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": url,
        "remote.origin.promisor": "true",
        "remote.origin.uploadpack": command,
        "protocol.allow": "always",
        "protocol.file.allow": "always",
        "protocol.ext.allow": "always",
    }.items():
        run_git(root, "config", name, value)
    blob = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD:tree/a.yaml"], check=True, capture_output=True, text=True
    ).stdout.strip()
    (root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    return blob


@pytest.mark.parametrize("url", [".", "ext::{}", "file://{}"], ids=["local", "ext", "file"])
@pytest.mark.parametrize("protection", ["all", "GIT_ALLOW_PROTOCOL", "GIT_NO_LAZY_FETCH"])
def test_what_a_partial_clone_lacks_is_not_fetched(
    tmp_path: Path, url: str, protection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`GIT_ALLOW_PROTOCOL` alone is enough: an older Git has nothing else."""
    marker = tmp_path / "marker"
    root = repository_in(tmp_path / "clone")
    make_partial(root, url.format(f"touch {marker}"), f"sh -c 'touch {marker}; false' #")
    whole = process.git_environment
    hidden = {"GIT_ALLOW_PROTOCOL", "GIT_NO_LAZY_FETCH"} - {protection} if protection != "all" else set()

    def without(*, away: bool = False) -> dict[str, str]:
        return {name: value for name, value in whole(away=away).items() if name not in hidden}

    monkeypatch.setattr(process, "git_environment", without)
    with pytest.raises(SourceUnavailable, match=r"cannot read HEAD of .*clone") as caught:
        load_revision(root / "tree", "HEAD")
    assert caught.value.hint == "a partial clone lacks objects: clone without --filter"
    assert not marker.exists()


@pytest.mark.parametrize(("command", "hint"), [("cat-file", "a partial clone lacks objects"), ("fetch", "")])
def test_a_partial_clone_is_reported_when_git_ends_before_it_says_so(command: str, hint: str) -> None:
    """The process that was to bring the object refuses, and Git is ended by the pipe to it."""
    script = "echo \"fatal: transport 'ext' not allowed\" >&2; kill -PIPE $$"
    with running(["sh", "-c", script], minimal()) as child:
        list(child.chunks(Timeouts(60, 60), never))
        with pytest.raises(GitFailed, match="not allowed") as caught:
            process.check(child, command)
    assert caught.value.hint.startswith(hint)
    assert bool(caught.value.hint) is bool(hint)


def test_without_the_door_a_partial_clone_runs_a_command(tmp_path: Path) -> None:
    """So the test above tests something."""
    marker = tmp_path / "marker"
    root = repository_in(tmp_path / "clone")
    blob = make_partial(root, ".", f"sh -c 'touch {marker}; false' #")
    subprocess.run(["git", "-C", str(root), "cat-file", "-p", blob], check=False, capture_output=True)
    assert marker.exists()


def test_git_sees_nothing_of_the_callers_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository_in(tmp_path / "clone")
    other = repository_in(tmp_path / "other")
    marker = tmp_path / "marker"
    named = str(program(tmp_path, marker))
    for name, value in {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_COMMON_DIR": str(other / ".git"),
        "GIT_INDEX_FILE": "/nowhere",
        "GIT_OBJECT_DIRECTORY": "/nowhere",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "/nowhere",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": named,
        "GIT_EXTERNAL_DIFF": named,
        "GIT_PAGER": named,
        "GIT_TRACE": str(tmp_path / "trace"),
        "GITHUB_TOKEN": "PLANTED",
        "SSH_AUTH_SOCK": "/nowhere",
        "HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"tree:{os.environ['PATH']}")
    shutil.copy(named, root / "tree" / "git")
    monkeypatch.chdir(root)
    assert load_revision(root / "tree", "HEAD").documents
    assert not marker.exists()
    assert not (tmp_path / "trace").exists()
    seen = {*git.git_environment(), *git.git_environment(away=True)}
    assert not seen & {"GIT_DIR", "GIT_CONFIG_COUNT", "GIT_EXTERNAL_DIFF", "GITHUB_TOKEN"}
    assert not {"HOME", "SSH_AUTH_SOCK"} & set(git.git_environment())
    assert {"HOME", "SSH_AUTH_SOCK"} <= set(git.git_environment(away=True))


def test_a_repository_is_found_by_its_git_folder_alone(tmp_path: Path) -> None:
    root = repository_in(tmp_path / "clone")
    run_git(tmp_path, "clone", "-q", "--bare", str(root), str(root / "tree" / "bare"))
    for folder in (root, root / "tree", root / "tree" / "bare", root / "tree" / "bare" / "refs"):
        assert found_above(folder) == Repository(root / ".git", root)
    run_git(tmp_path, "clone", "-q", "--bare", str(root), str(tmp_path / "alone.git"))
    with pytest.raises(SourceUnavailable, match="not a Git repository"):
        load_revision(tmp_path / "alone.git", "HEAD")


def test_a_linked_working_tree_and_a_submodule_are_repositories(tmp_path: Path) -> None:
    root = repository_in(tmp_path / "clone")
    run_git(root, "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")
    assert load_revision(tmp_path / "linked" / "tree", "HEAD").documents
    above = repository_in(tmp_path / "above")
    run_git(above, "-c", "protocol.file.allow=always", "submodule", "-q", "add", str(root), "sub")
    assert (above / "sub" / ".git").is_file()
    assert load_revision(above / "sub" / "tree", "HEAD").documents


def link_to_tree(root: Path) -> None:
    (root / ".git").rename(root / "tree" / "hidden")
    (root / ".git").symlink_to("tree/hidden")


def file_to_tree(root: Path) -> None:
    (root / ".git").rename(root / "tree" / "hidden")
    (root / ".git").write_text("gitdir: tree/hidden\n")


def garbage(root: Path) -> None:
    shutil.rmtree(root / ".git")
    (root / ".git").write_bytes(b"\xff" * 10_000)


def nothing(root: Path) -> None:
    shutil.rmtree(root / ".git")
    (root / ".git").mkdir()


def circle(root: Path) -> None:
    shutil.rmtree(root / ".git")
    (root / ".git").symlink_to(".git")


def zero(root: Path) -> None:
    shutil.rmtree(root / ".git")
    (root / ".git").write_bytes(b"gitdir: x\0y\n")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (circle, "the search for a repository above"),
        (zero, "the search for a repository above"),
        (link_to_tree, "points into its own folder"),
        (file_to_tree, "points into its own folder"),
        (garbage, "is neither a Git repository nor a link to one"),
        (nothing, "is not a Git repository"),
    ],
)
def test_a_git_entry_that_is_none_is_refused(
    tmp_path: Path, change: Callable[[Path], None], words: str
) -> None:
    root = repository_in(tmp_path / "clone")
    change(root)
    with pytest.raises(SourceUnavailable, match=words):
        load_revision(root / "tree", "HEAD")
    assert load_tree(root / "tree").documents, "a working tree needs no repository"


def test_replacements_and_grafts_are_not_looked_at(tmp_path: Path) -> None:
    root = repository_in(tmp_path / "clone")
    real = load_revision(root / "tree", "HEAD").digest
    with Repo(root) as repository:
        old = repository.git.rev_parse("HEAD:tree/a.yaml")
        (tmp_path / "new").write_text("a: 2\n")
        new = repository.git.hash_object("-w", str(tmp_path / "new"))
        repository.git.replace(old, new)
    assert load_revision(root / "tree", "HEAD").digest == real


@pytest.mark.parametrize(
    ("ending", "words"),
    [("exit 0", "does not list"), ("exit 5", "ended with 5"), ("kill $$", "ended with -15")],
)
def test_silence_of_git_is_no_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, words: str
) -> None:
    root = repository_in(tmp_path / "x")
    repository, old = found_above(root), Repo(root).head.commit.hexsha
    (root / "another").touch()
    new = commit_all(root)
    assert repository is not None
    assert repository.is_ancestor(old, new)
    assert repository.is_ancestor(new, new)
    assert not repository.is_ancestor(new, old)
    assert not repository.is_ancestor("0" * 40, new)
    folder, real = tmp_path / "bin", shutil.which("git")
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def broken(command: str) -> None:
        (folder / "git").write_text(
            f'#!/bin/sh\nfor word; do test "$word" != {command} || {ending}; done\nexec {real} "$@"\n'
        )
        (folder / "git").chmod(0o755)

    broken("rev-list")
    with pytest.raises(GitFailed, match=words):
        repository.between(old, new, 10)
    assert not repository.is_ancestor(new, old)
    if ending != "exit 0":
        broken("merge-base")
        with pytest.raises(GitFailed, match=words):
            repository.is_ancestor(new, old)


@pytest.mark.parametrize("rev", ["--output=/tmp/x", "--help", "-h", "HEAD --all", "nothing"])
def test_a_revision_is_never_an_option(tmp_path: Path, rev: str) -> None:
    root = repository_in(tmp_path / "clone")
    with pytest.raises(SourceUnavailable, match="cannot read"):
        load_revision(root / "tree", rev)


def test_what_git_says_is_printable_and_has_a_bound(tmp_path: Path) -> None:
    root = repository_in(tmp_path / "clone")
    foreign = "x\x1b[31m\r\n::add-mask::y" * 1000
    with pytest.raises(GitFailed, match="Not a valid object name") as caught:
        git.opened(root).ask("merge-base", "--end-of-options", foreign, "HEAD")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) <= bounds.CHILD_WORDS


def test_what_git_writes_has_a_bound(tmp_path: Path) -> None:
    root = repository_in(tmp_path / "clone")
    (root / "tree" / "b.yaml").write_text("# x\n" * 1000)
    commit_all(root)
    with pytest.raises(GitFailed, match="git cat-file wrote more than 100 bytes"):
        git.opened(root).ask("cat-file", "blob", "HEAD:tree/b.yaml", most=100)


def test_packed_repositories_with_many_files_are_read(tmp_path: Path) -> None:
    root = tmp_path / "clone"
    for number in range(3000):
        path = root / "tree" / f"{number % 7}" / f"{number}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"a: {number}\n" + "# x\n" * (number % 500))
    commit_all(root)
    run_git(root, "gc", "-q", "--prune=now")
    run_git(root, "pack-refs", "--all")
    assert load_revision(root / "tree", "main").digest == load_tree(root / "tree").digest


def test_what_this_program_commits_itself_goes_through_the_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "marker"
    (tmp_path / ".gitconfig").write_text(f"[core]\n\tfsmonitor = {program(tmp_path, marker)}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    with writable(tmp_path / "own") as repository:
        (tmp_path / "own" / "a.yaml").write_text(DOCUMENT)
        repository.git.add("--all")
        repository.index.commit("one", author=AUTHOR, committer=AUTHOR)
        assert repository.head.commit.hexsha == load_revision(tmp_path / "own", "HEAD").revision
    assert not marker.exists()
    assert not (tmp_path / "trace").exists()
