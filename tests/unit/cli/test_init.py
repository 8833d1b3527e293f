"""`tunnelwright init`: a desired state that is valid as it is, and nothing that was there is changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.load import load_tree
from reconciler.model.errors import ExitCode
from reconciler.validate import validate

BIN = Path(sys.executable).parent


def test_the_new_tree_is_valid_and_modern(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = tmp_path / "network"
    assert main(["init", str(tree)]) == ExitCode.OK
    assert f"run `tunnelwright validate {tree}`" in capsys.readouterr().out
    fabric, found = validate(load_tree(tree))
    assert list(found) == []
    assert {(end.ike.dh_group, end.esp.encryption, end.esp.pfs_group) for end in fabric.tunnels.values()} == {
        (19, "aes-gcm-256", 19)
    }
    assert main(["validate", str(tree)]) == ExitCode.OK
    assert "Note:" not in capsys.readouterr().out
    workflow = tmp_path / ".github" / "workflows" / "tunnels.yaml"
    assert "tunnelwright preview network --base" in workflow.read_text()
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows", str(workflow)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_keys_are_ignored_and_encrypted_ones_are_not(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "desired_state")]) == ExitCode.OK
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name, ignored in {
        "desired_state/site-a--site-b.psk": True,
        "fingerprint.key": True,
        "identity.age-key": True,
        "desired_state/keys/site-a--site-b.age": False,
        "desired_state/keys.sops.yaml": False,
    }.items():
        command = ["git", "-C", str(tmp_path), "check-ignore", "-q", name]
        assert (subprocess.run(command, check=False).returncode == 0) is ignored, name


def test_nothing_that_exists_is_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".gitignore").write_text("mine\n")
    tree = tmp_path / "desired_state"
    tree.mkdir()
    assert main(["init", str(tree)]) == ExitCode.OK
    assert f"note: {tmp_path / '.gitignore'} already exists" in capsys.readouterr().err
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
    (tree / "defaults.yaml").write_text("mine\n")
    assert main(["init", str(tree)]) == ExitCode.ERROR
    assert f"{tree} already exists" in capsys.readouterr().err
    assert (tree / "defaults.yaml").read_text() == "mine\n"
    for place in (tree / "defaults.yaml", tree / "defaults.yaml" / "below"):
        assert main(["init", str(place)]) == ExitCode.ERROR
