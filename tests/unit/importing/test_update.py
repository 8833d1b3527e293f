"""Documents that follow what was changed on the router: that field, and nothing else in the file."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from reconciler.compile.router import compile_router
from reconciler.importing.update import Edit, FormattingLost, edited
from reconciler.load import load_tree
from reconciler.model.errors import ExitCode
from reconciler.model.secret import Secret
from reconciler.validate import validate
from tests.unit.cli.test_import import ROOT, make_tree, run

TEXTS = [
    *sorted((ROOT / "tests" / "sites").rglob("*.yaml")),
    *(ROOT / "docs/reference/examples").glob("*.yaml"),
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_file_of_ours_survives_unchanged(path: Path) -> None:
    if path.name != "vips.lock.yaml":
        assert edited(path.read_text(), []) == path.read_text()


def test_comments_quotes_and_order_stay() -> None:
    text = (
        "# Head.\nspec:   # why\n  peer:\n    cidrs:\n      - 10.0.0.0/24  # first\n"
        "  ike:\n    # The old one.\n    dhGroup: 14  # weak?\n    encryption: 'aes-256'\n# Foot.\n"
    )
    after = edited(text, [(0, [Edit(("ike", "dhGroup"), 14, 31), Edit(("ipsec", "lifetime"), 3600, 600)])])
    changed = [line for line in difflib.ndiff(text.splitlines(), after.splitlines()) if line[0] in "+-"]
    assert changed == [
        "-     dhGroup: 14  # weak?",
        "+     dhGroup: 31  # weak?",
        "+   ipsec:",
        "+     lifetime: 600",
    ]


def test_documents_with_nothing_in_them_are_not_counted() -> None:
    after = edited("---\n---\nspec:\n  a: 1\n", [(0, [Edit(("a",), 1, 2)])])
    assert after == "---\n---\nspec:\n  a: 2\n"


def test_a_file_that_would_change_elsewhere_is_left_alone() -> None:
    with pytest.raises(FormattingLost):
        edited("spec:   {a:   1,b: 2}\n", [(0, [])])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path)


def configured(tree: Path, name: str, *changes: tuple[str, str]) -> None:
    """The router's own file of a tunnel, changed by hand, in place of the foreign one."""
    fabric, _ = validate(load_tree(tree))
    keys = {tunnel.psk: Secret(b"x") for tunnel in fabric.tunnels.values()}
    config = compile_router(fabric, fabric.tunnels[name].router, keys, Secret(b""))
    text = config.files[f"tw-{name}.conf"].reveal().decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tree.parent / "conf.d" / "x.conf").write_text(text)


def test_what_was_changed_on_the_router_is_changed_in_its_document(
    tree: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {path: path.read_text() for path in tree.rglob("*.yaml")}
    configured(
        tree, "a-to-b", ("rekey_time = 86400s", "rekey_time = 7200s"), ("dpd_delay = 30s", "dpd_delay = 9s")
    )
    assert run(tree) == ExitCode.OK
    assert {path: path.read_text() for path in tree.rglob("*.yaml")} == before, "only with --update"
    assert run(tree, "--update") == ExitCode.OK
    said = capsys.readouterr().out
    assert "a-to-b: spec.ike.lifetime: 86400 -> 7200" in said
    assert "a-to-b: spec.ike.dpd.delay: 30 -> 9" in said
    [changed] = [path for path in before if path.read_text() != before[path]]
    assert changed.name == "a-to-b.yaml"
    lines = list(difflib.ndiff(before[changed].splitlines(), changed.read_text().splitlines()))
    assert not [line for line in lines if line.startswith("- ")]
    fabric, _ = validate(load_tree(tree))
    assert (fabric.tunnels["a-to-b"].ike.lifetime, fabric.tunnels["a-to-b"].ike.dpd_delay) == (7200, 9)
    assert run(tree, "--update") == ExitCode.OK
    assert "->" not in capsys.readouterr().out, "now it says the same"


def test_an_update_that_would_not_be_valid_writes_nothing(
    tree: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {path: path.read_text() for path in tree.rglob("*.yaml")}
    configured(tree, "a-to-b", ("aes256-sha256-modp2048", "aes128-sha256-modp2048"))
    assert run(tree, "--update") == ExitCode.INVALID
    assert "mirror-mismatch" in capsys.readouterr().err
    assert {path: path.read_text() for path in tree.rglob("*.yaml")} == before


def test_what_was_taken_over_says_nothing_any_more(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = next(tree.rglob("a-to-b.yaml"))
    adopting = "  name: a-to-b\n  annotations:\n    tunnelwright/adopts: net-net\n"
    document.write_text(document.read_text().replace("  name: a-to-b\n", adopting))
    foreign = (tree.parent / "conf.d" / "x.conf").read_text()
    assert run(tree, "--update") == ExitCode.INVALID, "its only source, which says much else"
    configured(tree, "a-to-b", ("dpd_delay = 30s", "dpd_delay = 9s"))
    (tree.parent / "conf.d" / "y-old.conf").write_text(foreign)
    capsys.readouterr()
    assert run(tree, "--update") == ExitCode.OK
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if "->" in line] == [
        f"{document}: a-to-b: spec.ike.dpd.delay: 30 -> 9"
    ]
