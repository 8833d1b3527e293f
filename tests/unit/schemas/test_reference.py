"""The reference is true: its examples are valid, its defaults are those that are used, and what
`validate` reports at a field is named there."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from reconciler.cli.main import main
from reconciler.load import Document, load_tree
from reconciler.model.diagnostic import Diagnostic
from reconciler.validate import validate
from reconciler.validate.policies import SERVICE_ESP, SERVICE_IKE
from schemas import reference
from schemas.base import Document as AnyKind
from schemas.generate import EXAMPLES, PAGES, ROOT, SETTINGS_PAGE
from schemas.kinds import KINDS
from schemas.settings import ReconcileSettings
from schemas.variables import settings
from tests.errors import test_errors

DIAGNOSTICS = ROOT / "docs/reference/diagnostics.md"
# The index says of these that any field may be reported so.
EVERYWHERE = {"wrong-type", "missing-field", "unknown-field"}
FIELDS = {kind: {field.path: field for field in reference.fields(model)} for kind, model in KINDS.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_fits_its_model(kind: str) -> None:
    found = [d for d in load_tree(ROOT / EXAMPLES).documents if d.file == f"{kind}.yaml"]
    assert found
    for document in found:
        KINDS[kind].model_validate(document.data)


def test_the_examples_together_are_a_valid_desired_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(ROOT / EXAMPLES)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith("Valid: 6 routers, 16 tunnel ends")


@pytest.mark.parametrize("kind", ["IPsecTunnel", "IPsecConnection", "IPsecTopology", "FabricDefaults"])
def test_documented_defaults_of_the_policy_are_those_that_are_used(kind: str) -> None:
    used = {
        "ike.version": SERVICE_IKE.version,
        "ike.integrity": SERVICE_IKE.integrity,
        "ike.encryption": SERVICE_IKE.encryption,
        "ike.dhGroup": SERVICE_IKE.dh_group,
        "ike.lifetime": SERVICE_IKE.lifetime,
        "ike.dpd.enabled": str(SERVICE_IKE.dpd_enabled).lower(),
        "ike.dpd.delay": SERVICE_IKE.dpd_delay,
        "ike.dpd.action": SERVICE_IKE.dpd_action,
        "ipsec.integrity": SERVICE_ESP.integrity,
        "ipsec.encryption": SERVICE_ESP.encryption,
        "ipsec.pfs": f"dh-group{SERVICE_ESP.pfs_group}",
        "ipsec.lifetime": SERVICE_ESP.lifetime,
    }
    assert len(used) == len(asdict(SERVICE_IKE)) + len(asdict(SERVICE_ESP))
    documented = {path: FIELDS[kind][f"spec.{path}"].brief for path in used}
    assert documented == {path: f"`{value}`" for path, value in used.items()}


def reported() -> set[tuple[str, str, str, str]]:
    """(case, kind, path without indexes, code) of every finding of the error cases inside a known kind."""
    found = set()
    for case in test_errors.CASES:
        for document, finding in findings(case):
            if document is not None and isinstance(document.data, dict):
                kind = str(document.data.get("kind"))
                path = re.sub(r"\[\d+\]", "[]", finding.path).removesuffix("[]")
                if kind in KINDS and path:
                    found.add((case.name, kind, path, finding.code))
    return found


def findings(case: Path) -> list[tuple[Document | None, Diagnostic]]:
    """What a case reports, each with the document that it stands in."""
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(test_errors.BASE, scratch, dirs_exist_ok=True)
        shutil.copytree(case, scratch, dirs_exist_ok=True)
        loaded = load_tree(Path(scratch))
    _, found = validate(loaded)
    placed = []
    for finding in found:
        here = [
            d
            for d in loaded.documents
            if d.file == finding.location.file and d.locate().line <= finding.location.line
        ]
        placed.append((max(here, key=lambda d: d.index, default=None), finding))
    return placed


def test_what_is_reported_at_a_field_is_named_there() -> None:
    """At the field, at a mapping around it, or, where a field is missing, at that field."""
    every, unnamed = reported(), []
    assert len(every) > 60
    for case, kind, path, code in sorted(every):
        named = [
            known
            for known, field in FIELDS[kind].items()
            if code in field.diagnostics
            and (f"{path}.".startswith(f"{known}.") or known.rpartition(".")[0] == path)
        ]
        if code not in EVERYWHERE and not named:
            unnamed.append(f"{case}: {kind} {path}: {code}")
    assert unnamed == []


def test_every_code_that_is_named_exists_and_is_explained() -> None:
    named = {code for fields in FIELDS.values() for field in fields.values() for code in field.diagnostics}
    explained = set(re.findall(r"^\| `([a-z-]+)` \|", DIAGNOSTICS.read_text(encoding="utf-8"), re.MULTILINE))
    assert named | EVERYWHERE <= explained
    assert explained == test_errors.codes_in_source()


def test_refusals_are_in_the_index_with_their_reasons() -> None:
    text = (ROOT / PAGES / "README.md").read_text(encoding="utf-8")
    assert "| `spec.ike.mode` | `aggressive` | Aggressive mode is not supported" in text
    assert text.count("\n| `spec.") == len(
        {(f.path, value) for fields in FIELDS.values() for f in fields.values() for value in f.refused}
    )


def test_the_page_of_the_settings_has_words_for_all_of_it() -> None:
    page = (ROOT / SETTINGS_PAGE).read_text(encoding="utf-8")
    assert "text that matches" not in page
    for field in reference.fields(ReconcileSettings):
        assert f"\n### `{field.path}`\n" in page
    for setting in settings():
        path = ".".join(setting.path)
        assert re.search(rf"^\| \[`{re.escape(path)}`\].* \| `{setting.variable}` \|$", page, re.MULTILINE)


class Either(AnyKind):
    """A kind with a field of two types."""

    size: int | str = Field(description="A size.")


class Stepped(AnyKind):
    """A kind with a rule that the reference has no words for."""

    size: Annotated[int, Field(multiple_of=5)] = Field(description="A size.")


@pytest.mark.parametrize(("model", "keyword"), [(Either, "anyOf"), (Stepped, "multipleOf")])
def test_what_there_are_no_words_for_is_not_left_out(model: type[AnyKind], keyword: str) -> None:
    with pytest.raises(ValueError, match=f"size: .* no words for {keyword}"):
        list(reference.fields(model))
