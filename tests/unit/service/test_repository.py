"""How the branch comes here: over slow lines, in steps, with bounds, and what git says when it cannot."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import git
import pytest

from reconciler.load.git import Watch
from reconciler.model.errors import SourceUnavailable
from reconciler.service.clone import FetchStopped
from reconciler.service.repository import FollowedRepository
from tests.repositories import new_repository
from tests.slow_remote import SlowRemote

_DEADLINE = 60.0


@pytest.fixture
def repository(tmp_path: Path) -> git.Repo:
    found = new_repository(tmp_path / "remote")
    found.git.commit("--message", "first", "--allow-empty")
    return found


@pytest.fixture
def slow(tmp_path: Path, repository: git.Repo, monkeypatch: pytest.MonkeyPatch) -> SlowRemote:
    """The same repository behind a slow line, with a file of 200 KiB that cannot be compressed."""
    (tmp_path / "remote" / "noise").write_bytes(os.urandom(200 * 1024))
    repository.git.add("--all")
    repository.git.commit("--message", "noise")
    remote = SlowRemote(tmp_path, tmp_path / "remote")
    remote.pause(0)
    monkeypatch.setenv("GIT_SSH_COMMAND", remote.command)
    return remote


def repository_at(
    tmp_path: Path, remote: str = "", branch: str = "main", watch: Watch | None = None
) -> FollowedRepository:
    return FollowedRepository(tmp_path / "clone.git", remote or str(tmp_path / "remote"), branch, "", watch)


def count(tmp_path: Path, rev: str = "main") -> int:
    words = ["git", f"--git-dir={tmp_path}/clone.git", "rev-list", "--count", rev]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.usefixtures("repository")
def test_what_cannot_be_fetched_is_said_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="branch other"):
        repository_at(tmp_path, branch="other").fetch()
    with pytest.raises(SourceUnavailable) as caught:
        repository_at(tmp_path, "http://me:PLANTED-PASSWORD@127.0.0.1:1/x.git").fetch()
    assert "127.0.0.1" in caught.value.message
    assert "PLANTED" not in f"{caught.value.message} {caught.value.__cause__}"


def test_a_look_at_the_remote_moves_nothing(tmp_path: Path, repository: git.Repo) -> None:
    followed = repository_at(tmp_path)
    first = str(repository.head.commit.hexsha)
    assert followed.peek() == first
    assert followed.head() == "", "nothing is followed yet"
    assert followed.fetch() == first
    repository.git.commit("--message", "another", "--allow-empty")
    assert followed.peek() == str(repository.head.commit.hexsha) != first
    assert followed.head() == first


@pytest.mark.parametrize("remote", ["ext::sh -c touch% {}", "fd::17", "foo::bar", "--upload-pack=touch {}"])
@pytest.mark.usefixtures("repository")
def test_no_remote_names_a_command(tmp_path: Path, remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "marker"
    (tmp_path / ".gitconfig").write_text("[protocol]\n\tallow = always\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SourceUnavailable):
        repository_at(tmp_path, remote.format(marker)).fetch()
    assert not marker.exists()


def test_the_operators_configuration_counts_for_a_fetch(
    tmp_path: Path, repository: git.Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is where credentials and rewritten addresses stand."""
    (tmp_path / ".gitconfig").write_text(f'[url "{tmp_path}/remote"]\n\tinsteadOf = https://git.example/x\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    assert repository_at(tmp_path, "https://git.example/x").fetch() == str(repository.head.commit.hexsha)


@pytest.mark.usefixtures("repository")
def test_a_fetch_runs_no_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker, hook = tmp_path / "marker", tmp_path / "hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(f"[core]\n\thooksPath = {hook.parent}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    followed = repository_at(tmp_path)
    followed.keep(followed.fetch())
    assert followed.kept()
    assert not marker.exists()


def test_the_first_fetch_brings_one_commit_and_history_comes_when_it_is_asked_for(
    tmp_path: Path, repository: git.Repo
) -> None:
    first = str(repository.head.commit.hexsha)
    for number in range(150):
        repository.git.commit("--message", str(number), "--allow-empty")
    followed = repository_at(tmp_path, f"file://{tmp_path}/remote")
    head = followed.fetch()
    assert count(tmp_path) == 1
    repository.git.commit("--message", "later", "--allow-empty")
    after = followed.fetch()
    assert count(tmp_path) == 2
    assert followed.between(head, after, 10) == [after]
    assert followed.descends(after, head)
    assert count(tmp_path) == 2, "nothing older was needed for that"
    assert followed.descends(after, first)
    assert count(tmp_path) == 152
    assert not followed.descends(first, after)
    assert not followed.descends(after, "0" * 40)


def test_what_a_merge_brings_from_before_the_first_fetch_is_not_new(
    tmp_path: Path, repository: git.Repo
) -> None:
    repository.git.branch("side")
    repository.git.commit("--message", "on main", "--allow-empty")
    followed = repository_at(tmp_path, f"file://{tmp_path}/remote")
    head = followed.fetch()
    repository.git.checkout("side")
    repository.git.commit("--message", "on the side", "--allow-empty")
    side = str(repository.head.commit.hexsha)
    repository.git.checkout("main")
    repository.git.merge("--no-ff", "--message", "merge", "side")
    merge = followed.fetch()
    assert set(followed.between(head, merge, 10)) == {merge, side}


def test_a_transfer_is_limited_by_stall_and_not_by_its_length(tmp_path: Path, slow: SlowRemote) -> None:
    slow.pause(0.15)
    lines: list[str] = []
    began = time.monotonic()
    head = repository_at(
        tmp_path, slow.url, watch=Watch(stall=5, progress=lines.append, report_every=0.5)
    ).fetch()
    assert time.monotonic() - began > 5, "it took longer than the limit"
    assert head == repository_at(tmp_path).peek()
    assert any("Receiving objects" in line for line in lines)


def test_a_transfer_that_stalls_is_given_up_and_the_next_one_succeeds(
    tmp_path: Path, slow: SlowRemote
) -> None:
    slow.pause(0, stops_after=50_000)
    with pytest.raises(SourceUnavailable, match="no output for 1 s"):
        repository_at(tmp_path, slow.url, watch=Watch(stall=1)).fetch()
    eventually(lambda: not slow.alive())
    slow.pause(0)
    assert repository_at(tmp_path, slow.url).fetch()


def test_a_remote_that_dribbles_is_given_up_in_the_end(tmp_path: Path, slow: SlowRemote) -> None:
    slow.pause(0.5)
    with pytest.raises(SourceUnavailable, match="given up after 3 s in total"):
        repository_at(tmp_path, slow.url, watch=Watch(total=3)).fetch()
    eventually(lambda: not slow.alive())


def test_a_transfer_has_a_bound_in_bytes(tmp_path: Path, slow: SlowRemote) -> None:
    slow.pause(0.15)
    with pytest.raises(SourceUnavailable, match="more than 50,000 bytes were received in one transfer"):
        repository_at(tmp_path, slow.url, watch=Watch(most=50_000)).fetch()
    assert not list((tmp_path / "clone.git" / "objects" / "pack").iterdir()), "nothing of it stays"


def test_a_fetch_ends_when_it_is_stopped(tmp_path: Path, slow: SlowRemote) -> None:
    slow.pause(0, stops_after=50_000)
    stop = threading.Event()

    def once_it_runs() -> None:
        eventually(lambda: bool(slow.alive()))
        stop.set()

    threading.Thread(target=once_it_runs).start()
    with pytest.raises(FetchStopped):
        repository_at(tmp_path, slow.url).fetch(stop.is_set)
    eventually(lambda: not slow.alive())


@pytest.mark.usefixtures("repository")
def test_what_a_killed_fetch_has_left_holds_up_nothing(tmp_path: Path) -> None:
    followed = repository_at(tmp_path)
    followed.peek()
    left = [tmp_path / "clone.git" / name for name in ("shallow.lock", "refs/heads/main.lock", "HEAD.lock")]
    left.append(tmp_path / "clone.git" / "objects" / "pack" / "tmp_pack_x")
    for path in left:
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    assert followed.fetch()
    assert not [path for path in left if path.exists()]


@pytest.mark.usefixtures("repository")
def test_two_fetches_take_turns(tmp_path: Path, slow: SlowRemote) -> None:
    slow.pause(0.02)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(repository_at(tmp_path, slow.url).fetch())) for _ in "ab"
    ]
    repository_at(tmp_path).head()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]


def test_a_look_at_the_remote_cuts_nothing_of_what_is_here(tmp_path: Path, repository: git.Repo) -> None:
    followed = repository_at(tmp_path, f"file://{tmp_path}/remote")
    first = followed.fetch()
    for number in range(3):
        repository.git.commit("--message", str(number), "--allow-empty")
    followed.fetch()
    assert count(tmp_path) == 4, "it has all of it"
    repository.git.commit("--message", "later", "--allow-empty")
    head = followed.peek()
    assert count(tmp_path) == 4
    assert count(tmp_path, head) == 5
    assert len(followed.between(first, head, 10)) == 4


def cut(tmp_path: Path, at: str) -> None:
    """What another process does that makes the copy shallow."""
    (tmp_path / "clone.git" / "shallow").write_text(f"{at}\n")


def test_commits_behind_a_cut_are_not_passed_over(tmp_path: Path, repository: git.Repo) -> None:
    first = str(repository.head.commit.hexsha)
    for number in range(3):
        repository.git.commit("--message", str(number), "--allow-empty")
    followed = repository_at(tmp_path, f"file://{tmp_path}/remote")
    head = followed.fetch()
    assert followed.descends(head, first)
    cut(tmp_path, head)
    assert len(followed.between(first, head, 10)) == 3, "the rest was brought"


def test_a_remote_that_is_cut_between_two_commits_has_not_all_of_what_is_new(
    tmp_path: Path, repository: git.Repo
) -> None:
    first = str(repository.head.commit.hexsha)
    for number in range(3):
        repository.git.commit("--message", str(number), "--allow-empty")
    followed = repository_at(tmp_path, f"file://{tmp_path}/remote")
    head = followed.fetch()
    assert followed.descends(head, first)
    cut(tmp_path, head)
    (tmp_path / "remote" / ".git" / "shallow").write_text(f"{head}\n")
    with pytest.raises(SourceUnavailable, match="history is cut between"):
        followed.between(first, head, 10)
