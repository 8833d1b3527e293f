"""The job that applies a commit in a lab before it is merged: the steps of the shipped workflow are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler.model.errors import ExitCode
from tests.lab.repository import ROOT
from tests.unit.cli.branch import Branch

BIN = Path(sys.executable).parent


def job(file: str) -> Any:
    found = YAML(typ="safe").load(ROOT / "deploy" / "ci" / file)
    return found["jobs"]["simulate"] if "jobs" in found else found["simulate"]


def steps() -> list[dict[str, str]]:
    """Those of GitHub's that run something, without the installation."""
    return [step for step in job("github.yaml")["steps"] if "run" in step and step["name"] != "install"]


def test_both_forges_run_the_same() -> None:
    there = job("gitlab.yaml")
    lines = [line for step in steps() for line in step["run"].splitlines()]
    assert lines == [*there["script"], *there["after_script"]]
    assert there["variables"].keys() - {"GIT_DEPTH"} == job("github.yaml")["env"].keys()
    assert there["artifacts"]["paths"] == ["proof"]
    assert job("github.yaml")["defaults"] == {"run": {"shell": "bash"}}, "that is with pipefail"


@pytest.mark.engine
@pytest.mark.usefixtures("engine", "image")
def test_the_steps_prove_a_change_and_leave_nothing(tmp_path: Path) -> None:
    branch = Branch(tmp_path / "repository")
    for file in ("site-a/a-to-c.yaml", "site-c/c-to-a.yaml"):
        branch.edit(file, "pfs: dh-group31", "pfs: dh-group20")
    branch.commit()
    base, head = (branch.repository.commit(name).hexsha for name in ("main", "change"))
    environment = {
        **os.environ,
        **{"BASE": base, "HEAD": head, "LAB": f"pr-{os.getpid():x}"},
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(tmp_path / "no-keys"),
    }
    folder = branch.tree.parent

    def run(step: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    said: dict[str, str] = {}
    failed: dict[str, str] = {}
    for step in steps():
        if failed and step.get("if") != "always()":
            continue
        done = run(step)
        said[step["name"]] = done.stdout
        if done.returncode:
            failed[step["name"]] = done.stdout + done.stderr
    assert failed == {}
    proof = folder / "proof"
    assert {name: (proof / f"{name}.txt").read_text() for name in ("base", "head", "packets")} == {
        name: said[name] for name in ("base", "head", "packets")
    }
    assert "Plan: 0 to add, 2 to change, 0 to destroy." in said["head"], "the base was there"
    assert re.search(r"a-to-c: predicted make-before-break, lost \d+ of \d+", said["head"])
    assert "Proven: " in said["packets"]
    assert [path for path in proof.glob("*.pcap") if path.stat().st_size > 1000]
    assert f"Lab {environment['LAB']} is gone." in said["down"]
    assert not [*(tmp_path / "no-keys").rglob("*key*")], "no key was needed, and none was made"
    [head_step] = [step for step in steps() if step["name"] == "head"]
    assert run(head_step).returncode == ExitCode.UNREACHABLE, (
        "without its lab; what it says is kept all the same"
    )
