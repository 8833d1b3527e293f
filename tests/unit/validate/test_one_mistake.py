"""One mistake is one finding: its cause, with what was meant. What follows from it is not reported."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reconciler.load import load_tree
from reconciler.validate import validate
from reconciler.validate.allocate import allocate, render_lock
from schemas.generate import ROOT
from tests.errors.test_errors import BASE, CASES

SHORT = ROOT / "desired_state"
PAIR = "site-a--site-b.yaml"
KEY = """    mode: psk
    # The key is in the controller's folder of keys, never here.
    key:
"""
IDS = "  identity: {type: name, local: a, peer: b}\n  authentication:"


MISTAKES = [
    (SHORT, PAIR, ("- router: router-a", "- ruter: router-a"), "unknown-field: did you mean 'router'?"),
    (SHORT, PAIR, ("\nspec:", "\nspecs:"), "unknown-field: did you mean 'spec'?"),
    (SHORT, PAIR, ("apiVersion:", "apiversion:"), "unknown-field: did you mean 'apiVersion'?"),
    (SHORT, PAIR, ("kind: ", "Kind: "), "unknown-field: did you mean 'kind'?"),
    (SHORT, PAIR, ("apiVersion: tunnelwright/v1\n", ""), "missing-field: 'apiVersion' is missing"),
    (SHORT, PAIR, ("  authentication:", "authentication:"), "unknown-field: it belongs to spec: correct"),
    (SHORT, PAIR, ("  authentication:", "  dhGroup: 14\n  authentication:"), "unknown-field: to spec.ike:"),
    (SHORT, PAIR, (KEY, "  mode: psk\n  key:\n"), "wrong-type: indent mode, key below it"),
    (SHORT, PAIR, ("router: router-b", "router: ruter-b"), "dangling-reference: did you mean 'router-b'?"),
    (SHORT, PAIR, ("shared-b", "share-b"), "dangling-reference: did you mean 'shared-b'?"),
    (SHORT, PAIR, ("[a-app]", "[a-ap]"), "dangling-reference: did you mean 'a-app'?"),
    (SHORT, "wan.yaml", ("name: wan", "name: wann"), "dangling-reference: ; 5 more fields refer to it"),
    (SHORT, "site-b/router.yaml", ("r-b\n", "r-bb\n"), "dangling-reference: ; 1 more field refers to it"),
    (SHORT, "site-b/router.yaml", ("VpcRouter", "Router"), "unknown-kind: did you mean 'VpcRouter'?"),
    (SHORT, "site-a--site-c.yaml", ("site-c\n", "site-b\n"), "duplicate-name: another IPsecConnection"),
    (BASE, "a-to-b.yaml", ("peer:", "per:"), "unknown-field: did you mean 'peer'?"),
    (BASE, "b-to-a.yaml", ("name: b-to-a", "name: a-to-b"), "duplicate-name: another IPsecTunnel"),
    (BASE, "a-to-b.yaml", ("  authentication:", IDS), "mirror-mismatch: the peer ID 'b' (fqdn) is not"),
]


@pytest.mark.parametrize(("base", "file", "edit", "expected"), MISTAKES)
def test_one_mistake_is_one_finding(
    tmp_path: Path, base: Path, file: str, edit: tuple[str, str], expected: str
) -> None:
    (old, new), (code, _, said) = edit, expected.partition(": ")
    tree = shutil.copytree(base, tmp_path / "tree")
    text = (tree / file).read_text()
    assert old in text
    (tree / file).write_text(text.replace(old, new, 1))
    (item,) = validate(load_tree(tree))[1]
    assert (item.code, said in f"{item.message}; {item.hint}") == (code, True), item


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_allocate_is_recommended_for_it_corrects(case: Path, tmp_path: Path) -> None:
    """Else two hints would point at each other."""
    tree = tmp_path / "tree"
    shutil.copytree(BASE, tree)
    shutil.copytree(case, tree, dirs_exist_ok=True)
    loaded = load_tree(tree)
    found = list(validate(loaded)[1])
    if not found or not all(item.hint.startswith("run `tunnelwright allocate`") for item in found):
        return
    assigned, refused = allocate(loaded)
    assert refused.errors == ()
    (tree / loaded.lock_file).write_text(render_lock(assigned))
    assert list(validate(load_tree(tree))[1]) == []
