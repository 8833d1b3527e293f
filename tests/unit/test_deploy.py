"""What is shipped for CI and for servers: against the published schemas, and what its steps run is run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler.forges.forge import Kind
from reconciler.model import bounds
from reconciler.model.diagnostic import Diagnostics
from reconciler.service.settings import read_settings
from tests.forges import NUMBER, forge_server
from tests.unit.cli.branch import Branch
from tests.unit.cli.test_preview_comment import job

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path)


@pytest.mark.parametrize(
    ("schema", "file"), [("vendor.github-workflows", "github.yaml"), ("vendor.gitlab-ci", "gitlab.yaml")]
)
def test_workflows_fit_the_published_schemas(schema: str, file: str, tmp_path: Path) -> None:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", schema]
    done = subprocess.run([*command, str(DEPLOY / "ci" / file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / file
    broken.write_text(
        (DEPLOY / "ci" / file).read_text().replace("script:", "scripts:").replace("run:", "runs:")
    )
    assert subprocess.run([*command, str(broken)], capture_output=True, check=False).returncode != 0


def test_the_compose_file_fits_the_published_schema(tmp_path: Path) -> None:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    file = DEPLOY / "container" / "compose.yaml"
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / file.name
    broken.write_text(file.read_text().replace("read_only:", "readonly:"))
    assert subprocess.run([*command, str(broken)], capture_output=True, check=False).returncode != 0


def test_the_settings_of_the_container_are_valid() -> None:
    found = Diagnostics()
    settings = read_settings(DEPLOY / "container" / "reconcile.yaml", {}, found)
    assert not found.errors
    assert settings is not None
    assert settings.values.listen is not None


def test_the_image_has_what_was_tested() -> None:
    """The same versions by the same hashes, without what only development needs."""
    locks = [
        dict(
            re.findall(
                r"^([a-z0-9._-]+==\S+)[^\\]*\\\n((?:    --hash=\S+(?: \\)?\n?)+)",
                path.read_text(),
                re.MULTILINE,
            )
        )
        for path in (ROOT / "requirements.lock", DEPLOY / "container" / "requirements.lock")
    ]
    whole, image = locks
    assert len(image) > 30
    assert image.items() <= whole.items()
    assert not any(name.startswith(("pytest==", "ruff==", "mypy==")) for name in image)


def scripts(file: str) -> list[str]:
    """What the steps run that is tunnelwright's."""
    found = read(DEPLOY / "ci" / file)
    steps = found["jobs"]["preview"]["steps"] if "jobs" in found else []
    lines = [step["run"] for step in steps if "run" in step] + found.get("tunnels", {}).get("script", [])
    return [line for line in lines if line.startswith("tunnelwright ")]


@pytest.mark.parametrize(
    ("file", "kind"),
    [("github.yaml", Kind.GITHUB), ("github.yaml", Kind.GITEA), ("gitlab.yaml", Kind.GITLAB)],
)
@pytest.mark.parametrize("valid", [True, False])
def test_the_steps_of_the_workflows_run(file: str, kind: Kind, valid: bool, tmp_path: Path) -> None:
    branch = Branch(tmp_path / "repository")
    if not valid:
        branch.edit("site-a/a-to-c.yaml", "10.3.0.0/24", "10.3.0.1/24")
    branch.commit()
    base, head = (branch.repository.commit(name).hexsha for name in ("main", "change"))
    names = {"BASE": base, "HEAD": head, "CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_COMMIT_SHA": head}
    names |= {"NUMBER": str(NUMBER), "CI_MERGE_REQUEST_IID": str(NUMBER)}
    with forge_server(kind) as server:
        environment = {**os.environ, **names, **job(server), "PATH": f"{BIN}:{os.environ['PATH']}"}
        codes = [
            subprocess.run(
                ["bash", "-ec", line],
                cwd=branch.tree.parent,
                env=environment,
                capture_output=True,
                check=False,
            ).returncode
            for line in scripts(file)
        ]
    assert codes == ([0, 0] if valid else [0, 6]), "findings are uploaded before the job fails"
    [comment] = server.comments
    assert comment["body"].startswith("<!-- tunnelwright:preview -->")
    assert ("Not valid" in comment["body"]) is not valid


def test_the_workflow_hands_the_token_and_the_number_on() -> None:
    """The two variables of the step that no runner sets by itself."""
    steps = read(DEPLOY / "ci" / "github.yaml")["jobs"]["preview"]["steps"]
    [step] = [step for step in steps if "--comment" in step.get("run", "")]
    assert step["env"] == {
        "GITHUB_TOKEN": "${{ github.token }}",
        "NUMBER": "${{ github.event.pull_request.number }}",
    }


def test_the_hook_runs(tmp_path: Path) -> None:
    [hook] = read(ROOT / ".pre-commit-hooks.yaml")
    branch = Branch(tmp_path / "repository")
    entry = [str(BIN / hook["entry"].split()[0]), *hook["entry"].split()[1:]]
    assert subprocess.run(entry, cwd=branch.tree.parent, capture_output=True, check=False).returncode == 0
    branch.edit("site-a/a-to-c.yaml", "10.3.0.0/24", "10.3.0.1/24")
    assert subprocess.run(entry, cwd=branch.tree.parent, capture_output=True, check=False).returncode == 6
    assert re.search(hook["files"], "desired_state/site-a/a-to-c.yaml")


def test_the_hook_of_the_page_is_the_one_that_the_repository_offers(tmp_path: Path) -> None:
    """As a page shows it, for an installed package; run as pre-commit runs it."""
    page = (ROOT / "docs" / "how-to" / "use-in-ci.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```yaml\n# \.pre-commit-config\.yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    [repository] = YAML(typ="safe").load(text)["repos"]
    [shown] = repository["hooks"]
    [offered] = read(ROOT / ".pre-commit-hooks.yaml")
    assert repository["repo"] == "local"
    assert {name: shown[name] for name in ("id", "entry", "pass_filenames", "files")} == {
        name: offered[name] for name in ("id", "entry", "pass_filenames", "files")
    }
    words = [*shown["entry"].split(), *shown["args"]]
    branch = Branch(tmp_path / "repository")
    command = [str(BIN / words[0]), *words[1:]]
    assert subprocess.run(command, cwd=branch.tree.parent, capture_output=True, check=False).returncode == 0
    branch.edit("site-a/a-to-c.yaml", "10.3.0.0/24", "10.3.0.1/24")
    assert subprocess.run(command, cwd=branch.tree.parent, capture_output=True, check=False).returncode == 6


def test_a_service_whose_settings_are_not_valid_is_not_started_again_and_again(tmp_path: Path) -> None:
    unit = (DEPLOY / "systemd" / "tunnelwright.service").read_text()
    [command] = re.findall(r"^ExecStart=/opt/tunnelwright/bin/(.*)$", unit, re.MULTILINE)
    (tmp_path / "reconcile.yaml").write_text("interval: soon\n")
    words = command.replace("/etc/tunnelwright", str(tmp_path)).split()
    code = subprocess.run([str(BIN / words[0]), *words[1:]], capture_output=True, check=False).returncode
    assert re.findall(r"^RestartPreventExitStatus=(.*)$", unit, re.MULTILINE) == [str(code)]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_units_are_what_systemd_takes(tmp_path: Path) -> None:
    command = tmp_path / "tunnelwright"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    for unit in (DEPLOY / "systemd").iterdir():
        text = unit.read_text().replace("/opt/tunnelwright/bin/tunnelwright", str(command))
        (tmp_path / unit.name).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir() if path.suffix in {".service", ".timer"})
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def settings_of(unit: str) -> dict[str, str]:
    """The settings of a unit's service, one for each name."""
    text = (DEPLOY / "systemd" / unit).read_text().partition("[Service]")[2].partition("\n[")[0]
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    found = dict(line.split("=", 1) for line in lines)
    assert len(found) == len(lines)
    return found


def test_one_run_has_the_limits_of_the_service() -> None:
    service, once = (settings_of(unit) for unit in ("tunnelwright.service", "tunnelwright-once.service"))
    assert service.pop("ExecStart").replace(" reconcile ", " reconcile --once ") == once.pop("ExecStart")
    assert {name for name in service if name not in once} == {
        "Restart",
        "RestartSec",
        "RestartPreventExitStatus",
    }
    assert {name: value for name, value in once.items() if service.get(name) != value} == {
        "Type": "oneshot",
        "TimeoutStartSec": "1800",
    }
    assert int(service["TimeoutStopSec"]) > bounds.ENDING, "it ends by itself before it is ended"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", ["tunnelwright.service", "tunnelwright-once.service"])
def test_little_of_the_machine_is_exposed_to_it(unit: str, tmp_path: Path) -> None:
    def exposure(path: Path) -> float:
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(re.findall(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)[0])

    assert exposure(DEPLOY / "systemd" / unit) <= 2.5
    bare = tmp_path / unit
    bare.write_text(f"[Service]\nExecStart={settings_of(unit)['ExecStart']}\n")
    assert exposure(bare) > 9


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_the_account_is_made_without_a_shell(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = DEPLOY / "systemd" / "tunnelwright.sysusers"
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", str(file)], check=True, capture_output=True)
    [line] = (tmp_path / "etc" / "passwd").read_text().splitlines()
    name, _, number, _, _, home, shell = line.split(":")
    assert (name, home, Path(shell).name) == (
        settings_of("tunnelwright.service")["User"],
        "/var/lib/tunnelwright",
        "nologin",
    )
    assert 0 < int(number) < 1000


def test_the_wheel_holds_all_that_the_command_needs(tmp_path: Path) -> None:
    """Not only modules: templates of sheets, schemas, scripts, what the lab's image is built from."""
    build = ["-m", "uv", "build", "--quiet", "--wheel", "--no-build-isolation", "--out-dir", str(tmp_path)]
    subprocess.run([sys.executable, *build, str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "lib", "zip")
    sheet = "import sys, reconciler.cli.main as main; print(main.__file__); sys.exit(main.entry())"
    words = ["peer-sheet", "a-to-b", str(ROOT / "desired_state"), "--format", "swanctl"]
    done = subprocess.run(
        [sys.executable, "-c", sheet, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "lib")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path / "lib"))
    assert "/etc/swanctl/conf.d" in done.stdout
    kept = {
        path.relative_to(ROOT)
        for folder in ("lab", "reconciler", "schemas")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert {path.suffix for path in kept} >= {".j2", ".json", ".sh"}
    assert [path for path in kept if not (tmp_path / "lib" / path).is_file()] == []
