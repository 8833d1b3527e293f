"""Write the JSON Schemas that editors use: `python -m schemas.generate [--check]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from schemas.kinds import KINDS

FOLDER = Path(__file__).parent / "json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ALL = "tunnelwright.schema.json"


def json_schemas() -> dict[str, str]:
    """File name -> JSON text: one schema for each kind, and one that picks by kind."""
    schemas: dict[str, JsonValue] = {}
    for kind, model in KINDS.items():
        body = model.model_json_schema(by_alias=True)
        schemas[f"{kind}.schema.json"] = {"$schema": _DIALECT, **body}
    schemas[_ALL] = {
        "$schema": _DIALECT,
        "title": "tunnelwright document",
        "description": "Any document of the desired state.",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {"kind": {"enum": list(KINDS)}},
        "oneOf": [
            {"properties": {"kind": {"const": kind}}, "allOf": [{"$ref": f"{kind}.schema.json"}]}
            for kind in KINDS
        ],
    }
    return {name: json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


def stale(folder: Path = FOLDER) -> list[str]:
    """What differs between the models and the committed files, one sentence for each file."""
    wanted = json_schemas()
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
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


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Write the schemas, or compare them with `--check`. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file is stale")
    if parser.parse_args(arguments).check:
        problems = stale(folder)
        for problem in problems:
            sys.stderr.write(problem + "\n")
        if problems:
            sys.stderr.write("The JSON Schemas are stale: run `python -m schemas.generate`.\n")
        return 1 if problems else 0
    folder.mkdir(exist_ok=True)
    wanted = json_schemas()
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
