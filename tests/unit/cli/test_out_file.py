"""`--out` and its like replace a report, and never a key."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.secrets.age import create_identity
from tests.unit.load.sources import commit

ROOT = Path(__file__).parents[3]
COMMANDS = {
    "plan": ["plan", "desired_state", "--secrets", "keys", "--lab", "no-such-lab"],
    "peer-sheet": ["peer-sheet", "a-to-b", "desired_state"],
    "preview": ["preview", "desired_state", "--base", "HEAD"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "desired_state", tmp_path / "desired_state")
    commit(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["a--b.psk", "a--b.age", "a.sops.yaml", "fingerprint.key", "identity.txt"])
def test_a_file_of_keys_is_never_replaced(
    folder: Path, command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / name
    if name == "identity.txt":
        create_identity(path)
    else:
        path.write_text("a key")
    before = path.read_bytes()
    assert main([*COMMANDS[command], "--out", name]) == ExitCode.ERROR
    assert f"{name} already exists, and is a key file" in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", ["peer-sheet", "preview"])
def test_a_report_is_made_again(folder: Path, command: str) -> None:
    (folder / "report").write_text("of yesterday" * 10_000)
    assert main([*COMMANDS[command], "--out", "report"]) == ExitCode.OK
    assert "yesterday" not in (folder / "report").read_text()
    assert [path.name for path in folder.iterdir() if path.name.startswith(".report")] == []


def test_what_is_no_file_is_written_into(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((folder / "pipe").read_text()))
    reader.start()
    assert main([*COMMANDS["preview"], "--out", "pipe"]) == ExitCode.OK
    reader.join(60)
    assert "No changes" in read[0]


def test_a_key_that_is_there_is_not_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`secret set` refuses before a key is typed, and says what to do."""
    shared = ["--tree", "desired_state", "--secrets", "keys"]
    assert main(["secret", "init", *shared]) == ExitCode.OK
    assert main(["secret", "set", "keys/a--b.age", "--random", *shared]) == ExitCode.OK
    before = (folder / "desired_state/keys/a--b.age").read_bytes()
    capsys.readouterr()
    # Under pytest standard input raises when it is read.
    assert main(["secret", "set", "keys/a--b.age", *shared]) == ExitCode.ERROR
    said = capsys.readouterr().err
    assert "a--b.age already exists, and its key would be lost" in said
    assert "secret rotate" in said
    assert (folder / "desired_state/keys/a--b.age").read_bytes() == before
    assert main(["secret", "set", "keys/a--b.age", "--random", "--replace", *shared]) == ExitCode.OK
    assert (folder / "desired_state/keys/a--b.age").read_bytes() != before
