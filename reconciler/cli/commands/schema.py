"""`tunnelwright schema`: the JSON Schemas of this version, for editors and validators."""

from __future__ import annotations

import argparse

from reconciler.cli.out_file import make_folder, write_out
from reconciler.cli.output import Output
from reconciler.model.errors import ExitCode
from reconciler.report.json.results import written_object
from reconciler.report.line import Line
from schemas.generate import ANY_DOCUMENT, json_schemas


def run(arguments: argparse.Namespace) -> int:
    """Write one file for each kind, one for a document of any kind, and one for the settings."""
    output = Output(arguments)
    folder = arguments.folder
    make_folder(folder)
    for name, text in json_schemas().items():
        write_out(folder / name, text.encode())
        output.objects([written_object(str(folder / name))])
    schema = (folder / ANY_DOCUMENT).resolve()
    output.lines(
        [
            Line(f"Wrote {folder}. Begin a document with this line, for editors:"),
            Line(f"# yaml-language-server: $schema={schema}"),
        ]
    )
    return ExitCode.OK
