"""Findings as SARIF 2.1.0 (OASIS), which code scanning reads."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.visible import encodable
from reconciler.report.encoding import json_text, sarif_message, uri

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(found: Iterable[Diagnostic], version: str) -> str:
    """SARIF 2.1.0 (OASIS), one result for each finding."""
    items = list(found)
    rules = sorted({item.code for item in items})
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "tunnelwright",
                        "version": version,
                        "rules": [{"id": code, "shortDescription": {"text": code}} for code in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(item, rules.index(item.code)) for item in items],
            }
        ],
    }
    return json_text(log, indent=2) + "\n"


def _result(item: Diagnostic, rule: int) -> dict[str, object]:
    parts = [item.message, f"Allowed: {item.allowed}" if item.allowed else "", item.hint]
    identity = f"{item.code}\0{item.location.file}\0{item.path}\0{item.message}"
    return {
        "ruleId": item.code,
        "ruleIndex": rule,
        "level": item.severity.value,
        "message": {"text": sarif_message(". ".join(part for part in parts if part))},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri(item.location.file)},
                    # Code scanning wants a line even of what is wrong with a file as a whole.
                    "region": {
                        "startLine": max(item.location.line, 1),
                        "startColumn": max(item.location.column, 1),
                    },
                }
            }
        ],
        "partialFingerprints": {"tunnelwright/v1": sha256(encodable(identity).encode()).hexdigest()},
    }
