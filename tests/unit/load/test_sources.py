"""A working tree and a Git revision as sources: the same result, and all that can be wrong with files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from git import Actor, Repo

from reconciler.load import Composed, Loaded, load_revision, load_tree
from reconciler.load.reading import MAX_BYTES
from reconciler.model.diagnostic import Location
from reconciler.model.errors import SourceUnavailable

AUTHOR = Actor("Test", "test@example.com")


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def commit(root: Path) -> str:
    """All of a folder as one commit."""
    with Repo.init(root) as repository:
        repository.git.add(all=True)
        return repository.index.commit("A change", author=AUTHOR, committer=AUTHOR).hexsha


FILES = {
    "fabric/b/two.yml": "a: 2\n---\na: 3\n",
    "fabric/a.yaml": "a: 1\n",
    "fabric/é ü.yaml": "a: 4\n",
    "fabric/.hidden/x.yaml": "a: [\n",
    "fabric/.hidden.yaml": "a: [\n",
    "fabric/README.md": "[\n",
    "fabric/vips.lock.yaml": "one: 203.0.113.1\n",
    "other/x.yaml": "a: [\n",
}


def told(loaded: Loaded) -> tuple[object, ...]:
    """All that loading yields, with the place of each document and of its first value."""
    documents = [(d.file, d.index, d.data, d.locate(), d.locate(("a",))) for d in loaded.documents]
    return documents, loaded.diagnostics, loaded.digest, loaded.lock, loaded.unread


def test_revisions_share_the_documents_of_equal_files_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "fabric/wrong.yaml": "a: 1\na: 2\n", "fabric/broken.yaml": "a: ["})
    base = commit(tmp_path)
    write(tmp_path, {"fabric/b/two.yml": "a: 5\n"})
    (tmp_path / "fabric" / "a.yaml").rename(tmp_path / "fabric" / "c.yaml")
    head = commit(tmp_path)
    composed: Composed = {}
    together = [load_revision(tmp_path, rev, "fabric", composed=composed) for rev in (base, head)]
    assert [told(item) for item in together] == [
        told(load_revision(tmp_path, r, "fabric")) for r in (base, head)
    ]
    before, after = ({item.file: item for item in loaded.documents} for loaded in together)
    assert before["fabric/é ü.yaml"] is after["fabric/é ü.yaml"]
    assert after["fabric/c.yaml"].locate().file == "fabric/c.yaml"
    assert after["fabric/b/two.yml"].data == {"a": 5}
    assert {item.code for item in together[1].diagnostics} == {"yaml-duplicate-key", "yaml-syntax"}


def test_a_tree_is_read_in_order_of_names(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    loaded = load_tree(tmp_path, "fabric")
    assert [(item.file, item.index, item.data) for item in loaded.documents] == [
        ("fabric/a.yaml", 0, {"a": 1}),
        ("fabric/b/two.yml", 0, {"a": 2}),
        ("fabric/b/two.yml", 1, {"a": 3}),
        ("fabric/é ü.yaml", 0, {"a": 4}),
    ]
    assert loaded.diagnostics == ()
    assert loaded.revision is None
    assert loaded.lock["one"].address == "203.0.113.1"
    assert loaded.lock["one"].location == Location("fabric/vips.lock.yaml", 1, 6)


@pytest.mark.parametrize(
    ("folder", "subdir"), [(".", "fabric"), ("fabric", ""), (".", "./fabric/"), (".", "")]
)
def test_a_revision_reads_as_the_tree_it_was(tmp_path: Path, folder: str, subdir: str) -> None:
    write(tmp_path, {name: text for name, text in FILES.items() if not name.startswith("other")})
    head = commit(tmp_path)
    tree = load_tree(tmp_path / folder, subdir)
    (tmp_path / "fabric/a.yaml").write_text("a: changed\n")
    revision = load_revision(tmp_path / folder, "HEAD", subdir)
    assert revision.digest == tree.digest
    assert [(d.file, d.index, d.data) for d in revision.documents] == [
        (d.file, d.index, d.data) for d in tree.documents
    ]
    assert revision.revision == head
    assert load_tree(tmp_path / folder, subdir).digest != tree.digest


def test_a_bare_repository_is_read_too(tmp_path: Path) -> None:
    write(tmp_path / "work", {"fabric/a.yaml": "a: 1\n"})
    head = commit(tmp_path / "work")
    Repo.clone_from(str(tmp_path / "work"), str(tmp_path / "bare.git"), bare=True).close()
    assert len(load_revision(tmp_path / "bare.git", head, "fabric").documents) == 1


def test_the_digest_sees_names_and_bytes(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "a: 1\n"})
    first = load_tree(tmp_path).digest
    (tmp_path / "a.yaml").rename(tmp_path / "b.yaml")
    second = load_tree(tmp_path).digest
    write(tmp_path, {"b.yaml": "a: 1 # a comment\n"})
    assert len({first, second, load_tree(tmp_path).digest}) == 3


@pytest.mark.parametrize(
    ("rev", "subdir"), [("nothing", "fabric"), ("HEAD", "nowhere"), ("HEAD~5", ""), ("--help", "")]
)
def test_what_is_not_there_is_an_error_of_the_source(tmp_path: Path, rev: str, subdir: str) -> None:
    write(tmp_path, FILES)
    commit(tmp_path)
    with pytest.raises(SourceUnavailable):
        load_revision(tmp_path, rev, subdir)


def test_no_repository_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        load_revision(tmp_path / "nowhere", "HEAD")
    with pytest.raises(SourceUnavailable):
        load_tree(tmp_path / "nowhere")


def test_an_empty_folder_has_no_documents(tmp_path: Path) -> None:
    assert load_tree(tmp_path).documents == ()


def test_symbolic_links_are_refused_by_both(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "a: 1\n"})
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    commit(tmp_path)
    for loaded in (load_tree(tmp_path), load_revision(tmp_path, "HEAD")):
        assert [(item.code, item.location.file) for item in loaded.diagnostics] == [
            ("symbolic-link", "loop.yaml"),
            ("symbolic-link", "out"),
        ]
        assert len(loaded.documents) == 1


def test_what_is_no_regular_file_is_unreadable(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert [item.code for item in load_tree(tmp_path).diagnostics] == ["file-unreadable"]


def test_a_submodule_is_unreadable(tmp_path: Path) -> None:
    write(tmp_path / "inner", {"a.yaml": "a: 1\n"})
    commit(tmp_path / "inner")
    with Repo.init(tmp_path) as repository:
        repository.git.add("inner")
        repository.index.commit("A submodule", author=AUTHOR, committer=AUTHOR)
    assert [item.code for item in load_revision(tmp_path, "HEAD").diagnostics] == ["file-unreadable"]


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"# x\n" * (MAX_BYTES // 4 + 1))
    assert [item.code for item in load_tree(tmp_path).diagnostics] == ["file-too-large"]


def test_reading_a_tree_does_not_import_git() -> None:
    code = "import sys, reconciler.load; sys.exit('git' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
