"""A working tree and a Git revision as sources: the same result, and all that can be wrong with files."""

from __future__ import annotations

import os
import shutil
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
from reconciler.model.visible import unambiguous


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def run_git(folder: Path, *words: str) -> None:
    command = ["git", "-C", str(folder), "-c", "protocol.file.allow=always", *words]
    subprocess.run(command, check=True, capture_output=True)


def commit(root: Path) -> str:
    """All of a folder as one commit."""
    with Repo.init(root) as repository:
        repository.git.add(all=True)
        # GitPython's own index has no names that are not UTF-8.
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        run_git(root, *who, "commit", "--quiet", "--no-gpg-sign", "--message", "A change")
        return str(repository.git.rev_parse("HEAD"))


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


@pytest.mark.parametrize("outside", [True, False])
def test_a_root_behind_a_link_of_the_repository_is_refused_by_both(tmp_path: Path, outside: bool) -> None:
    """Else a preview judges another folder than the one that is deployed, or names files of the machine."""
    repository = tmp_path / "repository"
    target = (tmp_path if outside else repository) / "elsewhere"
    write(target, {"a.yaml": "a: 1\n"})
    write(repository, {"b.yaml": "b: 1\n"})
    (repository / "desired_state").symlink_to(target)
    commit(repository)
    for folder in (repository / "desired_state", repository / "desired_state" / "."):
        for load in (load_tree, lambda place: load_revision(place, "HEAD")):
            with pytest.raises(SourceUnavailable, match="symbolic link"):
                load(folder)
    # A link that lies above the repository is its owner's.
    (tmp_path / "link").symlink_to(repository)
    assert len(load_tree(tmp_path / "link").documents) >= 1


def test_what_is_no_regular_file_is_unreadable(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert [item.code for item in load_tree(tmp_path).diagnostics] == ["file-unreadable"]


def codes(loaded: Loaded) -> list[tuple[str, str]]:
    return [(item.code, item.location.file) for item in loaded.diagnostics]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose submodule, which holds tunnels of a partner, was not checked out."""
    write(tmp_path / "sub", {"tunnel.yaml": "a: 1\n"})
    commit(tmp_path / "sub")
    write(tmp_path / "super", {"tree/a.yaml": "a: 2\n"})
    with Repo.init(tmp_path / "super"):
        run_git(tmp_path / "super", "submodule", "add", f"file://{tmp_path}/sub", "tree/partners")
    commit(tmp_path / "super")
    run_git(tmp_path, "clone", "super", "clone")
    assert not list((tmp_path / "clone" / "tree" / "partners").iterdir())
    return tmp_path / "clone"


@pytest.mark.parametrize(("folder", "subdir", "name"), [("tree", "", ""), (".", "tree", "tree/")])
def test_a_submodule_is_refused_by_both_whether_it_is_there_or_not(
    clone: Path, folder: str, subdir: str, name: str
) -> None:
    refused = [("file-unreadable", f"{name}partners")]
    assert codes(load_revision(clone / folder, "HEAD", subdir)) == refused
    assert codes(load_tree(clone / folder, subdir)) == refused
    run_git(clone, "submodule", "update", "--init")
    assert codes(load_tree(clone / folder, subdir)) == [("embedded-repository", f"{name}partners/.git")]


def test_a_submodule_is_refused_where_there_is_no_repository(clone: Path) -> None:
    shutil.rmtree(clone / ".git")
    assert codes(load_tree(clone / "tree")) == [("file-unreadable", "partners")]
    (clone / ".gitmodules").unlink()
    assert codes(load_tree(clone / "tree")) == [], "nothing says that the folder is more than empty"


def test_an_empty_folder_is_none_of_another_repository(clone: Path) -> None:
    (clone / "tree" / "partners").rmdir()
    run_git(clone, "rm", "-q", "--cached", "tree/partners")
    (clone / "tree" / "empty").mkdir()
    assert codes(load_tree(clone / "tree")) == []


def test_what_a_sparse_checkout_leaves_out_is_missed(tmp_path: Path) -> None:
    write(tmp_path, {"tree/a.yaml": "a: 1\n", "tree/far/b.yaml": "a: 2\n", "tree/far/README": "x"})
    commit(tmp_path)
    run_git(tmp_path, "sparse-checkout", "set", "--no-cone", "/*", "!tree/far")
    assert not (tmp_path / "tree" / "far").exists()
    assert codes(load_tree(tmp_path / "tree")) == [("file-unreadable", "far/b.yaml")]
    assert codes(load_revision(tmp_path / "tree", "HEAD")) == []


def both(root: Path) -> tuple[Loaded, Loaded]:
    commit(root)
    return load_tree(root), load_revision(root, "HEAD")


@pytest.mark.parametrize("place", ["", "deep/down/", ".hidden/"])
def test_what_looks_like_a_repository_is_refused_by_both(tmp_path: Path, place: str) -> None:
    write(tmp_path, {"a.yaml": "a: 1\n", f"{place}HEAD": "ref: refs/heads/main\n", f"{place}config": ""})
    write(tmp_path, {f"{place}objects/pack/.keep": "", f"{place}refs/heads/.keep": ""})
    for loaded in both(tmp_path):
        assert codes(loaded) == [("embedded-repository", f"{place}HEAD")]
        named = f"the folder {place.rstrip('/')}" if place else "the folder of the desired state"
        assert loaded.diagnostics[0].message.startswith(f"{named} holds HEAD, objects and refs")


def test_a_repository_inside_the_tree_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "tree", {"a.yaml": "a: 1\n", "inner/b.yaml": "a: 2\n"})
    commit(tmp_path / "tree" / "inner")
    assert codes(load_tree(tmp_path / "tree")) == [("embedded-repository", "inner/.git")]
    assert codes(load_tree(tmp_path / "tree" / "inner")) == [], "its own root is no folder inside it"
    assert codes(load_tree(tmp_path / "tree", "inner")) == [("embedded-repository", "inner/.git")]


def test_files_that_are_passed_over_are_told_by_both(tmp_path: Path) -> None:
    write(tmp_path, {"a.YAML": "a: 1\n", "b.Yml": "a: 1\n", "key.psk.AGE": "", ".c.yaml": "", "d.json": ""})
    write(tmp_path, {".e/1.yaml": "", ".e/2.YML": "", "f/.g/h/x.yaml": "", ".i/README": "", ".j": ""})
    for loaded in both(tmp_path):
        assert codes(loaded) == [
            ("file-hidden", ".c.yaml"),
            ("file-hidden", ".e/1.yaml"),
            ("file-suffix", "a.YAML"),
            ("file-suffix", "b.Yml"),
            ("file-hidden", "f/.g/h/x.yaml"),
            ("file-suffix", "key.psk.AGE"),
        ]
        assert {item.severity.value for item in loaded.diagnostics if item.code == "file-hidden"} == {
            "warning"
        }
        assert loaded.may_define("anything")


def test_a_name_that_is_not_utf8_is_a_finding_of_both(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "a: 1\n"})
    for name in (
        b"n\xf6te.yaml",
        b"f\xff/x.yaml",
        b"back\\slash.yaml",
        b"l\xf6tin.txt",
        b"\xed\xa0\x80.yaml",
    ):
        path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118 - of bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(b"a: 1\n")
    trees = both(tmp_path)
    for loaded in trees:
        assert codes(loaded) == [
            ("file-name", r"\xed\xa0\x80.yaml"),
            ("file-name", r"f\xff/x.yaml"),
            ("file-name", r"n\xf6te.yaml"),
        ]
        assert {document.file for document in loaded.documents} >= {r"back\\slash.yaml", r"n\xf6te.yaml"}
        str(loaded).encode()
    assert trees[0].digest == trees[1].digest


def test_two_names_are_never_the_same_text() -> None:
    names = [b"\xff", b"\\xff", b"\\\xff", b"\\\\xff", "\u00ff".encode(), b"a\nb"]
    assert len({unambiguous(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("bound", "value", "message"),
    [
        ("TREE_ENTRIES", 5, "more than 5 files and folders"),
        ("TREE_DEPTH", 3, "more than 3 folders inside each other"),
        ("TREE_BYTES", 10, "more than 0 MiB of documents before this"),
    ],
)
def test_a_tree_has_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, message: str
) -> None:
    write(tmp_path, {f"a/b/c/{number}.yaml": "a: 1\n" for number in range(5)})
    commit(tmp_path)
    monkeypatch.setattr(listing, bound, value)
    for loaded in (load_tree(tmp_path / "a", "b"), load_tree(tmp_path), load_revision(tmp_path, "HEAD")):
        told = [(item.code, item.message) for item in loaded.diagnostics]
        if bound == "TREE_DEPTH" and loaded.source.subdir:
            assert told == [], "depth counts from the folder of the desired state"
        elif bound == "TREE_ENTRIES" or told:
            assert told == [("tree-too-large", message)]
            assert loaded.may_define("anything")
        assert len(loaded.documents) < 5 or not told
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
    with pytest.raises(OSError, match="it changed meanwhile"):
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
