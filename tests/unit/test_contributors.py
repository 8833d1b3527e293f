"""What runs before a contributor's commit is what `make check` runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]


def test_the_hooks_call_what_the_check_calls() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "check"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    commands = [line for line in done.stdout.splitlines() if line.startswith(".venv/bin/")]
    [repository] = YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks = [hook for hook in repository["hooks"] if hook.get("stages") != ["commit-msg"]]
    entries = [hook["entry"].removesuffix(" --force-exclude") for hook in hooks]
    assert len(commands) == len(entries)
    assert [
        command
        for command, entry in zip(commands, entries, strict=True)
        if not f"{command} ".startswith(f"{entry} ")
    ] == []


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Add a hook\n\nThe why.\n# a comment of Git\n", ""),
        ("Merge branch 'hooks'\n", ""),
        ("Add a hook\n", "no body that says why"),
        ("Add a hook\n\n# a comment of Git\n", "no body that says why"),
        ("Ä" * 72 + "\n\nWhy it is so.\n", ""),
        ("Ä" * 73, "the subject has 73 characters"),
        ("", "the subject has 0 characters"),
        ("Add a hook.", "ends with a full stop"),
        ("Add a hook\nand more\n", "the line after the subject is not empty"),
    ],
)
def test_the_subject_of_a_commit_is_checked(tmp_path: Path, message: str, said: str) -> None:
    file = tmp_path / "message"
    file.write_text(message, encoding="utf-8")
    done = subprocess.run(
        ["sh", "scripts/subject.sh", str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == (said == "")
    assert said in done.stderr


def test_only_pictures_are_not_text() -> None:
    """A package that was unpacked for a try, a core or a capture is added sooner than it is seen."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    tracked = [ROOT / name for name in names.decode().split("\0") if name]
    assert len(tracked) > 1000
    binary = {path.suffix for path in tracked if path.is_file() and b"\0" in path.read_bytes()[:8192]}
    assert binary <= {".png"}
