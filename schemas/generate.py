"""Write JSON Schemas and reference pages from the models: `python -m schemas.generate [--check]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, JsonValue
from pydantic.json_schema import models_json_schema

from schemas.base import API_VERSION
from schemas.kinds import KINDS
from schemas.reference import pages, settings_page
from schemas.settings import ReconcileSettings

ROOT = Path(__file__).parents[1]
SCHEMAS = "schemas/json"
PAGES = "docs/reference/kinds"
EXAMPLES = "docs/reference/examples"
SETTINGS_PAGE = "docs/reference/settings.md"
SETTINGS_EXAMPLE = "docs/reference/reconcile.yaml"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
ANY_DOCUMENT = "tunnelwright.schema.json"


def json_schemas() -> dict[str, str]:
    """File name -> JSON text: one schema for each kind, one for any document, one of the settings. None of
    them refers to another file."""
    named: dict[str, tuple[str, type[BaseModel]]] = {
        f"{kind}.schema.json": (kind, model) for kind, model in KINDS.items()
    }
    named["ReconcileSettings.schema.json"] = ("ReconcileSettings", ReconcileSettings)
    schemas: dict[str, JsonValue] = {
        file: {"$schema": _DIALECT, "$id": _id(name), **model.model_json_schema(by_alias=True)}
        for file, (name, model) in named.items()
    }
    schemas[ANY_DOCUMENT] = _any_document()
    return {name: json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


def _any_document() -> dict[str, JsonValue]:
    """The schema of a document of any kind. `if` and `then` let a validator check a document as the kind that
    it has; with `oneOf` it would report the mistakes of one document for every kind."""
    references, joint = models_json_schema([(model, "validation") for model in KINDS.values()], by_alias=True)
    return {
        "$schema": _DIALECT,
        "$id": _id("document"),
        "title": "tunnelwright document",
        "description": "Any document of the desired state.",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {"kind": {"description": "The kind of document.", "enum": list(KINDS)}},
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": references[model, "validation"],
            }
            for kind, model in KINDS.items()
        ],
        **joint,
    }


def _id(name: str) -> str:
    return f"urn:{API_VERSION.replace('/', ':')}:{name}"


def generated(root: Path = ROOT) -> dict[str, str]:
    """Path below the root -> text, of every file that is made from the models.

    Each page shows its example, which is read from the root. Raises FileNotFoundError when there is none,
    ValueError for what the reference has no words for.
    """
    examples = {
        kind: (root / EXAMPLES / f"{kind}.yaml").read_text(encoding="utf-8") for kind in sorted(KINDS)
    }
    made = {f"{SCHEMAS}/{name}": text for name, text in json_schemas().items()}
    made[SETTINGS_PAGE] = settings_page((root / SETTINGS_EXAMPLE).read_text(encoding="utf-8"))
    return made | {f"{PAGES}/{name}": text for name, text in pages(examples).items()}


def stale(root: Path = ROOT) -> list[str]:
    """What differs between the models and the committed files, one sentence for each file."""
    wanted, present = generated(root), _present(root)
    problems = [f"{name}: not in the models any more" for name in sorted(present.keys() - wanted.keys())]
    for name, text in sorted(wanted.items()):
        if name not in present:
            problems.append(f"{name}: missing")
        elif present[name] != text:
            pairs = zip(present[name].splitlines(), text.splitlines(), strict=False)
            line, old, new = next(
                ((n, a, b) for n, (a, b) in enumerate(pairs, 1) if a != b), (0, "shorter", "longer")
            )
            problems.append(f"{name}:{line}: has {old.strip()!r}, the models say {new.strip()!r}")
    return problems


def _present(root: Path) -> dict[str, str]:
    found = [*(root / SCHEMAS).glob("*.json"), *(root / PAGES).glob("*.md"), *root.glob(SETTINGS_PAGE)]
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in found}


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the files, or compare them with `--check`. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file is stale")
    check = parser.parse_args(arguments).check
    try:
        problems = stale(root) if check else _write(root)
    except FileNotFoundError as error:
        problems = [f"{error.filename}: each page has an example"]
    except ValueError as error:
        problems = [str(error)]
    for problem in problems:
        sys.stderr.write(problem + "\n")
    if problems and check:
        sys.stderr.write("Generated files are stale: run `python -m schemas.generate`.\n")
    return 1 if problems else 0


def _write(root: Path) -> list[str]:
    """Write all of it; nothing is left to complain of."""
    wanted = generated(root)
    for name in _present(root).keys() - wanted.keys():
        (root / name).unlink()
    for name, text in wanted.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return []


if __name__ == "__main__":
    sys.exit(main())
