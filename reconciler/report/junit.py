"""Findings as JUnit's XML, which test reports read."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.visible import visible


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
