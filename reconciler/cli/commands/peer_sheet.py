"""`tunnelwright peer-sheet`: what the administrator of the other end needs, when we do not manage it."""

from __future__ import annotations

import argparse

from reconciler.cli import access
from reconciler.cli.out_file import write_out
from reconciler.cli.output import Output, document, say
from reconciler.cli.workspace import load_fabric
from reconciler.model.errors import ExitCode
from reconciler.plan.targets import find_tunnel
from reconciler.report.json.results import sheet_object
from reconciler.report.line import joined
from reconciler.report.sheets import TABLE
from reconciler.report.sheets.mirrored import mirrored, remarks, weaknesses
from reconciler.report.sheets.render import render
from reconciler.report.sheets.table import table_lines

_WARNING = "warning: the sheet holds the pre-shared key in the clear; hand it over on a confidential channel"


def run(arguments: argparse.Namespace) -> int:
    """Print the sheet, or write it. Asks no router."""
    output = Output(arguments)
    fabric, _ = load_fabric(arguments.tree, arguments.rev, output, stream=True)
    tunnel = find_tunnel(fabric, arguments.tunnel)
    key = access.secret_store(arguments).keys([tunnel.psk])[tunnel.psk] if arguments.with_key else None
    end, said = mirrored(tunnel), tuple(remarks(tunnel))
    lines = []
    if arguments.format == TABLE:
        lines = list(table_lines(end, said, key))
        text = joined(lines).encode()
    else:
        text = render(end, arguments.format, said, key).reveal()
    if key is not None:
        say(_WARNING)
    if arguments.out:
        # In the file its reader sees them; who hands it over should before.
        for weakness in weaknesses(tunnel):
            say(f"warning: {weakness}")
        write_out(arguments.out, text, private=True)
        say(f"wrote {arguments.out}")
    elif lines:
        output.lines(lines)
    elif not output.json:
        document(text.decode())
    # What is in a file is not repeated: the file is what only its reader can see.
    shown = None if arguments.out else text.decode()
    output.objects([sheet_object(end, said, arguments.format, shown)])
    return ExitCode.OK
