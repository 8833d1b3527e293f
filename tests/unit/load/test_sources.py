"""A working tree and a Git revision as sources: the same result, and all that can be wrong with files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from git import Repo

from reconciler.load import Composed, Loaded, listing, load_revision, load_tree, tree
from reconciler.load.git import Repository
from reconciler.model import bounds
from reconciler.model.diagnostic import Diagnostics, Location
from reconciler.model.errors import SourceUnavailable
from tests.unit.load.sources import both, codes, commit, write

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


def content(loaded: Loaded) -> tuple[object, ...]:
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
    assert [content(item) for item in together] == [
        content(load_revision(tmp_path, r, "fabric")) for r in (base, head)
    ]
    before, after = ({item.file: item for item in loaded.documents} for loaded in together)
    assert before["fabric/é ü.yaml"] is after["fabric/é ü.yaml"]
    assert after["fabric/c.yaml"].locate().file == "fabric/c.yaml"
    assert after["fabric/b/two.yml"].data == {"a": 5}
    assert {item.code for item in together[1].diagnostics} == {
        "file-hidden",
        "yaml-duplicate-key",
        "yaml-syntax",
    }


def test_a_tree_is_read_in_order_of_names(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    loaded = load_tree(tmp_path, "fabric")
    assert [(item.file, item.index, item.data) for item in loaded.documents] == [
        ("fabric/a.yaml", 0, {"a": 1}),
        ("fabric/b/two.yml", 0, {"a": 2}),
        ("fabric/b/two.yml", 1, {"a": 3}),
        ("fabric/é ü.yaml", 0, {"a": 4}),
    ]
    assert [(item.severity, item.code, item.location.file) for item in loaded.diagnostics] == [
        ("warning", "file-hidden", "fabric/.hidden.yaml"),
        ("warning", "file-hidden", "fabric/.hidden/x.yaml"),
    ]
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
    assert revision.diagnostics == tree.diagnostics
    assert load_tree(tmp_path / folder, subdir).digest != tree.digest


def test_a_bare_repository_that_was_opened_is_read_too(tmp_path: Path) -> None:
    write(tmp_path / "work", {"fabric/a.yaml": "a: 1\n"})
    head = commit(tmp_path / "work")
    Repo.clone_from(str(tmp_path / "work"), str(tmp_path / "bare.git"), bare=True).close()
    assert len(load_revision(Repository(tmp_path / "bare.git"), head, "fabric").documents) == 1


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


@pytest.mark.parametrize(
    ("rev", "subdir", "said", "hint"),
    [
        ("mian", "", "there is no such revision", "did you mean 'main'?"),
        ("v2", "", "there is no such revision", "the branches and tags are main, release"),
        ("HEAD", "fabrik", "fabrik/ is not a folder of", "did you mean 'fabric'?"),
        ("HEAD", "x", "x/ is not a folder of", "the folders there are fabric, other"),
        ("HEAD", "fabric/c", "fabric/c/ is not a folder of", "the folders there are b"),
        ("HEAD", "nowhere/c", "nowhere/c/ is not a folder of", ""),
    ],
)
def test_a_revision_or_a_folder_that_is_not_there_leads_to_those_that_are(
    rev: str, subdir: str, said: str, hint: str, tmp_path: Path
) -> None:
    write(tmp_path, FILES)
    commit(tmp_path)
    with Repo(tmp_path) as repository:
        repository.git.branch("--move", "main")
        repository.create_tag("release")
    with pytest.raises(SourceUnavailable, match=said) as caught:
        load_revision(tmp_path, rev, subdir)
    assert caught.value.hint == hint


def test_a_shallow_clone_may_lack_the_revision(tmp_path: Path) -> None:
    write(tmp_path / "whole", FILES)
    commit(tmp_path / "whole")
    write(tmp_path / "whole", {"fabric/a.yaml": "a: 7\n"})
    commit(tmp_path / "whole")
    Repo.clone_from(f"file://{tmp_path}/whole", str(tmp_path / "clone"), depth=1).close()
    with pytest.raises(SourceUnavailable) as caught:
        load_revision(tmp_path / "clone", "HEAD~1", "fabric")
    assert caught.value.hint == "this is a shallow clone: fetch the complete history"


def test_no_repository_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        load_revision(tmp_path / "nowhere", "HEAD")
    with pytest.raises(SourceUnavailable):
        load_tree(tmp_path / "nowhere")


def test_an_empty_folder_has_no_documents(tmp_path: Path) -> None:
    assert load_tree(tmp_path).documents == ()


@pytest.mark.parametrize(
    ("bound", "value", "message"),
    [
        ("TREE_ENTRIES", 5, "more than 5 files and folders"),
        ("TREE_DEPTH", 3, "more than 3 nested folders"),
        ("TREE_BYTES", 10, "more than 0 MiB of documents up to this file"),
    ],
)
def test_a_tree_has_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, message: str
) -> None:
    write(tmp_path, {f"a/b/c/{number}.yaml": "a: 1\n" for number in range(5)})
    commit(tmp_path)
    monkeypatch.setattr(listing, bound, value)
    for loaded in (load_tree(tmp_path / "a", "b"), load_tree(tmp_path), load_revision(tmp_path, "HEAD")):
        reported = [(item.code, item.message) for item in loaded.diagnostics]
        if bound == "TREE_DEPTH" and loaded.source.subdir:
            assert reported == [], "depth counts from the folder of the desired state"
        elif bound == "TREE_ENTRIES" or reported:
            assert reported == [("tree-too-large", message)]
            assert loaded.may_define("anything")
        assert len(loaded.documents) < 5 or not reported
    assert codes(load_revision(tmp_path, "HEAD"))


def test_folders_without_end_are_not_entered(tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["d"] * 500)
    deep.mkdir(parents=True)
    (deep / "a.yaml").write_text("a: 1\n")
    for loaded in both(tmp_path):
        assert [item.code for item in loaded.diagnostics] == ["tree-too-large"]


@pytest.mark.parametrize("change", [lambda path: path.write_text("a: 1\nb: 2\n"), Path.touch, os.mkfifo])
def test_a_file_that_changes_while_the_tree_is_read_is_not_taken_for_whole(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    path = tmp_path / "a.yaml"
    entry = listing.Entry(b"a.yaml", listing.Kind.FILE, str(path), 5)
    change(path)
    with pytest.raises(OSError, match="it changed while it was read"):
        tree._content(entry)


def test_a_file_that_vanishes_while_the_tree_is_listed_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a.yaml": "a: 1\n", "b.yaml": "a: 2\n"})
    kind = tree._kind

    def slowly(entry: os.DirEntry[bytes]) -> listing.Kind:
        found = kind(entry)
        (tmp_path / "b.yaml").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(tree, "_kind", slowly)
    loaded = load_tree(tmp_path)
    assert codes(loaded) == [("file-unreadable", "b.yaml")]
    assert loaded.may_define("anything")


def test_what_cannot_be_listed_may_define_anything(tmp_path: Path) -> None:
    found = list(tree._entries(os.fsencode(tmp_path / "gone"), b"gone/", []))
    assert [(entry.name, entry.kind) for entry in found] == [(b"gone", listing.Kind.UNREADABLE)]
    choice = listing.chosen(found, "", Diagnostics())
    assert not choice.whole


PRIVATE = {
    ".identity": f"# made today\nAGE-SECRET-KEY-1{'Q' * 58}\n",
    "identity.dat": f"AGE-SECRET-KEY-1{'Q' * 58}\n",
    "x.conf": "-----BEGIN RSA PRIVATE KEY-----\n",
    "deep/x.md": "-----BEGIN OPENSSH PRIVATE KEY-----\n",
    ".keys/identity.txt": "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
    "x.YAML": "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    ".hidden.yaml": "-----BEGIN EC PRIVATE KEY-----\n",
    "id_ed25519.bak": "x" * 16_000 + "\n-----BEGIN PRIVATE KEY-----\n",
}


def test_a_private_key_is_found_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"fabric/a.yaml": "a: 1\n"})
    digest = load_tree(tmp_path, "fabric").digest
    write(tmp_path, {f"fabric/{name}": text for name, text in PRIVATE.items()})
    write(tmp_path, {"fabric/large.txt": "x" * bounds.LOOKED_AT_BYTES + PRIVATE["x.conf"]})
    write(tmp_path, {"elsewhere/x": PRIVATE["x.conf"]})
    commit(tmp_path)
    write(tmp_path, {".git/x": PRIVATE["x.conf"]})
    monkeypatch.setattr(listing, "TREE_BYTES", 10)
    for loaded in (load_tree(tmp_path, "fabric"), load_revision(tmp_path, "HEAD", "fabric")):
        found = {name for code, name in codes(loaded) if code == "secret-in-clear"}
        assert found == {f"fabric/{name}" for name in PRIVATE}
        assert loaded.digest == digest
        assert len(loaded.documents) == 1
        assert "tree-too-large" not in dict(codes(loaded)), "none of it counts"
    assert "secret-in-clear" in dict(codes(load_tree(tmp_path)))
    assert ".git/x" not in [name for _, name in codes(load_tree(tmp_path))]


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"# x\n" * (bounds.FILE_BYTES // 4 + 1))
    for loaded in both(tmp_path):
        assert codes(loaded) == [("file-too-large", "big.yaml")]
        assert loaded.unread == ("",), "nothing of it is kept"


def test_reading_a_tree_does_not_import_git() -> None:
    code = "import sys, reconciler.load; sys.exit('git' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
