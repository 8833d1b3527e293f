"""What stands in a working tree or a revision and is not read: refused, or reported, by both alike."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from git import Repo

from reconciler.load import load_revision, load_tree
from reconciler.model.errors import SourceUnavailable
from reconciler.model.visible import unambiguous
from tests.unit.load.sources import both, codes, commit, run_git, write


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
    [reported] = load_tree(clone / folder, subdir).diagnostics
    assert "a submodule: its documents are in another repository" in reported.message
    assert "copy them" in reported.hint
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


@pytest.mark.parametrize("place", ["", "deep/down/", ".hidden/"])
def test_what_looks_like_a_repository_is_refused_by_both(tmp_path: Path, place: str) -> None:
    write(tmp_path, {"a.yaml": "a: 1\n", f"{place}HEAD": "ref: refs/heads/main\n", f"{place}config": ""})
    write(tmp_path, {f"{place}objects/pack/.keep": "", f"{place}refs/heads/.keep": ""})
    for loaded in both(tmp_path):
        assert codes(loaded) == [("embedded-repository", f"{place}HEAD")]
        named = f"the folder {place.rstrip('/')}" if place else "the folder of the desired state"
        assert loaded.diagnostics[0].message.startswith(f"{named} has HEAD, objects and refs")


def test_a_repository_inside_the_tree_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "tree", {"a.yaml": "a: 1\n", "inner/b.yaml": "a: 2\n"})
    commit(tmp_path / "tree" / "inner")
    assert codes(load_tree(tmp_path / "tree")) == [("embedded-repository", "inner/.git")]
    assert codes(load_tree(tmp_path / "tree" / "inner")) == [], "its own root is no folder inside it"
    assert codes(load_tree(tmp_path / "tree", "inner")) == [("embedded-repository", "inner/.git")]


def test_files_that_are_passed_over_are_reported_by_both(tmp_path: Path) -> None:
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
