"""What a base install can do, and what it says of an extra that is not there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.model.extras import EXTRAS, ExtraMissing, require
from reconciler.model.fabric import PskRef
from reconciler.model.secret import Secret
from reconciler.secrets import SecretStore
from reconciler.service.messenger import Message, hand_over
from reconciler.service.receiver import receiver

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
URL = Secret(b"json://localhost/path")

BASE_INSTALL = """
import importlib, json, pkgutil, sys
tree, keys, hidden = json.loads(sys.stdin.read())
sys.modules.update(dict.fromkeys(hidden))
import reconciler, schemas
from reconciler.cli.main import main
codes = {}
for words in (
    ["--help"], ["validate", tree], ["graph", tree], ["peer-sheet", "a-to-b", tree], ["lab", "up", tree],
    *([command, tree, "--secrets", keys] for command in ("plan", "status", "verify", "diagnose")),
):
    try:
        codes[" ".join(words[:2] if words[0] == "lab" else words[:1])] = main(words)
    except SystemExit as ended:
        codes[words[0]] = ended.code
names = {"application", "docker_router", "guard", "server", "vault", "__main__"}
for package in (reconciler, schemas):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if module.name.rpartition(".")[2] not in names:
            importlib.import_module(module.name)
print(json.dumps(codes))
"""
"""Runs commands and then imports every module, where only the packages of a base install are there."""


def needed(names: list[str]) -> set[str]:
    """The distributions that these requirements bring to this machine, without the extras of the first."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        item = waiting.pop()
        name = canonicalize_name(item.name)
        if name in found or (item.marker is not None and not item.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += [Requirement(text) for text in requires(name) or []]
    return found


def beyond_the_base() -> set[str]:
    """What can be imported here and would not be there in a base install."""
    base = needed(PROJECT["dependencies"]) | {"tunnelwright"}
    installed = packages_distributions()
    return {
        name
        for name, owners in installed.items()
        if name.isidentifier() and not {canonicalize_name(owner) for owner in owners} & base
    }


def test_the_extras_are_those_of_the_package() -> None:
    installed = packages_distributions()
    brought = {
        extra: {canonicalize_name(installed[name][0]) for name in names} for extra, names in EXTRAS.items()
    }
    assert brought == {
        extra: {canonicalize_name(Requirement(text).name) for text in texts}
        for extra, texts in PROJECT["optional-dependencies"].items()
    }
    assert {name for names in EXTRAS.values() for name in names} <= beyond_the_base()


def test_the_lock_has_every_extra_and_that_of_the_image_what_a_controller_may_want() -> None:
    def locked(path: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / path).read_text(), re.MULTILINE))

    extras = {
        extra: {canonicalize_name(Requirement(text).name) for text in texts}
        for extra, texts in PROJECT["optional-dependencies"].items()
    }
    assert set().union(*extras.values()) <= locked("requirements.lock")
    image = locked("deploy/container/requirements.lock")
    assert extras["messages"] | extras["vault"] <= image
    assert not (extras["docker"] | extras["lab"]) & image


def test_a_base_install_serves_the_controller(tmp_path: Path) -> None:
    """Unreachable routers by SSH, keys in files, and the whole reconciler imported."""
    tree = tmp_path / "desired_state"
    for path in (ROOT / "desired_state").rglob("*.yaml"):
        target = tree / path.relative_to(ROOT / "desired_state")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text()
        if path.name == "router.yaml":
            text += "  access:\n    ssh: {host: 127.0.0.1, port: 1, user: root}\n"
        target.write_text(text)
    keys = tmp_path / "keys"
    (keys / "psk").mkdir(mode=0o700, parents=True)
    for name in set(re.findall(r"file: (\S+\.psk)", "".join(p.read_text() for p in tree.rglob("*.yaml")))):
        (keys / "psk" / name).write_text("Rk4tTVZNZ2pVb0JxQ3hJbVZ4ZjE0dz09TkxQ")
        (keys / "psk" / name).chmod(0o600)
    words = json.dumps([str(tree), str(keys), sorted(beyond_the_base())])
    done = subprocess.run(
        [sys.executable, "-c", BASE_INSTALL],
        cwd=ROOT,
        input=words,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    unreachable = dict.fromkeys(("plan", "status", "verify", "diagnose"), int(ExitCode.UNREACHABLE))
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "--help": 0, "validate": 0, "graph": 0, "peer-sheet": 0, **unreachable, "lab up": 1
    }  # fmt: skip
    assert "pip install 'tunnelwright[lab]'" in done.stderr


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """No extra is installed."""
    for package in {name for names in EXTRAS.values() for name in names}:
        monkeypatch.setitem(sys.modules, package, None)


def test_what_is_installed_is_not_asked_for() -> None:
    for extra in EXTRAS:
        require(extra)


@pytest.mark.usefixtures("lacking")
@pytest.mark.parametrize(
    "words",
    [
        ["lab", "up", "desired_state"],
        ["lab", "verify", "desired_state"],
        ["lab", "shell", "router-a"],
        ["lab", "down"],
        ["plan", "desired_state", "--lab", "some", "--stand-in-keys"],
    ],
)
def test_a_lab_without_its_packages_is_one_sentence(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(words) == ExitCode.ERROR
    assert capsys.readouterr().err == (
        "error: Python packages are not installed: docker, git, scapy\n"
        "hint: pip install 'tunnelwright[lab]'\n"
    )


@pytest.mark.usefixtures("lacking")
def test_a_router_in_a_container_is_unreachable_without_its_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["import", "desired_state", "--router", "router-a"]) == ExitCode.ERROR
    assert "pip install 'tunnelwright[docker]'" in capsys.readouterr().err


@pytest.mark.usefixtures("lacking")
def test_keys_in_vault_are_missing_without_its_package_and_others_are_not(tmp_path: Path) -> None:
    store = SecretStore(tmp_path, {"TUNNELWRIGHT_KEY_A": "Rk4tTVZNZ2pVb0JxQ3hJbVZ4ZjE0dz09TkxQ"})
    here, there = PskRef("env", "TUNNELWRIGHT_KEY_A"), PskRef("vault", "secret/tunnelwright/a", "psk")
    answers = store.ask([here, there])
    assert isinstance(answers[here], Secret)
    lack = answers[there]
    assert isinstance(lack, ExtraMissing)
    assert (lack.message, lack.hint) == (
        "a Python package is not installed: hvac",
        "pip install 'tunnelwright[vault]'",
    )


@pytest.mark.usefixtures("lacking")
def test_messages_are_not_sent_without_their_package() -> None:
    for work in (lambda: receiver(URL), lambda: hand_over(Message(URL, "title", "body", "info"), seconds=9)):
        with pytest.raises(ExtraMissing) as raised:
            work()
        assert raised.value.hint == "pip install 'tunnelwright[messages]'"
