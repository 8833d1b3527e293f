"""`peer-sheet` as a command: where the key goes, and where it does not."""

from __future__ import annotations

import base64
import json
import shutil
import stat
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.model.errors import ExitCode
from reconciler.report.sheets import FORMATS

ROOT = Path(__file__).parents[3]
TREE = str(ROOT / "tests" / "sites")
KEY = b"Planted-key_0123456789"
FORMS_OF_THE_KEY = (KEY.decode(), base64.b64encode(KEY).decode(), KEY.hex())


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "psk").mkdir()
    (folder / "psk" / "site-a--site-b.psk").touch(mode=0o600)
    (folder / "psk" / "site-a--site-b.psk").write_bytes(KEY)
    return folder


def holds_key(text: str) -> bool:
    return any(form in text for form in FORMS_OF_THE_KEY)


@pytest.mark.parametrize("json_too", [[], ["--json"]])
@pytest.mark.parametrize("form", FORMATS)
def test_the_key_is_there_when_asked_for_and_never_else(
    form: str, json_too: list[str], secrets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["peer-sheet", "a-to-b", TREE, "--format", form, "--secrets", str(secrets), *json_too]
    assert main(words) == ExitCode.OK
    shown = capsys.readouterr()
    assert not holds_key(shown.out + shown.err)
    assert "<PRE-SHARED-KEY>" in shown.out
    file = tmp_path / "sheet"
    assert main([*words, "--out", str(file)]) == ExitCode.OK
    shown = capsys.readouterr()
    assert not holds_key(shown.out + shown.err + file.read_text())
    assert main([*words, "--with-key"]) == ExitCode.OK
    shown = capsys.readouterr()
    assert holds_key(shown.out)
    assert not holds_key(shown.err)
    assert shown.err.startswith("warning: the sheet holds the pre-shared key in the clear")
    assert main([*words, "--with-key", "--out", str(file)]) == ExitCode.OK
    shown = capsys.readouterr()
    assert not holds_key(shown.out + shown.err)
    assert holds_key(file.read_text())


def test_a_file_is_its_owners_alone_whatever_was_there(secrets: Path, tmp_path: Path) -> None:
    file = tmp_path / "sheet"
    file.write_text("old")
    file.chmod(0o644)
    words = ["peer-sheet", "a-to-b", TREE, "--secrets", str(secrets), "--with-key", "--out", str(file)]
    assert main(words) == ExitCode.OK
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secrets", "sheet"]


def test_no_key_is_read_without_being_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["peer-sheet", "a-to-b", TREE, "--secrets", str(tmp_path / "nowhere")]
    assert main(words) == ExitCode.OK
    assert main([*words, "--with-key"]) == ExitCode.ERROR
    assert "file:site-a--site-b.psk" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["{tmp}", "{tmp}/no/such/folder/sheet", "/dev/null"])
def test_a_place_that_takes_no_file_is_a_sentence(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["peer-sheet", "a-to-b", TREE, "--out", place.format(tmp=tmp_path)]) == ExitCode.ERROR
    assert capsys.readouterr().err.startswith("error: ")


def test_an_unknown_tunnel_is_named_with_the_one_that_may_be_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["peer-sheet", "a-to-bb", TREE]) == ExitCode.ERROR
    assert capsys.readouterr().err == "error: no tunnel is called a-to-bb\nhint: did you mean 'a-to-b'?\n"


def test_a_disabled_tunnel_has_a_sheet_that_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = shutil.copytree(TREE, tmp_path / "tree")
    with (tree / "site-a" / "a-to-b.yaml").open("a") as file:
        file.write("  enabled: false\n")
    for form in FORMATS:
        assert main(["peer-sheet", "a-to-b", str(tree), "--format", form]) == ExitCode.OK
        assert "The tunnel is disabled at our end" in capsys.readouterr().out


def test_the_object_says_what_the_table_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["peer-sheet", "a-to-c", TREE, "--json", "--format", "vyos"]) == ExitCode.OK
    version, sheet = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert version["type"] == "version"
    assert (sheet["type"], sheet["tunnel"], sheet["format"]) == ("peer_sheet", "a-to-c", "vyos")
    assert sheet["local_id"] == {"type": "email", "value": "vpn@router-c.example"}
    assert sheet["peer_cidrs"] == ["10.1.0.0/24", "10.1.1.0/24"]
    assert sheet["text"].startswith("# The end 203.0.113.4")


WEAK = """
  ike: {encryption: 3des, integrity: md5, dhGroup: 2}
  ipsec: {encryption: 3des, integrity: sha1, pfs: dh-group5}
"""
SAID = (
    "IKE encryption 3des is weak",
    "IKE integrity md5 is weak",
    "IKE DH group 2 is weak",
    "IPsec encryption 3des is weak",
    "IPsec integrity sha1 is weak",
    "IPsec PFS group 5 is weak",
)


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_weak_is_said_in_the_sheet_and_to_who_hands_it_over(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = shutil.copytree(TREE, tmp_path / "tree")
    for file in ("site-a/a-to-b.yaml", "site-b/b-to-a.yaml"):
        with (tree / file).open("a") as opened:
            opened.write(WEAK)
    out = tmp_path / "sheet"
    assert main(["peer-sheet", "a-to-b", str(tree), "--format", form, "--out", str(out)]) == ExitCode.OK
    said = capsys.readouterr().err
    for text in SAID:
        assert out.read_text().count(text) == 1
        assert said.count(f"warning: {text}") == 1
    assert main(["peer-sheet", "a-to-b", TREE, "--format", form]) == ExitCode.OK
    assert "is weak" not in "".join(capsys.readouterr())


def test_a_weak_default_is_said_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No document chose it, so `validate` names it once; the other end's administrator is to type it."""
    tree = shutil.copytree(TREE, tmp_path / "tree")
    (tree / "defaults.yaml").unlink()
    assert main(["validate", str(tree)]) == ExitCode.OK
    assert "".join(capsys.readouterr()).count("weak") == 1
    assert main(["peer-sheet", "a-to-b", str(tree), "--json"]) == ExitCode.OK
    sheet = json.loads(capsys.readouterr().out.splitlines()[1])
    assert [text.partition(":")[0] for text in sheet["remarks"] if "weak" in text] == [
        "IKE DH group 2 is weak"
    ]
