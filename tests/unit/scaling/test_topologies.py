"""Twice as many keys, comments and documents are twice the work of expanding and converting them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconciler.importing.comments import with_comments, without_comments
from reconciler.load import load_tree
from reconciler.load.composer import compose
from reconciler.model.bounds import MOST_SUGGESTIONS
from reconciler.model.diagnostic import Diagnostics
from reconciler.operations.convert import convert
from reconciler.validate import validate
from reconciler.validate.catalog import build_catalog
from reconciler.validate.keys import resolve_key
from schemas.keys import KeyRef
from tests.unit.scaling.ring import write_ring
from tests.unit.scaling.test_linear import assert_linear


def test_taking_comments_out_and_in_grows_with_the_text() -> None:
    def work(lines: int) -> Callable[[], object]:
        # The fields are the same, and so is what finding their places costs.
        notes = "".join(f"  # {number} \n" for number in range(20 * lines))
        values = ", ".join(["x"] * 8)
        text = f"spec:\n{notes}  many: [{values}]  # all\n" + "# after\n" * 20 * lines
        (document,), _ = compose(text.encode(), "a.yaml", Diagnostics())

        def call() -> None:
            bare, comments = without_comments(text, document, 1)
            (again,), _ = compose(bare.encode(), "a.yaml", Diagnostics())
            assert len(with_comments(bare, again, comments)) < len(text)

        return call

    assert_linear(work)


def test_a_sign_in_one_of_many_values_is_looked_up() -> None:
    (bare,), _ = compose(b"spec: x\n", "a.yaml", Diagnostics())

    def work(lines: int) -> Callable[[], object]:
        text = "spec:\n" + "".join(f"  - 'no # comment {number}'\n" for number in range(10 * lines))
        # Without the places of the fields, which are found otherwise.
        return lambda: without_comments(text, bare, 1)

    assert_linear(work)


def test_finding_the_documents_of_a_file_grows_with_them(tmp_path: Path) -> None:
    def work(sites: int) -> Callable[[], object]:
        tree = write_ring(tmp_path / str(sites), sites)
        ends = sorted(tree.glob("tunnel-*"))
        # Where one document ends so, no pair is converted: what is left is to find each of them.
        text = "---\n".join(file.read_text() for file in ends) + "--- # no more\n"
        (tree / "all.yaml").write_text(text)
        for file in ends:
            file.unlink()
        loaded = load_tree(tree)
        fabric, _ = validate(loaded)

        def call() -> None:
            done = convert(loaded, fabric, lambda name: (tree / name).read_text())
            assert len(done.found.errors) == 2 * sites

        return call

    assert_linear(work, 60)


def test_missing_keys_do_not_each_look_at_every_key_that_is_there(tmp_path: Path) -> None:
    def work(keys: int) -> Callable[[], object]:
        tree = write_ring(tmp_path / str(keys), 3)
        (tree / "keys").mkdir()
        for number in range(keys):
            (tree / "keys" / f"key-{number}.age").write_bytes(b"age-encryption.org/v1\n-> X25519 x\n")
        catalog = build_catalog(load_tree(tree), Diagnostics())
        item = next(iter(catalog.tunnels.values()))

        def call() -> None:
            found = Diagnostics()
            # The first findings have hints, each of which takes a look at every name.
            for number in range(MOST_SUGGESTIONS):
                item.warning(found, "key-path-foreign", f"warning {number}")
            for number in range(keys):
                key = KeyRef.model_construct(age=f"keys/no-{number}.age")
                resolve_key(catalog, item, key, found, "authentication", "key")
            assert len(found.errors) == keys

        return call

    assert_linear(work, 40)
