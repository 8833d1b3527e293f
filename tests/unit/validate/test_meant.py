"""What people write for an algorithm leads to the value that they mean."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from reconciler.load import load_tree
from reconciler.report.sheets.dialects import DIALECTS
from reconciler.validate import validate
from schemas.algorithms import DH_GROUPS, ENCRYPTION, INTEGRITY
from tests.unit.validate.written import BASE, document, tunnel, validated

ERRORS = Path(__file__).parents[2] / "errors"


@pytest.mark.parametrize(
    ("section", "hint"),
    [
        ({"encryption": "aes-256-gcm"}, "did you mean 'aes-gcm-256'?"),
        ({"encryption": "aes256gcm16"}, "did you mean 'aes-gcm-256'?"),
        ({"encryption": "AES256"}, "did you mean 'aes-256'?"),
        ({"encryption": "aes256gcm128"}, "did you mean 'aes-gcm-256'?"),
        ({"encryption": "triple-des"}, "did you mean '3des'?"),
        ({"integrity": "sha-256"}, "did you mean 'sha256'?"),
        ({"integrity": "SHA2"}, "did you mean 'sha256'?"),
        ({"dhGroup": "dh-group14"}, "did you mean 14?"),
        ({"dhGroup": "DH14"}, "did you mean 14?"),
        ({"dhGroup": "MODP2048"}, "did you mean 14?"),
        ({"dhGroup": 2048}, "did you mean 14?"),
        ({"dhGroup": "nist-p256"}, "did you mean 19?"),
        ({"dhGroup": "x25519"}, "did you mean 31?"),
        ({"version": "IKEv2"}, "did you mean 2?"),
        ({"dpd": {"action": "hold"}}, "did you mean 'trap'?"),
        ({"dhGroup": "14"}, "write it without quotes"),
    ],
)
def test_another_spelling_leads_to_the_value(section: dict[str, object], hint: str) -> None:
    _, found = validated([*BASE, tunnel("t", ike=section)])
    [item] = found.errors
    assert item.hint == hint


@pytest.mark.parametrize("group", [1, 256, "modp1000", "brainpool"])
def test_what_is_no_group_leads_to_none(group: object) -> None:
    """The nearest by its digits is another group, not a misspelling."""
    _, found = validated([*BASE, tunnel("t", ike={"dhGroup": group})])
    assert [item.hint for item in found.errors] == [""]


@pytest.mark.parametrize(
    ("pfs", "meant"),
    [
        (14, "14"),
        ("modp2048", "14"),
        ("dh14", "14"),
        ("ecp384", "20"),
        ("none", "0"),
        (False, "0"),
        ("off", "0"),
    ],
)
def test_a_group_for_forward_secrecy_has_a_word_of_its_own(pfs: object, meant: str) -> None:
    _, found = validated([*BASE, tunnel("t", ipsec={"pfs": pfs})])
    assert [item.hint for item in found.errors] == [f"did you mean 'dh-group{meant}'?"]


def other_words() -> Iterator[tuple[str, str, str, str]]:
    """Section, field, what strongSwan or a vendor calls a value, and the value."""
    for number, word in DH_GROUPS.items():
        yield "ike", "dhGroup", word, str(number)
        yield "ipsec", "pfs", word, f"'dh-group{number}'"
    for section in ("ike", "ipsec"):
        for value, word in {**ENCRYPTION, **INTEGRITY}.items():
            yield section, "encryption" if value in ENCRYPTION else "integrity", word, repr(value)
    for dialect in DIALECTS.values():
        for section, field, words in (
            ("ike", "encryption", dialect.ike_encryption),
            ("ike", "integrity", dialect.ike_integrity),
            ("ipsec", "encryption", dialect.esp_encryption),
            ("ipsec", "integrity", dialect.esp_integrity),
        ):
            for value, word in words.items():
                yield section, field, word, repr(value)


@pytest.mark.parametrize(("section", "field", "word", "value"), sorted(set(other_words())))
def test_the_words_of_other_tools_lead_to_ours(section: str, field: str, word: str, value: str) -> None:
    for spelling in {word, word.upper()}:
        _, found = validated([*BASE, tunnel("t", **{section: {field: spelling}})])
        hints = [item.hint for item in found.errors if item.path == f"spec.{section}.{field}"]
        assert hints in ([], [f"did you mean {value}?"])
        assert hints or repr(spelling) == value


@pytest.mark.parametrize("pasted", ["hunter2", "correct-horse-battery-staple", "Winter2024abcde"])
@pytest.mark.parametrize("source", ["file", "env"])
def test_a_passphrase_in_the_place_of_a_name_is_refused_and_not_repeated(source: str, pasted: str) -> None:
    _, found = validated([*BASE, tunnel("t", authentication={"mode": "psk", "key": {source: pasted}})])
    [item] = found.errors
    assert item.code == "secret-in-clear"
    assert pasted not in str(item)


@pytest.mark.parametrize(
    ("spec", "described", "allowed", "hint"),
    [
        ({"vip": {"name": "shard"}}, 0, "", "no Vip is described"),
        ({"vip": {"name": "share-1"}}, 2, "shared-0, shared-1", "did you mean 'shared-1'?"),
        ({"vip": {"name": "x"}}, 15, " and 3 more", ""),
        ({"router": "rr"}, 0, "r", "did you mean 'r'?"),
        ({"source": {"networks": ["lam"]}}, 0, "lan", "did you mean 'lan'?"),
    ],
)
def test_a_reference_to_nothing_says_what_there_is(
    spec: dict[str, object], described: int, allowed: str, hint: str
) -> None:
    place = {"publicNetwork": "wan"}
    vips = [document("Vip", f"shared-{n}", {"router": "r", **place}) for n in range(described)]
    _, found = validated([*BASE, *vips, tunnel("t", **spec)])
    [item] = [item for item in found.errors if item.code == "dangling-reference"]
    assert item.hint == hint
    assert item.allowed == allowed if described < 12 else item.allowed.endswith(allowed)


@pytest.mark.parametrize(("name", "shown"), [("a--d", True), ("5f4dcc3b5aa765d61d8327deb882cf99", False)])
def test_a_file_whose_name_may_be_a_key_is_in_no_hint(name: str, shown: bool, tmp_path: Path) -> None:
    shutil.copytree(ERRORS / "base", tmp_path, dirs_exist_ok=True)
    shutil.copytree(ERRORS / "key-file-missing", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "a-to-b.yaml"
    path.write_text(path.read_text().replace("keys/a--c.age", f"keys/{name}x.age"))
    (tmp_path / "keys").mkdir(exist_ok=True)
    (tmp_path / "keys" / f"{name}.age").write_bytes(
        pyrage.encrypt(b"k", [pyrage.x25519.Identity.generate().to_public()])
    )
    _, found = validate(load_tree(tmp_path))
    [missing] = [item for item in found.errors if item.code == "key-file-missing"]
    assert (name in missing.hint) is shown
    assert (name in missing.message) is shown
