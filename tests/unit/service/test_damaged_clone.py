"""The copy of the repository is damaged in any of its files: another replaces it, and what was good stays."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import git
import pytest
from filelock import FileLock

from lab.engine import until
from reconciler.model import bounds
from reconciler.model.errors import SourceUnavailable
from reconciler.model.events import Trouble
from reconciler.model.record import Result
from reconciler.service import repository as repository_module
from reconciler.service.clone import FetchStopped
from reconciler.service.metrics import Metrics
from reconciler.service.repository import FollowedRepository
from tests.repositories import new_repository
from tests.unit.service.followed import followed
from tests.unit.service.test_trust import Signed


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeros(path: Path) -> None:
    """What a power failure leaves of a file that was being written."""
    path.write_bytes(b"\0" * max(path.stat().st_size, 41))


def garbage(path: Path) -> None:
    path.write_bytes(b"\x07\xffgarbage\n" * 50)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def removed(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").touch()


DAMAGES = [emptied, zeros, garbage, half, removed, a_folder]
Damage = Callable[[Path], None]


@dataclass
class Site:
    """A remote and a copy of it, which has files of each kind."""

    folder: Path
    remote: git.Repo

    @property
    def copy(self) -> Path:
        return self.folder / "clone.git"

    def followed(self) -> FollowedRepository:
        return FollowedRepository(self.copy, f"file://{self.remote.working_dir}", "main", "")

    def commit(self, text: str) -> str:
        (Path(self.remote.working_dir) / "note.txt").write_text(text)
        self.remote.git.add("--all")
        self.remote.git.commit("--message", text)
        return str(self.remote.head.commit.hexsha)

    def aside(self) -> list[Path]:
        return sorted(self.folder.glob("clone.damaged-*.git"))

    def again(self, folder: Path) -> Site:
        """The same once more, to be damaged."""
        shutil.copytree(self.folder, folder)
        return Site(folder, git.Repo(folder / "remote"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Its history is cut, its references are packed and loose, and it has kept a commit."""
    folder = tmp_path_factory.mktemp("whole")
    site = Site(folder, new_repository(folder / "remote"))
    site.commit("first")
    site.commit("second")
    followed = site.followed()
    followed.keep(followed.fetch())
    followed.peek()
    git.Repo(site.copy).git.pack_refs("--all")
    site.commit("third")
    followed.keep(followed.fetch())
    followed.peek()
    return site


def files(site: Site) -> list[Path]:
    return sorted(path.relative_to(site.folder) for path in site.copy.rglob("*") if path.is_file())


def test_the_copy_has_files_of_each_kind(whole: Site) -> None:
    named = {str(path) for path in files(whole)}
    kinds = {"HEAD", "config", "packed-refs", "shallow", "refs/heads/main", "refs/tunnelwright/good"}
    assert {f"clone.git/{kind}" for kind in kinds} < named
    assert {path.suffix for path in files(whole) if "pack" in path.parts} >= {".pack", ".idx"}


def run(site: Site, good: str) -> str:
    """What a run asks of the copy, as a process of its own; the head."""
    followed = site.followed()
    head = followed.fetch()
    assert followed.load(head).source.commit == head
    assert followed.descends(head, good)
    assert followed.between(good, head, 10)[0] == head
    assert followed.raw(head).startswith(b"tree ")
    followed.keep(head)
    return head


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damaged_file_heals_by_the_run_after_the_next(
    damage: Damage, whole: Site, tmp_path: Path
) -> None:
    good = str(whole.remote.head.commit.hexsha)
    for number, name in enumerate(files(whole)):
        site = whole.again(tmp_path / str(number))
        damage(site.folder / name)
        new = site.commit("fourth")
        heads = []
        for _ in range(2):
            try:
                heads.append(run(site, good))
            except SourceUnavailable as error:
                heads.append(error.message)
        assert heads[-1] == new, (name, heads)
        # Who goes back to before the damage is found out all the same, and what was good is still here.
        site.remote.git.reset("--hard", f"{good}~1")
        followed = site.followed()
        head = followed.fetch()
        assert head != new
        assert followed.kept() == new, name
        assert not followed.descends(head, followed.kept()), name
        assert followed.load(followed.kept()).source.commit == new
        assert not (site.folder / "clone.new").exists()


@pytest.mark.parametrize("name", ["HEAD", "refs/heads/main"])
def test_a_damaged_copy_is_set_aside_and_reported(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = followed(tmp_path)
    service = site.service()
    metrics = Metrics(service.dependencies.history)
    service.notify = metrics.ended
    good = service.once().head
    copy = tmp_path / "state" / "repository.git"
    for number in range(bounds.COPIES_SET_ASIDE + 2):
        zeros(copy / name)
        record = service.once()
        assert (record.in_force, record.result) == (good, Result.IN_SYNC), record.message
        [said] = record.of(Trouble)
        aside = sorted(copy.parent.glob("repository.damaged-*.git"))
        assert len(aside) == min(number + 1, bounds.COPIES_SET_ASIDE)
        assert said.part == "repository"
        assert f"was set aside as {aside[-1]}, and the repository was cloned again" in said.reason
        assert said.reason in record.message
        assert (aside[-1] / name).read_bytes().strip(b"\0") == b"", "it is there to be looked at"
        assert f"tunnelwright_repository_set_aside_total {number + 1}.0".encode() in metrics.expose("")[1]
    assert "was set aside as" in caplog.text
    assert not service.once().of(Trouble), "it is reported once"


def test_objects_that_are_gone_heal(tmp_path: Path) -> None:
    """Nothing but reading the commit finds that; and the fetch before it has nothing to bring."""
    site = followed(tmp_path)
    site.once()
    for path in (tmp_path / "state" / "repository.git" / "objects").rglob("*.pack"):
        path.chmod(0o600)
        garbage(path)
    record = site.once()
    assert record.result is Result.IN_SYNC, record.message
    assert "was set aside" in record.message


@pytest.mark.parametrize("history", [True, False])
def test_a_rewound_branch_is_refused_by_a_new_clone_too(history: bool, tmp_path: Path) -> None:
    signed = Signed(tmp_path)
    old = signed.change()
    signed.once()
    good = signed.change()
    assert signed.once().in_force == good
    if not history:
        (tmp_path / "state" / "history.db").unlink()
    for name in ("packed-refs", "refs/tunnelwright/good", "refs/heads/main"):
        (tmp_path / "state" / "repository.git" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "state" / "repository.git" / name).write_bytes(b"\0" * 41)
    signed.rewind(old)
    for _ in range(2):
        record = signed.once()
        assert (record.head, record.in_force, record.result) == (old, good, Result.INCOMPLETE), record.message
        assert "does not descend from" in record.message
    assert len(list((tmp_path / "state").glob("repository.damaged-*.git"))) == 1


def test_a_copy_is_not_to_blame_for_its_remote(whole: Site, tmp_path: Path) -> None:
    site = whole.again(tmp_path / "site")
    (site.folder / "remote").rename(site.folder / "away")
    before = {path: (site.folder / path).read_bytes() for path in files(site) if path.suffix != ".lock"}
    with pytest.raises(SourceUnavailable, match=r"fetch of file://.*, branch main: "):
        site.followed().fetch()
    assert {path: (site.folder / path).read_bytes() for path in before} == before
    assert not site.aside()
    emptied(site.copy / "HEAD")
    with pytest.raises(SourceUnavailable):
        site.followed().fetch()
    assert site.copy.exists(), "nothing is set aside before there is something in its place"
    assert not site.aside()
    (site.folder / "away").rename(site.folder / "remote")
    assert site.followed().fetch() == str(site.remote.head.commit.hexsha)
    assert len(site.aside()) == 1


def test_what_was_good_is_not_forgotten_without_a_word(whole: Site, tmp_path: Path) -> None:
    site = whole.again(tmp_path / "site")
    emptied(site.folder / "clone.good")
    assert site.followed().kept() == str(site.remote.head.commit.hexsha), "the copy has it too"
    shutil.rmtree(site.copy)
    with pytest.raises(
        SourceUnavailable, match=r"clone\.good no longer contains the last good commit"
    ) as caught:
        site.followed().kept()
    assert "remove it" in caught.value.hint
    (site.folder / "clone.good").unlink()
    assert site.followed().kept() == ""


def test_a_fetch_waits_for_its_turn_within_a_bound(
    whole: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = whole.again(tmp_path / "site")
    followed = site.followed()
    with FileLock(site.folder / "clone.lock"):
        monkeypatch.setattr(repository_module, "FETCH_TURN", 0.2)
        caught: list[BaseException] = []

        def fetch() -> None:
            try:
                followed.fetch()
            except SourceUnavailable as error:
                caught.append(error)

        waiting = threading.Thread(target=fetch)
        waiting.start()
        waiting.join(30)
        assert "another process fetches into" in str(caught.pop())
        monkeypatch.setattr(repository_module, "FETCH_TURN", 600)
        stopped = threading.Event()

        def fetch_until_stopped() -> None:
            with pytest.raises(FetchStopped):
                followed.fetch(stopped.is_set)
            caught.append(FetchStopped(""))

        waiting = threading.Thread(target=fetch_until_stopped)
        waiting.start()
        stopped.set()
        assert until(lambda: bool(caught), 30)
        waiting.join(30)
    assert followed.fetch()


KILLED = """
import os, sys
from pathlib import Path
from reconciler.service.repository import FollowedRepository

copy, remote, moment = sys.argv[1:]

def killed(self, target, rename=Path.rename):
    if moment == "after the first":
        rename(self, target)
    os._exit(9)

Path.rename = killed
FollowedRepository(Path(copy), remote, "main", "").fetch()
"""


@pytest.mark.parametrize("moment", ["before the first", "after the first"])
def test_a_new_copy_that_was_never_used_goes_at_the_next_start(
    moment: str, whole: Site, tmp_path: Path
) -> None:
    """Its maker is killed before the old copy is set aside, or before the new one takes its place."""
    site = whole.again(tmp_path / "site")
    head = (site.copy / "HEAD").read_bytes()
    zeros(site.copy / "HEAD")
    command = [sys.executable, "-c", KILLED, str(site.copy), f"file://{site.remote.working_dir}", moment]
    assert subprocess.run(command, check=False, timeout=60).returncode == 9
    assert (site.folder / "clone.new" / "HEAD").exists()
    if moment == "before the first":
        # What failed was no damage, and has passed: nothing needs a new copy any more.
        (site.copy / "HEAD").write_bytes(head)
    followed = site.followed()
    assert followed.fetch() == str(whole.remote.head.commit.hexsha)
    assert not (site.folder / "clone.new").exists()
    assert followed.complaints() == []


def test_a_copy_that_is_not_there_is_not_set_aside(whole: Site, tmp_path: Path) -> None:
    """It is made anew, and no person is sent to look at what does not exist."""
    site = whole.again(tmp_path / "site")
    shutil.rmtree(site.copy)
    followed = site.followed()
    good = str(whole.remote.head.commit.hexsha)
    assert followed.load(good).source.commit == good
    assert site.aside() == []
    assert followed.complaints() == []
