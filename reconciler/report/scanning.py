"""Findings as tools that read code take them: SARIF for code scanning, JUnit for test reports."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from xml.etree import ElementTree

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.visible import encodable, visible
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


def junit(found: Iterable[Diagnostic], files: Iterable[str]) -> str:
    """JUnit's XML: a test case for each file, failed by its errors."""
    items = list(found)
    names = sorted({*files, *(item.location.file for item in items)})
    suite = ElementTree.Element("testsuite", name="tunnelwright", tests=str(len(names)))
    failed = 0
    for name in names:
        shown = visible(name)
        case = ElementTree.SubElement(suite, "testcase", classname="desired_state", name=shown, file=shown)
        mine = [item for item in items if item.location.file == name]
        errors = [item for item in mine if item.severity is Severity.ERROR]
        failed += bool(errors)
        if errors:
            failure = ElementTree.SubElement(
                case, "failure", message=visible(errors[0].message), type=errors[0].code
            )
            failure.text = "\n".join(_line(item) for item in errors)
        warnings = [item for item in mine if item.severity is Severity.WARNING]
        if warnings:
            ElementTree.SubElement(case, "system-out").text = "\n".join(_line(item) for item in warnings)
    suite.set("failures", str(failed))
    ElementTree.indent(suite)
    # In ASCII it is what its declaration says, whatever encoding it is written in.
    text: bytes = ElementTree.tostring(suite, encoding="us-ascii", xml_declaration=True)
    return text.decode("ascii") + "\n"


def _line(item: Diagnostic) -> str:
    return visible(f"{item.location}: {item.severity}: {item.message} ({item.code})")
