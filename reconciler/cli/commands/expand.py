"""`tunnelwright expand`: what the tree expands to, as documents. Needs no router and no key."""

from __future__ import annotations

import argparse
import io

from ruamel.yaml import YAML

from reconciler.cli.output import Output, document
from reconciler.cli.workspace import load_fabric
from reconciler.model.errors import ExitCode
from reconciler.model.visible import visible
from reconciler.operations.expand import expanded
from reconciler.report.json.results import document_object


def run(arguments: argparse.Namespace) -> int:
    """Print the documents; ends with INVALID when the desired state has errors."""
    output = Output(arguments)
    fabric, loaded = load_fabric(arguments.tree, arguments.rev, output)
    documents = list(expanded(loaded, fabric))
    if not output.json:
        # Other characters than those of ASCII are escaped, so that none changes what a terminal shows.
        writer = YAML()
        writer.allow_unicode = False
        writer.width = 2**16
        writer.indent(mapping=2, sequence=4, offset=2)
        texts = []
        for place, data in documents:
            text = io.StringIO()
            writer.dump(data, text)
            texts.append(f"# {visible(str(place))}\n{text.getvalue()}")
        document("---\n".join(texts))
    output.objects(document_object(place, data) for place, data in documents)
    return ExitCode.OK
