"""A tree as a whole has bounds, however its content is spread over files. Nothing is timed: what is composed
is counted, and the fuzzer's limits hold for what is refused."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from reconciler.load import Composed, Loaded, Source, load_revision, load_tree
from reconciler.load import reading as module
from reconciler.load.composer import compose
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
    told = [item.location.file for item in loaded.diagnostics if item.code == "tree-too-large"]
    assert "".join(told) == refused
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
