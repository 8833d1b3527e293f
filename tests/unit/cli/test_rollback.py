"""A branch that undoes a commit: prepared, previewed, and nothing else touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from tests.unit.cli.branch import Branch

FILES = ("site-a/a-to-c.yaml", "site-c/c-to-a.yaml")
BEFORE, AFTER = "pfs: dh-group31", "pfs: dh-group20"


@pytest.fixture
def branch(tmp_path: Path) -> Branch:
    """The last commit changes one tunnel, at both of its ends."""
    made = Branch(tmp_path / "repository")
    for file in FILES:
        made.edit(file, BEFORE, AFTER)
    made.commit()
    return made


def state(branch: Branch) -> dict[str, object]:
    """All that the command must leave alone."""
    git = branch.repository.git
    return {
        "branches": [ref for ref in git.for_each_ref().splitlines() if "rollback" not in ref],
        "head": git.symbolic_ref("HEAD"),
        "status": git.status("--porcelain"),
        "files": {str(path): path.read_bytes() for path in branch.tree.rglob("*.yaml")},
        "index": (Path(branch.repository.git_dir) / "index").read_bytes(),
    }


def rollback(branch: Branch, commit: str, *words: str) -> int:
    return main(["rollback", commit, str(branch.tree), *words])


def test_a_branch_undoes_a_commit_and_nothing_else_is_touched(
    branch: Branch, capsys: pytest.CaptureFixture[str]
) -> None:
    (branch.tree / FILES[0]).write_text("edited, and not committed\n")
    before, head = state(branch), branch.repository.head.commit.hexsha
    assert rollback(branch, "HEAD") == ExitCode.OK
    said = capsys.readouterr().out
    assert "children.net.esp_proposals: aes256gcm16-ecp384 -> aes256gcm16-curve25519" in said
    assert f"git push origin rollback-{head[:12]}\n" in said
    assert state(branch) == before
    made = branch.repository.commit(f"rollback-{head[:12]}")
    assert [parent.hexsha for parent in made.parents] == [head]
    assert made.tree == branch.repository.commit("HEAD~1").tree
    assert made.message == f'Revert "change"\n\nThis reverts commit {head}.\n'
    assert (made.author.name, made.author.email) == ("tester", "tester@localhost")


def test_a_commit_in_the_middle_is_undone_and_what_followed_stays(branch: Branch) -> None:
    middle = branch.repository.head.commit.hexsha
    branch.edit("site-a/a-to-b.yaml", "spec:\n", "# later\nspec:\n")
    branch.commit()
    assert rollback(branch, middle, "--branch", "back") == ExitCode.OK
    show = branch.repository.git.show
    assert BEFORE in show(f"back:desired_state/{FILES[0]}")
    assert "# later" in show("back:desired_state/site-a/a-to-b.yaml")


def test_a_merge_is_undone_as_a_whole(branch: Branch) -> None:
    git = branch.repository.git
    git.checkout("main")
    git.merge("--no-ff", "--message", "merged", "change")
    assert rollback(branch, "HEAD") == ExitCode.OK
    merged = branch.repository.head.commit
    assert branch.repository.commit(f"rollback-{merged.hexsha[:12]}").tree == merged.parents[0].tree


@pytest.mark.parametrize("commit", ["HEAD", "HEAD~1", "main", "unknown", "--all", "change:desired_state"])
def test_what_cannot_be_undone_is_an_error_and_makes_no_branch(
    branch: Branch, commit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty commit, the first commit, and what is no commit."""
    branch.commit()
    before = state(branch)
    if commit == "HEAD~1":
        branch.edit(FILES[0], AFTER, "pfs: dh-group21")
        branch.commit()
        before = state(branch)
    words = ["rollback", str(branch.tree), "--", commit] if commit == "--all" else None
    code = main(["rollback", "--", commit, str(branch.tree)]) if words else rollback(branch, commit)
    assert code == ExitCode.ERROR
    said = capsys.readouterr().err
    assert "error: " in said
    assert "Traceback" not in said
    if commit == "HEAD":
        assert "nothing of that commit is left to undo" in said
    assert state(branch) == before
    assert not [ref for ref in branch.repository.branches if ref.name.startswith("rollback")]


def test_a_conflict_names_the_files(branch: Branch, capsys: pytest.CaptureFixture[str]) -> None:
    changed = branch.repository.head.commit.hexsha
    branch.edit(FILES[0], AFTER, "pfs: dh-group21")
    branch.commit()
    assert rollback(branch, changed) == ExitCode.ERROR
    said = capsys.readouterr().err
    assert f"later commits have changed the same lines of desired_state/{FILES[0]}" in said
    assert "git revert" in said


def test_a_branch_that_is_there_already_stays(branch: Branch, capsys: pytest.CaptureFixture[str]) -> None:
    assert rollback(branch, "HEAD") == ExitCode.OK
    before = state(branch) | {"all": branch.repository.git.for_each_ref()}
    assert rollback(branch, "HEAD") == ExitCode.ERROR
    assert rollback(branch, "HEAD", "--branch", "main") == ExitCode.ERROR
    assert rollback(branch, "HEAD", "--branch", "a..b") == ExitCode.ERROR
    assert "Traceback" not in capsys.readouterr().err
    assert state(branch) | {"all": branch.repository.git.for_each_ref()} == before


def test_content_that_is_not_valid_makes_no_branch(
    branch: Branch, capsys: pytest.CaptureFixture[str]
) -> None:
    branch.edit(FILES[0], AFTER, "pfs: dh-group99")
    branch.commit()
    branch.edit(FILES[0], "pfs: dh-group99", AFTER)
    branch.commit()
    assert rollback(branch, "HEAD") == ExitCode.INVALID
    assert "is not valid: no branch was made" in capsys.readouterr().out
    assert not [ref for ref in branch.repository.branches if ref.name.startswith("rollback")]


def test_json_has_the_plan_and_the_branch(branch: Branch, capsys: pytest.CaptureFixture[str]) -> None:
    assert rollback(branch, "HEAD", "--json") == ExitCode.OK
    *rest, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    head = branch.repository.head.commit.hexsha
    made = branch.repository.commit(f"rollback-{head[:12]}").hexsha
    assert last == {"type": "rollback", "undoes": head, "commit": made, "branch": f"rollback-{head[:12]}"}
    assert [item for item in rest if item["type"] == "preview"] == [
        {"type": "preview", "base": head, "head": made}
    ]


def test_no_merge_driver_that_the_content_names_is_run(branch: Branch, tmp_path: Path) -> None:
    """`.gitattributes` of the tree chooses among drivers of the repository's configuration."""
    ran = tmp_path / "ran"
    with branch.repository.config_writer() as config:
        config.set_value('merge "custom"', "driver", f"touch {ran}")
    middle = branch.repository.head.commit.hexsha
    (branch.tree.parent / ".gitattributes").write_text("* merge=custom\n")
    branch.edit(FILES[0], "spec:\n", "# later\nspec:\n")
    branch.commit()
    assert rollback(branch, middle) == ExitCode.OK
    assert not ran.exists()


def test_without_an_author_there_is_no_commit(
    branch: Branch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with branch.repository.config_writer() as config:
        config.remove_section("user")
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("XDG_CONFIG_HOME", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"):
        monkeypatch.delenv(variable, raising=False)
    assert rollback(branch, "HEAD") == ExitCode.ERROR
    assert "git config --global user.name" in capsys.readouterr().err
    monkeypatch.setenv("GIT_AUTHOR_NAME", "A. Author")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "author@example.com")
    assert rollback(branch, "HEAD") == ExitCode.OK
