"""A tree as a whole has bounds, however its content is spread over files. Nothing is timed: what is composed
is counted, and the fuzzer's limits hold for what is refused."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import git
import pytest

from reconciler.load import Composed, Loaded, Source, listing, load_revision, load_tree, revision, tree
from reconciler.load import reading as module
from reconciler.load.composer import compose
from reconciler.load.git import Repository
from reconciler.load.listing import Choice
from reconciler.load.reading import read
from reconciler.model.bounds import FILE_BYTES, MOST_UNREAD, TREE_VALUES
from reconciler.model.diagnostic import Diagnostics
from reconciler.validate import validate
from tests.fuzz.limits import bounded
from tests.repositories import new_repository

SOURCE = Source("", "")
SHARED = b"---\n".join(b"a: [" + b"1, " * 19_000 + b"]\n" for _ in range(24))
"""Below every bound of a file and of a document."""


def reading(files: dict[str, bytes], composed: Composed | None = None) -> Loaded:
    return read(files, SOURCE, Diagnostics(), composed)


def test_files_that_share_one_blob_count_each() -> None:
    composed: Composed = {}
    with bounded():
        loaded = reading({f"{number}.yaml": SHARED for number in range(16)}, composed)
        _, found = validate(loaded)
    [item] = found
    assert item.code == "tree-too-large"
    assert f"more than {TREE_VALUES:,} signs that begin a key or a value" in item.message
    assert (loaded.documents, composed) == ((), {}), "nothing was composed"
    assert loaded.may_define("anything")


def test_the_working_tree_and_a_revision_are_refused_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TREE_VALUES", 20)
    repository = new_repository(tmp_path)
    for number in range(8):
        (tmp_path / f"{number}.yaml").write_text("a: [1, 2]\n")
    repository.git.add("--all")
    repository.git.commit("--message", "equal files")
    for loaded in (load_tree(tmp_path), load_revision(tmp_path, "HEAD")):
        [item] = loaded.diagnostics
        assert (item.code, item.location.file) == ("tree-too-large", "6.yaml")
        assert loaded.documents == ()


@pytest.mark.parametrize(("values", "refused"), [(27, ""), (26, "2.yaml")])
def test_what_has_few_signs_is_counted_as_it_is_composed(
    monkeypatch: pytest.MonkeyPatch, values: int, refused: str
) -> None:
    """Three files of nine values for four signs each."""
    monkeypatch.setattr(module, "TREE_VALUES", values)
    loaded = reading({f"{number}.yaml": b"{a,b,c,d}" for number in range(3)})
    reported = [item.location.file for item in loaded.diagnostics if item.code == "tree-too-large"]
    assert "".join(reported) == refused
    assert len(loaded.documents) == (0 if refused else 3)


def test_values_of_sealed_files_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TREE_VALUES", 20)
    loaded = reading({f"{number}.sops.yaml": b"a: 1\n" * 5 for number in range(5)})
    assert [item.code for item in loaded.diagnostics] == ["tree-too-large"]


def test_texts_of_files_that_cannot_be_read_are_not_kept_beyond_what_is_searched() -> None:
    broken = b"a: [1\n" + b"#" * MOST_UNREAD
    files = {f"{number}.yaml": broken for number in range(3)}
    assert reading({"0.yaml": b"a: [1\n"}).unread == ("a: [1\n",)
    loaded = reading(files)
    assert loaded.unread == ("",)
    assert loaded.may_define("anything")
    assert len([item for item in loaded.diagnostics if item.code == "yaml-syntax"]) == 3


def test_nothing_is_read_of_a_tree_with_too_many_bytes(tmp_path: Path) -> None:
    with (tmp_path / "0.yaml").open("wb") as file:
        file.truncate(FILE_BYTES)
    for number in range(1, 12):
        (tmp_path / f"{number:02}.yaml").hardlink_to(tmp_path / "0.yaml")
    with bounded():
        loaded = load_tree(tmp_path)
    assert [item.code for item in loaded.diagnostics] == ["tree-too-large"]
    assert loaded.documents == ()


def repeated(folder: Path, blobs: int, levels: int, file: str, content: bytes) -> git.Repo:
    """A repository of a few objects: a folder of files that are one blob, in a folder that has it as often,
    and so on."""
    repository = new_repository(folder)
    (folder / file).write_bytes(content)
    blob = repository.git.hash_object("-w", folder / file)
    entries = [f"100644 blob {blob}\t{number}{file}" for number in range(blobs)]
    for _ in range(levels):
        (folder / "entries").write_text("".join(f"{entry}\n" for entry in entries))
        with (folder / "entries").open("rb") as listed:
            tree = repository.git.mktree(istream=listed)
        entries = [f"040000 tree {tree}\t{number:04}" for number in range(blobs)]
    commit = repository.git.commit_tree(tree, "-m", "repeated")
    repository.git.update_ref("refs/heads/repeated", commit)
    return repository


def counted(monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> list[Any]:
    """The first of what a method of a class is called with from now on."""
    original = getattr(kind, name)
    calls: list[Any] = []

    def counting(self: object, *given: Any) -> object:
        calls.append(given[0])
        return original(self, *given)

    monkeypatch.setattr(kind, name, counting)
    return calls


@pytest.mark.parametrize("file", ["a.yaml", "a.txt"])
@pytest.mark.parametrize("subdir", ["", "0001"])
def test_a_million_million_files_are_refused_before_any_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, subdir: str
) -> None:
    """1,000 files in 1,000 folders in 1,000 folders in 1,000 folders: four trees and a blob."""
    repeated(tmp_path, 1_000, 4, file, b"a: 1\n")
    taken = counted(monkeypatch, Choice, "take")
    asked = counted(monkeypatch, Repository, "contents")
    loaded = load_revision(tmp_path, "repeated", subdir)
    [item] = loaded.diagnostics
    assert (item.code, item.message) == ("tree-too-large", "more than 200000 files and folders")
    assert item.location.file.endswith(file)
    assert item.location.file.startswith(subdir)
    assert loaded.may_define("anything")
    assert taken == []
    assert [blobs for blobs in asked if blobs] == []


def test_a_blob_that_many_files_are_is_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = b"-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"
    repeated(tmp_path, 5, 3, "key.txt", key)
    asked = counted(monkeypatch, Repository, "contents")
    loaded = load_revision(tmp_path, "repeated")
    assert [len(blobs) for blobs in asked] == [0, 1]
    assert [item.code for item in loaded.diagnostics] == ["secret-in-clear"] * 125


@pytest.mark.parametrize("bound", ["TREE_ENTRIES", "TREE_DEPTH", "TREE_BYTES"])
def test_nothing_is_looked_at_in_a_tree_that_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("0.txt", "1.yaml", "2.yaml", "a/b/c.yaml"):
        (tmp_path / name).write_text("a: 1\n")
    repository = new_repository(tmp_path)
    repository.git.add("--all")
    repository.git.commit("--message", "files")
    monkeypatch.setattr(listing, bound, 2)
    monkeypatch.setattr(tree, "report_private", refuse_to_look)
    monkeypatch.setattr(revision, "report_private", refuse_to_look)
    for loaded in (load_tree(tmp_path), load_revision(tmp_path, "HEAD")):
        assert [item.code for item in loaded.diagnostics] == ["tree-too-large"]


def refuse_to_look(*_: object) -> None:
    raise AssertionError("a file of a tree that is refused was looked at")


def test_a_value_takes_little_memory_with_its_place() -> None:
    """40,000 tunnel ends have up to 2.5 million values."""
    [document], whole = compose(b"a: [" + b"x, " * 19_000 + b"]", "f", Diagnostics())
    assert whole
    assert document.values == 19_003
    numbers = document.marks._numbers
    assert isinstance(numbers, array)
    assert len(numbers) == 3 * document.values
    data = document.data
    assert isinstance(data, dict)
    assert len({id(item) for item in data["a"]}) == 1, "equal texts are one object"
