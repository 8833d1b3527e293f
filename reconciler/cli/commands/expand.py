"""`tunnelwright expand`: what the tree expands to, as documents. Needs no router and no key."""

from __future__ import annotations

import argparse

from reconciler.cli.output import Output, document
from reconciler.cli.workspace import load_fabric
from reconciler.model.errors import ExitCode
from reconciler.operations.expand import expanded
from reconciler.report.document_text import documents_text
from reconciler.report.json.results import document_object


def run(arguments: argparse.Namespace) -> int:
    """Print the documents; ends with INVALID when the desired state has errors."""
    output = Output(arguments)
    fabric, loaded = load_fabric(arguments.tree, arguments.rev, output, stream=True)
    documents = list(expanded(loaded, fabric))
    if not output.json:
        document(documents_text(documents))
    output.objects(document_object(place, data) for place, data in documents)
    return ExitCode.OK
