"""Labels select some of many tunnels: the others are neither probed nor observed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reconciler.cli import access
from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.model.router_config import InterfaceAddress
from tests.memory import MemoryRouter, Network

ROOT = Path(__file__).parents[3]
NUMBERS = {"a": 2, "b": 3, "c": 4}


@pytest.fixture
def routers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, MemoryRouter]:
    """Three routers in memory that match `tree`, in which each has the label of its site."""
    tree, keys = tmp_path / "tree", tmp_path / "keys" / "psk"
    shutil.copytree(ROOT / "tests" / "sites", tree)
    for name in ("site-a/a-to-c.yaml", "site-c/c-to-a.yaml"):
        # What routers in memory negotiate.
        (tree / name).write_text((tree / name).read_text().replace("aes-gcm-256", "aes-256"))
    keys.mkdir(parents=True)
    for other in "bc":
        file = keys / f"site-a--site-{other}.psk"
        file.touch(mode=0o600)
        file.write_text(f"a long enough PLANTED secret {other}")
    network = Network()
    made = {
        f"router-{site}": MemoryRouter(
            f"router-{site}", network, [InterfaceAddress("wan0", f"203.0.113.{number}/24")]
        )
        for site, number in NUMBERS.items()
    }
    monkeypatch.setattr(access, "connector", lambda *_: made.__getitem__)
    assert run(tmp_path, "apply", "--auto-approve", "--wait", "0.1") == ExitCode.OK
    return made


def run(folder: Path, command: str, *words: str) -> int:
    return main([command, str(folder / "tree"), "--secrets", str(folder / "keys"), *words])


def test_only_what_labels_select_is_probed(
    routers: dict[str, MemoryRouter], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(tmp_path, "verify", "--json") == ExitCode.OK
    assert checked(capsys) == {"a-to-b", "b-to-a", "a-to-c", "c-to-a"}
    routers["router-c"].power(on=False)
    for words in (("-l", "site=b"), ("--target", "router-b"), ("--target", "b-to-a")):
        assert run(tmp_path, "verify", "--json", *words) == ExitCode.OK, "router-c is not asked"
        assert checked(capsys) == {"a-to-b", "b-to-a"}
    assert run(tmp_path, "diagnose", "--json", "-l", "site=b") == ExitCode.OK
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["tunnels"] == ["a-to-b", "b-to-a"]
    assert run(tmp_path, "verify", "--json") == ExitCode.UNREACHABLE


def checked(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The tunnels that checks are about."""
    objects = map(json.loads, capsys.readouterr().out.splitlines())
    return {item["name"].partition(":")[0] for item in objects if item["type"] == "check"}
