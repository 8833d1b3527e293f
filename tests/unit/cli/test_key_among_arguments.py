"""A key in the place of any argument of any command is not repeated, unless something is called so."""

from __future__ import annotations

import argparse
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.cli.given import without_given
from reconciler.cli.main import build_parser, main
from reconciler.model.quoting import NOT_SHOWN
from tests.repositories import new_repository

ROOT = Path(__file__).parents[3]
KEYS = {
    "hexadecimal": "5f4dcc3b5aa765d61d8327deb882cf99",
    "base64": "9vT+uJ5yq0mW/8eXh1fKz3bL7cRkQwYpN2sD4aGiHlE=",
}
WRITES = {"--out", "--metrics-file", "--pcap"}
"""What these name is made by the command, and then called so."""
NEEDED = {
    "commit": "HEAD",
    "folder": "schemas",
    "tunnel": "a-to-b",
    "number": "1",
    "node": "router-a",
    "name": "keys/a.age",
    "names": "keys/a.age",
    "address": "203.0.113.10",
    "router": "router-a",
}
"""Values of arguments that a command cannot do without."""
BESIDE = {
    "--files": ["--router", "router-a"],
    "--forge-url": ["--forge", "github", "--comment", "1", "--token-file", "token"],
    "--project": [
        "--forge",
        "github",
        "--comment",
        "1",
        "--token-file",
        "token",
        "--forge-url",
        "http://127.0.0.1:1",
    ],
    "--token-file": ["--forge", "github", "--comment", "1"],
    "--accept": ["--config", "reconcile.yaml"],
    "--forgive": ["--config", "reconcile.yaml"],
}
"""What an argument needs beside it to count."""


def leaves(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    below = [item for item in parser._actions if isinstance(item, argparse._SubParsersAction)]
    if not below:
        yield path, parser
    for action in below:
        for name, inner in action.choices.items():
            yield from leaves(inner, (*path, name))


def places() -> Iterator[tuple[str, ...]]:
    """Each command with `{key}` in the place of one argument."""
    for path, parser in leaves(build_parser()):
        needed = [
            (action, NEEDED[action.dest])
            for action in parser._actions
            if not action.option_strings and action.nargs not in {"?", "*"}
        ]
        for action in parser._actions:
            option = next((name for name in action.option_strings if name.startswith("--")), "")
            if (
                action.nargs == 0
                or option in WRITES
                or (path == ("secret", "init") and option == "--secrets")
            ):
                continue
            given = [] if option else ["{key}"]
            rest = [value for other, value in needed if other is not action]
            # The one that is tried first is the first of the positional ones; the folder is the last.
            words = [*path, *rest, *given] if action.nargs in {"?", "*"} else [*path, *given, *rest]
            yield (*words, *([option, "{key}"] if option else ()), *BESIDE.get(option, ()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("folder")
    shutil.copytree(ROOT / "desired_state", made / "desired_state")
    repository = new_repository(made)
    repository.git.add("desired_state")
    repository.git.commit("--message", "tunnels")
    (made / "token").touch(mode=0o600)
    (made / "token").write_text("token")
    (made / "reconcile.yaml").write_text(
        f"repository: {made}\nstate: {made}/state\nsignatures: {{keyring: {made}}}\n"
    )
    return made


def interrupted(_: float) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("form", KEYS)
@pytest.mark.parametrize("words", list(places()), ids=" ".join)
def test_a_key_in_the_place_of_an_argument_is_not_repeated(
    words: tuple[str, ...],
    form: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/no-engine.sock")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    for name in ("NUMBER", "GITHUB_TOKEN", "TUNNELWRIGHT_SECRETS"):
        monkeypatch.delenv(name, raising=False)
    # The page would be served until Ctrl-C.
    monkeypatch.setattr("reconciler.cli.commands.ui.time", SimpleNamespace(sleep=interrupted))
    with contextlib.suppress(SystemExit):
        main([word.format(key=KEYS[form]) for word in words])
    shown = capfd.readouterr()
    assert not (folder / KEYS[form].partition("/")[0]).exists()
    assert KEYS[form] not in shown.out + shown.err


def test_a_path_that_is_there_is_shown(tmp_path: Path) -> None:
    place = tmp_path / KEYS["hexadecimal"]
    place.mkdir()
    missing = f"{place}/{KEYS['hexadecimal']}/reconcile.yaml"
    said = without_given(f"cannot read {missing}: No such file", ["plan", f"--config={missing}"])
    assert said == f"cannot read {place}/…/reconcile.yaml: No such file"


def test_a_name_is_shown_and_a_key_is_not() -> None:
    for name in ("main", "HEAD~12", "site-a--site-b", "desired_sate"):
        assert without_given(f"no {name}", [name]) == f"no {name}"
    assert without_given("no 5f4dcc3b5aa765d6 here", ["--base", "5f4dcc3b5aa765d6"]) == f"no {NOT_SHOWN} here"
