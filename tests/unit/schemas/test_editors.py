"""What validators say of a document by the schemas that `tunnelwright schema` writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.main import main
from schemas.generate import ANY_DOCUMENT, ROOT, SCHEMAS

CHECKER = Path(sys.executable).parent / "check-jsonschema"
HEAD = "apiVersion: tunnelwright/v1\nkind: {kind}\nmetadata: {{name: r}}\nspec:\n"
MISTAKES = {
    HEAD.format(kind="Vip") + "  router: r\n  publicNetwork: 5\n": [
        "$.spec.publicNetwork: 5 is not of type 'string'"
    ],
    HEAD.format(kind="VpcNetwork") + "  cidr: 10.1.0.0/24\n  cidrs: []\n": [
        "$.spec: Additional properties are not allowed ('cidrs' was unexpected)"
    ],
    HEAD.format(kind="IPsecConnection") + "  ends: []\n": [
        "$.spec: 'authentication' is a required property",
        "$.spec.ends: [] is too short",
    ],
    "apiVersion: v1\nkind: Vip\nmetadata: {name: r}\nspec: {router: r, publicNetwork: p}\n": [
        "$.apiVersion: 'tunnelwright/v1' was expected"
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas") / "of" / "documents"
    assert main(["schema", str(folder)]) == 0
    return folder


def test_the_command_writes_what_is_committed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    committed = {path.name: path.read_text() for path in (ROOT / SCHEMAS).iterdir()}
    assert {path.name: path.read_text() for path in folder.iterdir()} == committed
    assert main(["schema", str(folder)]) == 0
    assert f"$schema={folder}/{ANY_DOCUMENT}" in capsys.readouterr().out
    file = folder / ANY_DOCUMENT
    assert main(["schema", str(file)]) == 1
    assert f"cannot create {file}" in capsys.readouterr().err


def test_each_schema_has_an_id_and_a_title_of_its_own(folder: Path) -> None:
    contents = [json.loads(path.read_text()) for path in folder.iterdir()]
    for part in ("$id", "title"):
        assert len({content[part] for content in contents}) == len(contents)


@pytest.mark.parametrize("text", MISTAKES)
def test_a_validator_reports_what_is_wrong_with_the_kind_alone(
    folder: Path, text: str, tmp_path: Path
) -> None:
    document = tmp_path / "document.yaml"
    document.write_text(text)
    schema = str(folder / ANY_DOCUMENT)
    command = [str(CHECKER), "--output-format", "json", "--schemafile", schema, str(document)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [f"{item['path']}: {item['message']}" for item in json.loads(done.stdout)["errors"]]
    assert (done.returncode, sorted(found)) == (1, sorted(MISTAKES[text]))
