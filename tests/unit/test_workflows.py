"""What the shipped workflows do with an unreviewed checkout: their lines are run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import git
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
CI = ROOT / "deploy" / "ci"
LOCK = {"github.yaml": ".github/tunnelwright.lock", "gitlab.yaml": ".gitlab/tunnelwright.lock"}


def read(file: str) -> Any:
    return YAML(typ="safe").load(CI / file)


def lines(file: str, job: str, mark: str) -> str:
    """The step of a job that holds `mark`; GitLab's lines of one section are one shell."""
    if file == "github.yaml":
        [step] = [step["run"] for step in read(file)["jobs"][job]["steps"] if mark in step.get("run", "")]
        return str(step)
    there = read(file)["tunnels" if job == "preview" else job]
    return "\n".join(line for part in ("before_script", "script") for line in there[part] if mark in line)


def run(script: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BASE": "b", "HEAD": "h", "LAB": "lab", "NUMBER": "7"} | more
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def that_ends_with(code: int, folder: Path) -> str:
    """A PATH on which `tunnelwright` ends so."""
    command = folder / "bin" / "tunnelwright"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\nexit {code}\n")
    command.chmod(0o755)
    return f"{command.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize("file", ["github.yaml", "gitlab.yaml"])
@pytest.mark.parametrize("step", [("simulate", "proof/base.txt", {0, 7, 8}), ("preview", "--out", {0, 5, 6})])
@pytest.mark.parametrize("code", [0, 1, 3, 4, 5, 6, 7, 8, 9, 126, 127, 130, 137, 139, 143])
def test_a_step_forgives_what_it_names_alone(
    file: str, step: tuple[str, str, set[int]], code: int, tmp_path: Path
) -> None:
    """A command that is missing (127) or was killed (137) is no result."""
    job, mark, passing = step
    (tmp_path / "proof").mkdir()
    (tmp_path / "findings.sarif").write_text("what the checkout has brought")
    script = lines(file, job, mark).replace("git show", "true")
    done = run(script, tmp_path, PATH=that_ends_with(code, tmp_path), RUNNER_TEMP=str(tmp_path / "temp"))
    assert (done.returncode == 0) is (code in passing), done.stderr


@pytest.mark.parametrize("file", ["github.yaml", "gitlab.yaml"])
def test_root_does_not_write_through_a_link_of_the_checkout(file: str, tmp_path: Path) -> None:
    target, checkout = tmp_path / "target", tmp_path / "checkout"
    target.mkdir()
    checkout.mkdir()
    (checkout / "proof").symlink_to(target)
    path = that_ends_with(0, tmp_path)
    script = "\n".join(lines(file, "simulate", mark) for mark in ("mkdir proof", "proof/base.txt"))
    if file == "gitlab.yaml":
        script = "rm -rf proof\n" + script
        assert "rm -rf proof" in read(file)["simulate"]["script"]
    assert run(script, checkout, PATH=path).returncode == 0
    assert not list(target.iterdir())
    assert (checkout / "proof" / "base.txt").is_file()


@pytest.mark.parametrize("file", ["github.yaml", "gitlab.yaml"])
@pytest.mark.parametrize("job", ["preview", "simulate"])
def test_the_base_says_what_is_installed(file: str, job: str, tmp_path: Path) -> None:
    """A pull request cannot bring another lock, nor an index another file under the name of a locked one."""
    wheels = tmp_path / "wheels"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = wheels.glob("*.whl")
    version = wheel.name.split("-")[1]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    checkout = tmp_path / "checkout"
    with git.Repo.init(checkout) as repository:
        lock = checkout / LOCK[file]
        lock.parent.mkdir()
        commits = []
        for content in (f"tunnelwright=={version} --hash=sha256:{digest}\n", "evil==1.0\n"):
            lock.write_text(content)
            repository.git.add("--all")
            repository.git.execute(
                ["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-m", "lock"]
            )
            commits.append(repository.head.commit.hexsha)
    variables = {
        "BASE": commits[0],
        "HEAD": commits[1],
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": commits[0],
        "RUNNER_TEMP": str(tmp_path),
        "CI_BUILDS_DIR": str(tmp_path),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_TARGET": str(tmp_path / "installed"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    script = lines(file, job, "tunnelwright.lock")
    done = run(script, checkout, **variables)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "installed" / "reconciler" / "__init__.py").is_file()
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    assert "HASHES" in run(script, checkout, **variables).stderr


def test_each_job_has_the_permissions_of_its_own_work() -> None:
    workflow = read("github.yaml")
    assert workflow["permissions"] == {}
    jobs = workflow["jobs"]
    assert jobs["simulate"]["permissions"] == {"contents": "read"}
    assert set(jobs["preview"]["permissions"]) == {"contents", "pull-requests", "security-events"}
    tokens = [step for job in jobs.values() for step in job["steps"] if "token" in str(step.get("env", ""))]
    assert len(tokens) == 1, "one step is given the token: the one that comments"


def test_every_action_is_pinned_and_leaves_no_credentials() -> None:
    steps = [step for job in read("github.yaml")["jobs"].values() for step in job["steps"] if "uses" in step]
    assert len(steps) >= 5
    for step in steps:
        assert len(step["uses"].partition("@")[2]) == 40, step["uses"]
        if "checkout" in step["uses"]:
            assert step["with"]["persist-credentials"] is False
