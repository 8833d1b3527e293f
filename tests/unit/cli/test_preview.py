"""What a commit changes, by two revisions of a repository, in every format."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import git
import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.model.plan import Plan, Resource, ResourceKind
from reconciler.policy import Deferral, Judgement, Override, Refusal
from reconciler.report.markdown import LIMIT, MARK, comment
from tests.documents import SITE, WAN, document
from tests.unit.cli.branch import Branch
from tests.unit.outputs.parsing import check_markdown
from tests.unit.service.followed import KEYED

ROOT = Path(__file__).parents[3]


@pytest.fixture
def branch(tmp_path: Path) -> Branch:
    return Branch(tmp_path / "repository")


@pytest.fixture
def changed(branch: Branch) -> Branch:
    """One tunnel with another proposal, at both ends."""
    for file in ("site-a/a-to-c.yaml", "site-c/c-to-a.yaml"):
        branch.edit(file, "pfs: dh-group31", "pfs: dh-group20")
    branch.commit()
    return branch


def test_only_what_the_commit_touches_is_planned(changed: Branch, capsys: pytest.CaptureFixture[str]) -> None:
    assert changed.preview("--detailed-exitcode") == ExitCode.CHANGES
    said = capsys.readouterr().out
    assert "Plan: 0 to add, 2 to change, 0 to destroy.\nDisruption: 1 make-before-break." in said
    assert "a-to-b" not in said
    assert "children.net.esp_proposals: aes256gcm16-curve25519 -> aes256gcm16-ecp384" in said
    assert "keys are compared by their references" in said


def test_a_commit_that_changes_nothing(branch: Branch, capsys: pytest.CaptureFixture[str]) -> None:
    branch.edit("site-a/a-to-b.yaml", "description: ", "description: Really, ")
    branch.commit()
    assert branch.preview("--detailed-exitcode") == ExitCode.OK
    said = "No changes. The commit changes nothing on the routers."
    assert capsys.readouterr().out.startswith(f"{said}\n"), "it has asked no router whether that matches"
    assert branch.preview("--format", "markdown") == ExitCode.OK
    assert f"**{said}**" in capsys.readouterr().out


def test_a_first_commit_creates_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository = git.Repo.init(tmp_path, initial_branch="main")
    repository.git.execute(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--allow-empty", "-m", "nothing"]
    )
    shutil.copytree(ROOT / "tests" / "sites", tmp_path / "desired_state")
    repository.git.add("--all")
    repository.git.execute(["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-m", "all"])
    assert main(["preview", str(tmp_path / "desired_state"), "--base", "HEAD~1"]) == ExitCode.OK
    assert "0 to destroy" in capsys.readouterr().out


def _remove(branch: Branch) -> None:
    (branch.tree / "site-a/a-to-b.yaml").unlink()


def _add(branch: Branch) -> None:
    (branch.tree / "new.yaml").write_text(WAN)


def _stage(branch: Branch) -> None:
    _add(branch)
    branch.repository.git.add("--all")


def _edit(branch: Branch) -> None:
    branch.edit("site-a/a-to-b.yaml", "description: ", "description: Really, ")


@pytest.mark.parametrize("change", [_remove, _add, _stage, _edit])
@pytest.mark.parametrize("words", [(), ("--head", "change"), ("--format", "json")])
def test_what_is_not_committed_is_missed_aloud(
    changed: Branch,
    change: Callable[[Branch], None],
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert changed.preview(*words) == ExitCode.OK
    clean = capsys.readouterr()
    assert clean.err == ""
    (changed.tree / "notes.txt").write_text("no document")
    change(changed)
    assert changed.preview(*words) == ExitCode.OK
    said = capsys.readouterr()
    head = "change" if "--head" in words else "HEAD"
    note = f"has uncommitted changes; the preview is of {head} without them"
    assert said.err == f"note: {changed.tree} {note}\n"
    assert said.out == clean.out


def test_another_revision_than_the_one_that_is_checked_out_misses_nothing(
    changed: Branch, capsys: pytest.CaptureFixture[str]
) -> None:
    _edit(changed)
    assert changed.preview("--base", "HEAD", "--head", "main") == ExitCode.OK
    assert capsys.readouterr().err == ""
    shutil.rmtree(changed.tree)
    assert changed.preview() == ExitCode.OK
    assert capsys.readouterr().err == "", "there is nothing that was edited"


def test_limits_speak_before_the_merge(branch: Branch, capsys: pytest.CaptureFixture[str]) -> None:
    for file in ("site-a/a-to-c.yaml", "site-c/c-to-a.yaml"):
        branch.edit(file, "\nspec:\n", "\nspec:\n  deletionProtection: true\n")
    branch.commit()
    branch.repository.git.branch("--force", "main", "HEAD")
    for file in ("site-a/a-to-c.yaml", "site-c/c-to-a.yaml"):
        (branch.tree / file).unlink()
    branch.commit()
    assert branch.preview("--format", "markdown") == ExitCode.UNSAFE
    said = capsys.readouterr().out
    assert "**refused as unsafe**: `router-a/tunnel/a-to-c`" in said
    assert "**destroys**" in said


def test_limits_name_some_and_say_how_many_more() -> None:
    resources = tuple(Resource("router-a", ResourceKind.TUNNEL, f"t{number}") for number in range(8))
    judgement = Judgement(
        refusals=(Refusal(resources, "too many", "", Override.DELETIONS),),
        deferrals=(Deferral(resources[:6], "no window is open", Override.WINDOWS),),
    )
    said = comment(Plan(), judgement, (), (), base="a", head="b", unchanged="No changes.")
    assert "`router-a/tunnel/t5` and 2 more: too many" in said
    assert "`router-a/tunnel/t5`: no window is open" in said


def test_markdown(changed: Branch, capsys: pytest.CaptureFixture[str]) -> None:
    assert changed.preview("--format", "markdown") == ExitCode.OK
    said = capsys.readouterr().out
    assert said.startswith(MARK)
    assert "**Plan: 0 to add, 2 to change, 0 to destroy.** Disruption: 1 make-before-break." in said
    row = "| `~` | tunnel `a-to-c` | `router-a` | none (make before break) | the configuration differs |"
    assert row in said
    assert said.count("<details>") == said.count("</details>") == 1
    assert "\n- children.net.esp_proposals: aes256gcm16-curve25519\n" in said


def test_an_output_without_utf_8_is_no_traceback(changed: Branch) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "preview", str(changed.tree), "--format", "markdown"],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (ExitCode.OK, b"")
    assert rb"\u2192" in done.stdout


def test_markdown_of_a_commit_that_is_not_valid(branch: Branch, capsys: pytest.CaptureFixture[str]) -> None:
    branch.edit("site-a/a-to-c.yaml", "10.3.0.0/24", "'<i>|`x'")
    branch.commit()
    assert branch.preview("--format", "markdown") == ExitCode.INVALID
    said = capsys.readouterr().out
    assert "**Not valid**" in said
    assert "desired_state/site-a/a-to-c.yaml:16:13" in said
    assert "`` '<i>\\x7c`x' is not an IPv4 CIDR ``" in said
    check_markdown(said)


def test_markdown_is_cut_where_a_comment_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    branch = Branch(tmp_path / "repository")
    shutil.rmtree(branch.tree)
    branch.tree.mkdir()
    (branch.tree / "wan.yaml").write_text(WAN.replace("203.0.113.99", "203.0.113.250"))
    (branch.tree / "paris.yaml").write_text(document(SITE, "paris"))
    tunnels = [
        document(KEYED, "paris")
        .replace("paris-tokyo", f"t{number}")
        .replace("203.0.113.12", f"198.51.100.{number + 1}")
        .replace("203.0.113.11", f"203.0.113.{number + 11}")
        .replace("10.2.0.0/24", f"172.16.{number}.0/24")
        for number in range(230)
    ]
    (branch.tree / "tunnels.yaml").write_text("---\n".join(tunnels))
    branch.commit()
    branch.repository.git.branch("--force", "main", "HEAD")
    # Each gets another value, so that none is like another one.
    (branch.tree / "tunnels.yaml").write_text("---\n".join(tunnels).replace("172.16.", "172.17."))
    branch.commit()
    assert branch.preview("--format", "markdown") == ExitCode.OK
    said = capsys.readouterr().out
    assert LIMIT // 2 < len(said) < LIMIT
    assert "lines were cut" in said
    assert said.count("<details>") == said.count("</details>")
    assert said.count("```") % 2 == 0
    assert "Plan: 0 to add, 232 to change" in said


def test_sarif_and_junit_point_at_lines(branch: Branch, tmp_path: Path) -> None:
    branch.edit("site-a/a-to-c.yaml", "10.3.0.0/24", "10.3.0.1/24")
    branch.commit()
    out = tmp_path / "found"
    assert branch.preview("--format", "sarif", "--out", str(out)) == ExitCode.INVALID
    results = json.loads(out.read_text())["runs"][0]["results"]
    [result] = [item for item in results if item["ruleId"] == "cidr-host-bits"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "desired_state/site-a/a-to-c.yaml"
    assert place["region"] == {"startLine": 16, "startColumn": 13}
    assert result["level"] == "error"
    assert branch.preview("--format", "junit", "--out", str(out)) == ExitCode.INVALID
    suite = ElementTree.fromstring(out.read_text())  # noqa: S314 - our own
    assert int(suite.get("tests", "0")) > 5
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["desired_state/site-a/a-to-c.yaml"]


def test_json_lines(changed: Branch, capsys: pytest.CaptureFixture[str]) -> None:
    assert changed.preview("--format", "json") == ExitCode.OK
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [item["type"] for item in objects if item["type"] != "diagnostic"] == [
        "version",
        "resource_change",
        "resource_change",
        "plan_summary",
        "note",
        "preview",
    ]


def test_a_base_that_is_not_valid_is_said(branch: Branch, capsys: pytest.CaptureFixture[str]) -> None:
    branch.edit("site-a/a-to-c.yaml", "10.3.0.0/24", "10.3.0.1/24")
    branch.commit()
    branch.repository.git.branch("--force", "main", "HEAD")
    branch.edit("site-a/a-to-c.yaml", "10.3.0.1/24", "10.3.0.0/24")
    branch.commit()
    assert branch.preview() == ExitCode.OK
    assert "is invalid, so the changes are unknown" in capsys.readouterr().out
    assert branch.preview("--format", "markdown") == ExitCode.OK
    assert "**The changes are unknown.**" in capsys.readouterr().out


def test_what_is_not_there_is_said(branch: Branch, capsys: pytest.CaptureFixture[str]) -> None:
    assert branch.preview("--base", "nonsense") == ExitCode.ERROR
    assert "nonsense" in capsys.readouterr().err
    branch.repository.git.branch("--delete", "--force", "main")
    assert branch.preview() == ExitCode.ERROR
    assert "--base REV" in capsys.readouterr().err


def test_the_weak_default_group_is_named_once_for_all_tunnels(
    branch: Branch, capsys: pytest.CaptureFixture[str]
) -> None:
    for format_ in ("text", "markdown"):
        assert branch.preview("--format", format_) == ExitCode.OK
        assert "DH group 2" not in capsys.readouterr().out
    branch.edit("defaults.yaml", "dhGroup: 14", "lifetime: 7200")
    branch.commit()
    for format_ in ("text", "markdown"):
        assert branch.preview("--format", format_) == ExitCode.OK
        assert capsys.readouterr().out.count("run on DH group 2, the default of the service") == 1
    assert main(["validate", str(branch.tree)]) == ExitCode.OK
    assert capsys.readouterr().out.count("Note: 2 tunnel ends run on DH group 2") == 1
